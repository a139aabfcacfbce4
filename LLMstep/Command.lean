module
public meta import Lean
public meta import LLMstep.Options
public meta section
open Lean System

/-!
# How the sidecar is found

In this order: the environment variable `LLMSTEP_COMMAND`, the option `llmstep.command`, the project's own `.venv`, the `.venv`
of the llmstep package (made by `lake run llmstep/setup`), `llmstep` on the PATH, `~/.local/bin`. An editor that was not started
from a shell has a short PATH, so the PATH comes late.

```
#eval splitCommand "\"/my tools/python\" -m llmstep"   -- #["/my tools/python", "-m", "llmstep"]
```
-/
namespace LLMstep

/-- A way to start the sidecar. `origin` says in words where it was found. `isolated`: it is a program of a virtual environment, to which
the Python settings of another program (`foreignVariables`) do not belong. -/
structure Launch where
  words : Array String
  origin : String
  isolated : Bool := false

/-- What makes a Python look for its packages elsewhere. Robot, cluster and editor environments set these for programs of their own. -/
def foreignVariables : List String := ["PYTHONPATH", "PYTHONHOME"]

/-- What to change in the environment of the sidecar. -/
def Launch.environment (l : Launch) : Array (String × Option String) :=
  let unset := if l.isolated then foreignVariables.map (·, none) else []
  #[("PYTHONUNBUFFERED", some "1")] ++ unset.toArray

/-- A line that names the variables that may be why a program we have not isolated cannot start; empty if there are none. -/
def Launch.suspects (l : Launch) : BaseIO String := do
  if l.isolated then return ""
  let mut names := #[]
  for name in foreignVariables do
    if (← env? name).isSome then names := names.push name
  if names.isEmpty then return ""
  return s!"\nSet here, and perhaps meant for another Python: {", ".intercalate names.toList}. Unset it, or name the sidecar of a `.venv`."

/-- The command line as a user would write it; also the key under which the running sidecar is kept. -/
def Launch.text (l : Launch) : String :=
  " ".intercalate (l.words.toList.map fun w => if w.toList.any Char.isWhitespace then s!"\"{w}\"" else w)

/-- Split a command line at spaces. A double quote starts or ends a stretch in which spaces do not split. -/
def splitCommand (line : String) : Array String := Id.run do
  let mut words := #[]
  let mut word := ""
  let mut quoted := false
  let mut begun := false
  for c in line.toList do
    if c == '"' then
      quoted := !quoted
      begun := true
    else if c.isWhitespace && !quoted then
      if begun then words := words.push word
      word := ""
      begun := false
    else
      word := word.push c
      begun := true
  return if begun then words.push word else words

/-- The last part of a path. -/
private def baseName (path : String) : String := ((path.replace "\\" "/").splitOn "/").getLast?.getD path

/-- How many words come before the arguments of the sidecar: up to `llmstep`, or the module that `python -m` runs, if either is there;
else the program and what follows it up to the first option. -/
private def wordsBeforeArguments (words : Array String) : Nat :=
  match words.findIdx? fun word => ["llmstep", "llmstep.exe", "llmstep.cmd"].contains (baseName word) with
  | some i => i + 1
  | none =>
    match words.findIdx? (· == "-m") with
    | some i => min (i + 2) words.size
    | none => ((words.extract 1 words.size).findIdx? (·.startsWith "-")).map (· + 1) |>.getD words.size

/-- Add the subcommand, unless the user's command line has it already (`llmstep serve --model echo`): in front of the options, which
are its own (`llmstep --model echo`). -/
def withServe (words : Array String) : Array String :=
  if words.contains "serve" then words
  else
    let n := wordsBeforeArguments words
    (words.extract 0 n).push "serve" ++ words.extract n words.size

private def exeName : String := if Platform.isWindows then "llmstep.exe" else "llmstep"

/-- How the origins end that are virtual environments. -/
private def environmentWords : String := "virtual environment"

/-- The program a virtual environment keeps for us. -/
def venvProgram (root : FilePath) : FilePath :=
  root / ".venv" / (if Platform.isWindows then "Scripts" else "bin") / exeName

private def markers : List String := ["lakefile.toml", "lakefile.lean", "lean-toolchain"]

/-- The nearest folder above `start` that is a Lake project. -/
partial def projectRoot? (start : FilePath) : IO (Option FilePath) := do
  for marker in markers do
    if ← (start / marker).pathExists then return some start
  match start.parent with
  | some up => if up.toString == start.toString then return none else projectRoot? up
  | none => return none

/-- The package's folder as Lake knows it: `LEAN_PATH` lists `<package>/.lake/build/lib/lean`. This also finds a package that is
required by path or kept outside `.lake/packages`. -/
def packageRoots : IO (Array FilePath) := do
  let some path ← env? "LEAN_PATH" | return #[]
  let separator := if Platform.isWindows then ";" else ":"
  let mut roots := #[]
  for entry in path.splitOn separator do
    let dir : FilePath := entry
    if let some root := dir.parent.bind (·.parent) |>.bind (·.parent) |>.bind (·.parent) then
      -- Not by its .olean: Lake's artifact cache keeps that elsewhere.
      if ← (root / "LLMstep.lean").pathExists then
        if ← (root / "lakefile.lean").pathExists then roots := roots.push root
  return roots

private def pathFolders : IO (List FilePath) := do
  let some path ← env? "PATH" | return []
  let separator := if Platform.isWindows then ";" else ":"
  return (path.splitOn separator).filter (!·.isEmpty) |>.map fun (folder : String) => FilePath.mk folder

/-- Where programs may lie that no setting names, each with the words that tell a user about it. -/
def programCandidates (fileName : String) : IO (Array (FilePath × String)) := do
  let mut found := #[]
  let file : FilePath := fileName
  let starts := #[some (← IO.currentDir), file.parent].filterMap id
  for start in starts do
    if let some root ← projectRoot? start then
      found := found.push (venvProgram root, "the project's virtual environment")
      found := found.push (venvProgram (root / ".lake" / "packages" / "llmstep"), "the package's virtual environment")
  for root in ← packageRoots do
    found := found.push (venvProgram root, "the package's virtual environment")
  for folder in ← pathFolders do
    found := found.push (folder / exeName, "the PATH")
  if let some home := (← env? "HOME") <|> (← env? "USERPROFILE") then
    found := found.push ((home : FilePath) / ".local" / "bin" / exeName, "~/.local/bin")
  return found

/-- The one message for a sidecar that cannot be found: what was tried, and the command that mends it. -/
def notFoundText (candidates : Array (FilePath × String)) : String := Id.run do
  let mut tried := "\n  LLMSTEP_COMMAND: not set\n  option llmstep.command: not set"
  let mut seen : Array String := #[]
  for (program, origin) in candidates do
    -- The PATH has many folders, all of which the user knows.
    let line := if origin == "the PATH" then s!"\n  {exeName} on the PATH: not there" else s!"\n  {program}: not there"
    unless seen.contains line do
      seen := seen.push line
      tried := tried ++ line
  return s!"llmstep: the sidecar was not found. Tried:{tried}\nInstall it with `lake run llmstep/setup`, then restart the file."

/-- How to start the sidecar here. Throws `notFoundText` if nothing is found. -/
def findLaunch : CoreM Launch := do
  let line := (← env? "LLMSTEP_COMMAND").getD ""
  unless isBlank line do
    return { words := withServe (splitCommand line), origin := "the environment variable LLMSTEP_COMMAND" }
  let line ← stringOption llmstep.command
  unless isBlank line do
    return { words := withServe (splitCommand line), origin := "the option llmstep.command" }
  let candidates ← programCandidates (← getFileName)
  for (program, origin) in candidates do
    if ← program.pathExists then
      return { words := #[program.toString, "serve"], origin, isolated := origin.endsWith environmentWords }
  throwError "{notFoundText candidates}"

end LLMstep
