import LLMstep
import LLMstepTest.Support
open Lean LLMstep LLMstepTest System

/-! ## Command lines -/

#eval same "words" (splitCommand "  python3 -m  llmstep ") #["python3", "-m", "llmstep"]
#eval same "quotes" (splitCommand "\"/my tools/python\" -m llmstep") #["/my tools/python", "-m", "llmstep"]
#eval same "quotes inside a word" (splitCommand "--model=\"a b\".gguf x") #["--model=a b.gguf", "x"]
#eval same "an empty word" (splitCommand "llmstep \"\"") #["llmstep", ""]
#eval same "nothing" (splitCommand "   ") #[]
#eval same "serve is added" (withServe #["llmstep"]) #["llmstep", "serve"]
#eval same "serve is there" (withServe #["llmstep", "serve", "--model", "echo"]) #["llmstep", "serve", "--model", "echo"]
#eval same "in front of the options" (withServe #["llmstep", "--model", "echo"]) #["llmstep", "serve", "--model", "echo"]
#eval same "behind a module's name" (withServe #["/v/bin/python", "-m", "llmstep", "--model", "echo"])
  #["/v/bin/python", "-m", "llmstep", "serve", "--model", "echo"]
#eval same "behind another module's name" (withServe #["python3", "-m", "other", "-v"]) #["python3", "-m", "other", "serve", "-v"]
#eval same "by its path" (withServe #["uv", "run", "--quiet", "/my tools/llmstep", "-v"]) #["uv", "run", "--quiet", "/my tools/llmstep", "serve", "-v"]
#eval same "a wrapper" (withServe #["./wrap.sh", "--model", "echo"]) #["./wrap.sh", "serve", "--model", "echo"]
#eval same "a script" (withServe #["python3", "side.py", "mute"]) #["python3", "side.py", "mute", "serve"]
#eval same "shown as it was written" ({ words := splitCommand "\"/my tools/python\" -m", origin := "" } : Launch).text
  "\"/my tools/python\" -m"

/-! ## Places -/

#eval show IO Unit from do
  let some root ← projectRoot? ((← IO.currentDir) / "tests" / "lean") | throw <| IO.userError "no project root"
  same "the folder with the lakefile" root.toString (← IO.currentDir).toString
#eval show IO Unit from do
  let candidates ← programCandidates "tests/lean/LLMstepTest/Command.lean"
  let places := candidates.toList.map (·.1.toString)
  let root := (← IO.currentDir).toString
  let index (part : String) : Nat := (candidates.findIdx? fun (place, _) => contains place.toString part).getD 1000
  same "the project's environment comes first" (places.head?.getD "") (venvProgram root).toString
  ensure "then the package's" (index "packages" == 1)
  ensure "~/.local/bin comes last" (contains (places.getLast?.getD "") ".local")
  let text := notFoundText candidates
  for part in ["LLMSTEP_COMMAND: not set", "option llmstep.command: not set", "on the PATH: not there", ".venv", "lake run llmstep/setup"] do
    ensure s!"{part} in:\n{text}" (contains text part)

/-! ## The option -/

set_option llmstep.command "\"a b\" c" in
run_cmd Elab.Command.liftCoreM do
  let launch ← findLaunch
  same "the option names the program" launch.words #["a b", "c", "serve"]

-- What makes another Python look elsewhere does not reach a virtual environment's.
#eval show IO Unit from do
  let unset (l : Launch) : Bool := foreignVariables.all fun name => l.environment.any fun (other, value) => other == name && value.isNone
  ensure "a virtual environment" (unset { words := #[], origin := "", isolated := true })
  ensure "a command of the user's" (!unset { words := #[], origin := "" })
