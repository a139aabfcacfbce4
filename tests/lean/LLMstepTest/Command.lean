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
