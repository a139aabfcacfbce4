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

/-- A way to start the sidecar. `origin` says in words where it was found. -/
structure Launch where
  words : Array String
  origin : String

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

/-- Add the subcommand, unless the user's command line has it already (`llmstep serve --model echo`). -/
def withServe (words : Array String) : Array String :=
  if words.contains "serve" then words else words.push "serve"

private def exeName : String := if Platform.isWindows then "llmstep.exe" else "llmstep"

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
    if ← (dir / "LLMstep.olean").pathExists then
      if let some root := dir.parent.bind (·.parent) |>.bind (·.parent) |>.bind (·.parent) then
        roots := roots.push root
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
  if let some line ← env? "LLMSTEP_COMMAND" then
    return { words := withServe (splitCommand line), origin := "the environment variable LLMSTEP_COMMAND" }
  let line ← stringOption llmstep.command
  unless isBlank line do
    return { words := withServe (splitCommand line), origin := "the option llmstep.command" }
  let candidates ← programCandidates (← getFileName)
  for (program, origin) in candidates do
    if ← program.pathExists then
      return { words := #[program.toString, "serve"], origin }
  throwError "{notFoundText candidates}"

end LLMstep
