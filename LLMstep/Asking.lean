module
public meta import Lean
public meta import LLMstep.Ask
public meta section
open Lean Meta Elab Tactic

/-!
# A question in the background

What is waited for here is waited for on a thread of its own, so that Lean can run tactics while the sidecar starts, loads its model and
decodes. What has arrived by now is taken whenever there is time for it.

```
let asking ← startAsking "llmstep/suggest" params deadline
try
  while !(← asking.hasEnded) do
    for candidate in ← asking.take do logInfo candidate.tactic
    asking.await (← IO.monoMsNow) 100
finally asking.withdraw
```
-/
namespace LLMstep

/-- A question on its way. -/
structure Asking where
  /-- What has arrived and was not taken yet. -/
  arrived : IO.Ref (Array Candidate)
  /-- Set to withdraw the question. -/
  stop : IO.CancelToken
  /-- How far a whole proof is that is being written. -/
  written : IO.Ref (BaseIO Written)
  /-- How it ends: with the answer, without one because its time is over, or with the sidecar's refusal. An error is a fault on the way. -/
  ended : Task (Except IO.Error (Except RpcError (Option Answer)))

/-- Run `act` on a thread of its own, in a copy of the present state; it is interrupted by `stop`. Its errors arrive as text. -/
def beside {α : Type} (stop : IO.CancelToken) (act : CoreM α) : CoreM (Task (Except IO.Error α)) := do
  let context := { ← readThe Core.Context with cancelTk? := some stop }
  let state ← getThe Core.State
  (IO.asTask (do return (← Core.CoreM.toIO act context state).1) (prio := .dedicated) : BaseIO _)

/-- Follow the question to its end. Every candidate goes into `arrived` before that, once. -/
private partial def follow (question : Question) (arrived : IO.Ref (Array Candidate)) (deadline : Nat) (seen : List String := []) :
    CoreM (Except RpcError (Option Answer)) := do
  match ← question.next deadline with
  | .arrived candidates => do
    let new := candidates.filter fun candidate => !seen.contains candidate.tactic
    arrived.modify (· ++ new)
    follow question arrived deadline (new.toList.map (·.tactic) ++ seen)
  | .late => return .ok none
  | .finished (.error e) => return .error e
  | .finished (.ok result) =>
    match parseAnswer result with
    | .error why => throwError "llmstep: the sidecar's answer cannot be read: {why}"
    | .ok answer => do
      question.sidecar.model.set answer.model
      -- The answer repeats what was streamed.
      arrived.modify (· ++ answer.candidates.filter fun candidate => !seen.contains candidate.tactic)
      return .ok (some answer)

/-- Start the sidecar if need be, and ask. `params` is given the token under which candidates are streamed; `deadline` as in
`IO.monoMsNow`. The question ends with `withdraw`, which must be called. -/
def startAsking (method : String) (params : String → Json) (deadline : Nat) : CoreM Asking := do
  let arrived ← IO.mkRef #[]
  let stop ← IO.CancelToken.new
  let written : IO.Ref (BaseIO Written) ← IO.mkRef (pure { stage := "", tokens := 0 })
  let ended ← beside stop do
    let sidecar ← getSidecar (← findLaunch)
    discard <| sidecar.awaitReady
    sidecar.withQuestion method params fun question => do
      written.set question.written.get
      follow question arrived deadline
  return { arrived, stop, written, ended }

/-- What has arrived by now. -/
def Asking.take (asking : Asking) : BaseIO (Array Candidate) :=
  asking.arrived.modifyGet fun candidates => (candidates, #[])

def Asking.hasEnded (asking : Asking) : BaseIO Bool := IO.hasFinished asking.ended

/-- Wait until something has arrived, or the question has ended, at the latest until `deadline`. Interrupted at once by an edit. -/
def Asking.await (asking : Asking) (deadline : Nat) : CoreM Unit := do
  let token? := (← readThe Core.Context).cancelTk?
  onOwnThread do
    let mut pause := 1
    while (← IO.monoMsNow) < deadline && !(← IO.hasFinished asking.ended) && (← asking.arrived.get).isEmpty do
      if let some token := token? then
        if ← token.isSet then return
      IO.sleep (UInt32.ofNat pause)
      pause := min 20 (2 * pause)
  Core.checkInterrupted

/-- End the question. An answer that is still to come is not waited for. -/
def Asking.withdraw (asking : Asking) : BaseIO Unit := asking.stop.set

/-- The params of a question about the goals of the present state. -/
def suggestParams (inquiry : Inquiry) : TacticM (String → Json) := withMainContext do
  let goals ← goalTexts (← getUnsolvedGoals)
  let banned := (← declarationName?).toArray.map toString
  let model? ← chosenModel?
  return fun token => SuggestParams.json {
    goals, prefix' := inquiry.prefix', document? := inquiry.document?, n? := some inquiry.n
    timeoutMs? := some inquiry.timeoutMs, banned, model?, partialResultToken? := some token }

end LLMstep
