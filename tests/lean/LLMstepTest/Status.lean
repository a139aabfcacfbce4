import LLMstep
import LLMstepTest.Support
open Lean Meta Elab LLMstep LLMstepTest

-- The commands below tell what the proofs above them did.
set_option Elab.async false
set_option llmstep.command "llmstep serve --model echo"
set_option llmstep.batch true

run_cmd Command.liftCoreM do
  let text ← statusText
  for part in [s!"llmstep {packageVersion}, protocol 1", "no sidecar was started", "llmstep serve --model echo", "the option llmstep.command"] do
    ensure s!"{part}\n--- in:\n{text}" (contains text part)

example (p : Prop) (hp : p) : p := by
  expect "🎉" from llmstep ""
  exact hp

run_cmd Command.liftCoreM do
  let text ← statusText
  for part in ["command: llmstep serve --model echo", "process: ", "running for: ", "model: echo", "backend: echo", "state: ", "pid: "] do
    ensure s!"{part}\n--- in:\n{text}" (contains text part)

example (p : Prop) (hp : p) : p := by
  expect "error" for k_error from llmstep
  exact hp

run_cmd Command.liftCoreM do
  ensure "the last error" (contains (← statusText) "last error: the model failed")

set_option llmstep.command "llmstep serve --in-process --model echo" in
example (p : Prop) (hp : p) : p := by
  expect "error" for k_crash from llmstep
  exact hp

set_option llmstep.command "llmstep serve --in-process --model echo" in
run_cmd Command.liftCoreM do
  let text ← statusText
  for part in ["gone: ", "exit status 3"] do ensure s!"{part}\n--- in:\n{text}" (contains text part)

/-! ## Warming up -/

set_option llmstep.command "llmstep serve --model echo -v"
run_cmd Command.liftCoreM do ensure "off by default" (!(← warmedUp.get))
set_option llmstep.warmup true
example : True := True.intro
run_cmd Command.liftCoreM do
  ensure "the first command with the option on" (← warmedUp.get)
  let running ← slots.atomically (m := IO) get
  ensure "started" (running.any fun (key, _) => contains key "-v")
