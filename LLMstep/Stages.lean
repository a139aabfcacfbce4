module
public meta import Lean
public meta import LLMstep.Asking
public meta section
open Lean Meta Elab Tactic

/-!
# Work that takes long and tells how far it is

Lean shows what a tactic has to say when the tactic has ended. A sequence of tactics is shown step by step, so a tactic that takes long is a
macro for such a sequence: the first step starts the work on a thread of its own, the next ones each wait for a while and say how far it is,
and the last one waits for the end and does what is then to be done. An edit stops the work at once.

```
macro_rules | `(tactic| my_search) => `(tactic| (my_search_start; llmstep_wait 1; llmstep_wait 2; llmstep_end))
```
-/
namespace LLMstep

/-- Run `act` on a thread of its own, in a copy of the present state; it is interrupted by `stop`. Its errors arrive as text. -/
def besideTactic {α : Type} (stop : IO.CancelToken) (act : TacticM α) : TacticM (Task (Except IO.Error α)) := do
  let tactic := (act.run (← readThe Tactic.Context)).run' (← getThe Tactic.State)
  let term := (tactic.run (← readThe Term.Context)).run' (← getThe Term.State)
  let «meta» := (term.run (← readThe Meta.Context)).run' (← getThe Meta.State)
  beside stop «meta»

/-- Work on its way. `place`: the goal, the file, and where the call begins. `sofar`: how far it is, as text for the user. `task`: what is
to be done in the end, in the place of the call. -/
structure Job where
  place : MVarId × String × Nat
  stop : IO.CancelToken
  sofar : IO.Ref String
  task : Task (Except IO.Error (TacticM Unit))

/-- All work of this Lean process. -/
initialize jobs : IO.Ref (List Job) ← IO.mkRef []

/-- Where the present tactic stands. -/
private def jobPlace : TacticM (MVarId × String × Nat) := do
  return (← getMainGoal, ← getFileName, ((← getRef).getPos?.map (·.byteIdx)).getD 0)

private def currentJob? : TacticM (Option Job) := do
  let place ← jobPlace
  return (← jobs.get).find? (·.place == place)

private def Job.end (job : Job) : BaseIO Unit := do
  job.stop.set
  jobs.modify (·.filter (·.place != job.place))

/-- Start work on the main goal. `act` is told where to say how far it is, and returns what is to be done in the end. -/
def startJob (act : IO.Ref String → TacticM (TacticM Unit)) : TacticM Unit := do
  -- The heartbeats of work that is interrupted between two steps count for nobody; its states are let go here.
  for job in ← jobs.get do
    if ← IO.hasFinished job.task then job.end
  let place ← jobPlace
  let stop ← IO.CancelToken.new
  let sofar ← IO.mkRef ""
  let task ← besideTactic stop (act sofar)
  jobs.modify ({ place, stop, sofar, task } :: ·)

/-- Wait for the end of the work, at most for `ms?` milliseconds; whether it has come. An edit ends the work. -/
private def Job.wait (job : Job) (ms? : Option Nat) : TacticM Bool := do
  let token? := (← readThe Core.Context).cancelTk?
  let stop := (← IO.monoMsNow) + ms?.getD 0
  let isUndisturbed ← IO.mkRef false
  try
    onOwnThread do
      let mut pause := 1
      while !(← IO.hasFinished job.task) && (ms?.isNone || (← IO.monoMsNow) < stop) do
        if let some token := token? then
          if ← token.isSet then return
        IO.sleep (UInt32.ofNat pause)
        pause := min 20 (2 * pause)
    Core.checkInterrupted
    isUndisturbed.set true
  finally
    -- An interruption passes `catch`, but not this.
    unless ← isUndisturbed.get do job.end
  IO.hasFinished job.task

/-- Wait so many milliseconds for the work that the call has begun, and say how far it is if it has not ended by then. -/
syntax (name := llmstepWait) "llmstep_wait " num : tactic

/-- Wait for the end of the work that the call has begun, and do what is then to be done. -/
syntax (name := llmstepEnd) "llmstep_end" : tactic

elab_rules : tactic
  | `(tactic| llmstep_wait $ms) => do
    let some job ← currentJob? | return
    unless ← job.wait (some ms.getNat) do
      let text ← job.sofar.get
      unless text.isEmpty do logInfo text
  | `(tactic| llmstep_end) => do
    let some job ← currentJob? | return
    try discard <| job.wait none
    finally job.end
    match ← IO.wait job.task with
    | .ok act => act
    | .error e => throwError "{e.toString}"

end LLMstep
