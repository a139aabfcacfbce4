import Lake
open Lake DSL System

package llmstep where
  description := "Next-step suggestions for Lean 4 proofs from a language model on your own laptop"
  keywords := #["tactic", "language model", "suggestion"]
  license := "MIT"

@[default_target]
lean_lib LLMstep where
  globs := #[.andSubmodules `LLMstep]

lean_lib LLMstepTest where
  srcDir := "tests/lean"

/-- Builds the tests, which run as they are built, with scripted answers in place of a model. Usage: `lake test` -/
@[test_driver]
script runTests (args) do
  let scripts := __dir__ / ".venv" / (if Platform.isWindows then "Scripts" else "bin")
  let separator := if Platform.isWindows then ";" else ":"
  let path := (← IO.getEnv "PATH").getD ""
  let child ← IO.Process.spawn {
    cmd := (← IO.getEnv "LAKE").getD "lake", args := #["--wfail", "build", "LLMstepTest"] ++ args.toArray, cwd := some __dir__
    env := #[
      ("PATH", some (scripts.toString ++ separator ++ path)),
      ("LLMSTEP_ECHO_SCRIPT", some (__dir__ / "tests" / "lean" / "echo.json").toString),
      ("LLMSTEP_CACHE", some "false"), ("LLMSTEP_SOURCES", some "model"),
      ("LLMSTEP_COMMAND", none), ("LLMSTEP_MODEL", none)] }
  return ← child.wait

/-- Make the package's own `.venv` and install the sidecar into it. Usage: `lake run llmstep/setup` -/
script setup (args) do
  let python := (← IO.getEnv "LLMSTEP_PYTHON").getD (if Platform.isWindows then "py" else "python3")
  let child ← IO.Process.spawn { cmd := python, args := #["bootstrap.py", "setup"] ++ args.toArray, cwd := some __dir__ }
  return ← child.wait
