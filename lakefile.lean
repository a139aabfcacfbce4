import Lake
open Lake DSL System

package llmstep where
  description := "Next-step suggestions for Lean 4 proofs from a language model on your own laptop"
  keywords := #["tactic", "language model", "suggestion"]
  license := "MIT"

@[default_target]
lean_lib LLMstep where
  globs := #[.andSubmodules `LLMstep]

@[test_driver]
lean_lib LLMstepTest where
  srcDir := "tests/lean"

/-- Make the package's own `.venv` and install the sidecar into it. Usage: `lake run llmstep/setup` -/
script setup (args) do
  let python := (← IO.getEnv "LLMSTEP_PYTHON").getD (if Platform.isWindows then "py" else "python3")
  let child ← IO.Process.spawn { cmd := python, args := #["bootstrap.py", "setup"] ++ args.toArray, cwd := some __dir__ }
  return ← child.wait
