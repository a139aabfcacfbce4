module
public meta import Lean
public meta import LLMstep.Ask
public meta section
open Lean Elab Command

/-!
# Loading the model before it is asked for

With `set_option llmstep.warmup true` (or `weak.llmstep.warmup` in the lakefile), the first command after the import starts the
sidecar and lets it load its model. A linter is the hook: it runs after every command and sees its options.

```
set_option llmstep.warmup true
```
-/
namespace LLMstep

/-- Whether the warm-up of this file was begun, successful or not. -/
initialize warmedUp : IO.Ref Bool ← IO.mkRef false

/-- Start the sidecar and send `llmstep/prepare`. Waits for the handshake on a thread of its own, so no command does. -/
def warmUp (document? : Option Document) : CoreM Unit := do
  let sidecar ← getSidecar (← findLaunch)
  let model? ← chosenModel?
  let announce : IO Unit := do
    if let some (.ok _) ← IO.wait sidecar.ready.result? then
      discard <| sidecar.send (prepareMessage document? model?)
  discard <| (IO.asTask announce (prio := .dedicated) : BaseIO _)

/-- The hook. (Named, because Lean warns of nameless initializers that are public.) -/
initialize warmupHook : Unit ← addLinter {
  name := `LLMstep.warmupLinter
  run := fun stx => do
    if ← warmedUp.get then return
    liftCoreM do
      unless ← boolOption llmstep.warmup do return
      unless Elab.inServer.get (← getOptions) || (← boolOption llmstep.batch) do return
      warmedUp.set true
      -- A missing sidecar is reported when somebody asks, not by every file that could.
      try warmUp (← documentAt? stx) catch _ => pure () }

end LLMstep
