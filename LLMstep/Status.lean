module
public meta import Lean
public meta import LLMstep.Ask
public meta section
open Lean Meta Elab Command

/-!
# The command `#llmstep_status`

Where the sidecar is, whether it runs, its process id, model, versions on both sides, and the last thing that went wrong.

```
#llmstep_status
```
-/
namespace LLMstep

private def field (status : Json) (key : String) : Option String :=
  match status.getObjVal? key with
  | .ok (.str text) => some text
  | .ok .null => none
  | .ok value => some value.compress
  | .error _ => none

/-- One line per fact that the sidecar tells about itself. -/
def statusLines (status : Json) : String := Id.run do
  let mut lines := ""
  for key in ["model", "backend", "state", "error", "memory", "queue", "cache", "versions", "pid"] do
    if let some value := field status key then lines := lines ++ s!"\n  {key}: {value}"
  return lines

/-- Ask a running sidecar how it is; it answers also while the model is busy. -/
def askStatus (s : Sidecar) (timeoutMs : Nat) : CoreM String := do
  let deadline := (← IO.monoMsNow) + timeoutMs
  s.withQuestion "llmstep/status" (fun _ => Json.mkObj []) fun question => do
    match ← question.next deadline with
    | .finished (.ok status) => return statusLines status
    | .finished (.error e) => return s!"\n  status: {e.text}"
    | .arrived _ | .late => return s!"\n  status: no answer within {timeoutMs} ms"

/-- All there is to say about one sidecar. -/
def describe (s : Sidecar) : CoreM String := do
  let mut text := s!"command: {s.launch.text}\n  found through: {s.launch.origin}\n  process: {s.child.pid.toNat}"
  match ← s.dead.get with
  | some why => return text ++ s!"\n  gone: {why}"
  | none =>
    text := text ++ s!"\n  running for: {((← IO.monoMsNow) - s.startedAt) / 1000} s"
    if ← s.ready.isResolved then text := text ++ (← askStatus s 2000)
    else text := text ++ "\n  the handshake is not over yet"
  if let some error ← s.lastError.get then text := text ++ s!"\n  last error: {error}"
  return text

/-- What `#llmstep_status` says. -/
def statusText : CoreM String := do
  let mut text := s!"llmstep {packageVersion}, protocol {protocolVersion}"
  let slots ← slots.atomically (m := IO) get
  for (_, slot) in slots do text := text ++ "\n" ++ (← describe slot.current)
  if slots.isEmpty then
    text := text ++ "\nno sidecar was started in this file yet"
    try
      let launch ← findLaunch
      text := text ++ s!"\n  it would be: {launch.text}\n  found through: {launch.origin}"
    catch e => text := text ++ s!"\n{← e.toMessageData.toString}"
  return text

/-- `#llmstep_status` tells which sidecar this file uses, its process, model and state, the versions on both sides, and the last
error. It starts nothing. -/
elab "#llmstep_status" : command => liftTermElabM do logInfo m!"{← statusText}"

end LLMstep
