module
public meta import Lean
public meta import LLMstep.Ask
public meta section
open Lean Meta Elab Command

/-!
# The command `#llmstep_status`

Where the sidecar is, whether it runs, its process id, model, versions on both sides, and the last thing that went wrong. Lean reads
it once, when it comes to the command: a handshake that is under way is waited for, and the text says how old the sidecar was.

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

/-- How long `#llmstep_status` waits for the end of a handshake, in milliseconds. -/
def handshakePatienceMs : Nat := 5000

/-- How long it waits for a call above it to start a sidecar: proofs are elaborated beside the commands that follow. -/
def startPatienceMs : Nat := 1000

/-- Wait until `isOver`, but no longer than `ms` milliseconds, on a thread of its own: one of Lean's pool that sleeps is missing to the
rest of the file. -/
private def waitUntil (isOver : IO Bool) (ms : Nat) : CoreM Unit := do
  let stop := (← IO.monoMsNow) + ms
  let token? := (← readThe Core.Context).cancelTk?
  let watch : IO Unit := do
    repeat
      if (← isOver) || (← IO.monoMsNow) ≥ stop then return
      if let some token := token? then
        if ← token.isSet then return
      IO.sleep 10
  discard <| IO.wait (← (IO.asTask watch (prio := .dedicated) : BaseIO _))
  Core.checkInterrupted

/-- All there is to say about one sidecar. -/
def describe (s : Sidecar) : CoreM String := do
  waitUntil s.ready.isResolved handshakePatienceMs
  let mut text := s!"command: {s.launch.text}\n  found through: {s.launch.origin}\n  process: {s.child.pid.toNat}"
  match ← s.dead.get with
  | some why => return text ++ s!"\n  gone: {why}"
  | none =>
    if ← s.ready.isResolved then text := text ++ (← askStatus s 2000)
    else text := text ++ s!"\n  the handshake is not over yet, after {handshakePatienceMs} ms of waiting"
    text := text ++ s!"\n  running for: {((← IO.monoMsNow) - s.startedAt) / 1000} s when this was read; edit this line to read it again"
  if let some error ← s.lastError.get then text := text ++ s!"\n  last error: {error}"
  return text

/-- What `#llmstep_status` says. -/
def statusText : CoreM String := do
  let mut text := s!"llmstep {packageVersion}, protocol {protocolVersion}"
  waitUntil (do return !(← slots.atomically (m := IO) get).isEmpty) startPatienceMs
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
