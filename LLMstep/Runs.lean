module
public meta import Lean
public meta import LLMstep.Suggest
public meta section
open Lean Meta Elab Tactic

/-!
# A call that runs more than once

`all_goals llmstep`, `constructor <;> llmstep`, and macros that use their argument twice run one call on several goals, and there is one
place for the answer. So the model is asked once, on the first goal; what it said is checked on every further goal; and there is one
list, of what is right for all of them so far. On a goal that it has seen, the call ends `repeat`; elsewhere, what is shown has to run
on what it has left, as the macro will make it.

What a message has told may be out of reach when the call runs again (in `(t; t)`, Lean reports after each tactic). Where that is so, in
a macro, of which nothing is known, the message has no list to click: that stands among the code actions, which are read at the end.

That two runs belong together is told by the info trees. The list of the first run hangs on a hole of its own, which later runs fill
anew; a run that finds such a hole of its call is not the first.

```
example (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  constructor <;> llmstep      -- `assumption`, not `exact hp`
```
-/
namespace LLMstep

/-- The runs of one call.
`uri`, `start`: the file, and the byte at which the call begins. `hole`: where its list hangs in the info trees. `goals`: those it has
run on, the last one first. `scored`: what is right for all of them; `text` is set. `asked`: how many candidates there were. -/
structure Runs where
  uri : String
  start : Nat
  hole : MVarId
  goals : List MVarId
  scored : Array Scored
  asked : Nat

/-- The calls that have run lately, the last one first. -/
initialize recentRuns : IO.Ref (List Runs) ← IO.mkRef []

/-- How many calls are remembered. Runs of one call follow each other at once, but several proofs may be elaborated side by side. -/
private def remembered : Nat := 64

private initialize runsBegun : IO.Ref Nat ← IO.mkRef 0

/-- The earlier runs of the call at `stx` in this elaboration of its proof. -/
def earlierRuns? (stx : Syntax) : CoreM (Option Runs) := do
  let some start := stx.getPos? | return none
  let uri ← documentUri
  for runs in ← recentRuns.get do
    if runs.uri == uri && runs.start == start.byteIdx then
      if (← getInfoHoleIdAssignment? runs.hole).isSome then return some runs
  return none

private def remember (runs : Runs) : BaseIO Unit :=
  recentRuns.modify fun all => runs :: (all.filter (·.hole != runs.hole)).take (remembered - 1)

/-- Let `act` fill the hole of the runs. -/
private def filling (stx : Syntax) (hole : MVarId) (act : TacticM Unit) : TacticM Unit :=
  withInfoHole hole <| withTacticInfoContext stx act

/-- Take back what earlier runs have said at the call, as far as Lean has not reported it yet; whether there was something. -/
private def forgetMessages (stx : Syntax) : CoreM Bool := do
  let some start := stx.getPos? | return false
  let position := (← getFileMap).toPosition start
  let log ← Core.getMessageLog
  let kept ← log.toList.filterM fun message => do
    if message.pos.line != position.line || message.pos.column != position.column then return true
    let text ← message.data.toString
    return !((text.splitOn "Try these").length > 1 || text.startsWith "Try this" || text.startsWith "llmstep:")
  if kept.length == log.toList.length then return false
  Core.setMessageLog <| kept.foldl (fun log message => log.add message) log.markAllReported
  return true

/-- Show a list by `act`; where it is `unlisted`, among the code actions alone. -/
private def showList (stx : Syntax) (unlisted isFirst : Bool) (act : TacticM Unit) : TacticM Unit := do
  let retracted ← forgetMessages stx
  act
  unless unlisted do return
  discard <| forgetMessages stx
  if isFirst || retracted then
    logInfoAt stx "llmstep: what is right each time the macro runs this call is offered by the code actions here (💡)"

private def newHole : BaseIO MVarId := do return ⟨.num `LLMstep.runs (← runsBegun.modifyGet fun n => (n, n + 1))⟩

/-- Show the list of the first run of a call, and remember the run. -/
def showFirst (stx : Syntax) (scored : Array Scored) (unlisted : Bool) (act : TacticM Unit) : TacticM Unit := do
  let goal ← getMainGoal
  let hole ← newHole
  pushInfoTree (.hole hole)
  filling stx hole <| showList stx unlisted true act
  let some start := stx.getPos? | return
  let right := scored.filter fun s => !s.checked.outcome.isFailure
  remember { uri := ← documentUri, start := start.byteIdx, hole, goals := [goal], scored := right, asked := scored.size }

/-- What becomes of a candidate that is right for some goals, the last of which was `start`, when it is checked on another one. -/
def alsoHere (s : Scored) (start : MVarId) (checked : Checked) : Option Scored :=
  let again (outcome : Outcome) : Option Scored := some {
    s with checked := { checked with tactic := s.checked.tactic, outcome }, earlier := (start, s.checked) :: s.earlier }
  match s.checked.outcome, checked.outcome with
  | .fails _, _ | _, .fails _ => none
  | .closes, after => again after
  | .runs _ key, .closes => again (.runs [] key)
  | .runs _ key, .runs goals more => again (.runs goals (key.and more))

/-- Check on the main goal what was right so far; where the goal is not new, on the state that each has led to. -/
private def checkAgain (runs : Runs) (isNew : Bool) (limits : Limits) : TacticM (Array Scored) := do
  let saved ← Tactic.saveState
  let goal ← getMainGoal
  let mut right := #[]
  for s in runs.scored do
    unless isNew do
      let some after := s.checked.after? | continue
      after.restore
      if (← getUnsolvedGoals).isEmpty then
        saved.restore (restoreInfo := true)
        continue
    let checked ← checkCandidate s.checked.tactic limits
    saved.restore (restoreInfo := true)
    if let some s := alsoHere s (runs.goals.head?.getD goal) checked then right := right.push s
  return right

/-- A further run of a call: no question, and the list of what is right for all goals so far. `act` shows it. -/
def runAgain (stx : Syntax) (runs : Runs) (inLoop unlisted : Bool) (limits : Limits) (act : Array Scored → TacticM Unit) :
    TacticM Unit := do
  let goal ← getMainGoal
  let isNew := !runs.goals.contains goal
  if !isNew && inLoop then throwError "llmstep: this call has run on this goal already"
  let right ← checkAgain runs isNew limits
  let runs := { runs with goals := goal :: runs.goals, scored := right }
  remember runs
  filling stx runs.hole do
    if right.isEmpty then
      discard <| forgetMessages stx
      let why := m!"llmstep: this call has run {runs.goals.length} times, and of {runs.asked} candidates none is right each time. \
        Give each goal a call of its own, for instance behind a `·`."
      -- An exception would leave `all_goals` and `any_goals` without a word.
      if isNew then logInfoAt stx why else throwError why
    else showList stx unlisted false (act right)

/-! ## Whole proofs

A proof closes its goal, so each run has one of its own. What is shown is `first`, with one proof for each goal that needs another. -/

/-- The first of several proofs that closes the goal, as one tactic. -/
def firstOf (proofs : Array String) : String :=
  match proofs.toList with
  | [proof] => proof
  | all => "first\n" ++ "\n".intercalate (all.map fun proof => "| (" ++ indentTo 3 proof ++ ")")

private def closes (checked : Checked) : Bool :=
  match checked.outcome with
  | .closes => true
  | _ => false

/-- A proof that an earlier run of this call has found, if it proves the main goal, too. -/
def knownProof? (stx : Syntax) : TacticM (Option Checked) := do
  let some runs ← earlierRuns? stx | return none
  for s in runs.scored do
    let checked ← checkCandidate s.checked.tactic {}
    if closes checked then return some checked
  return none

/-- Show by `act` the text that proves each goal that this call has run on, the last of which is `goal`, proved by `checked`. -/
def showProof (stx : Syntax) (goal : MVarId) (checked : Checked) (crowded : Bool) (act : String → TacticM Unit) : TacticM Unit := do
  setGoals (goal :: (← getGoals).filter (· != goal))
  let runs? ← earlierRuns? stx
  let known := (runs?.map (·.scored)).getD #[]
  let isKnown := known.any fun s => s.checked.tactic == checked.tactic
  let scored := if isKnown then known else known.push { checked, score := 0, place := 0 }
  let proofs := scored.map (·.checked.tactic)
  -- One that does not fail where another is needed would be taken all the same.
  let attempts := if proofs.size == 1 then #[proofs] else #[proofs, proofs.map (· ++ "\ndone")]
  let goals := goal :: (runs?.map (·.goals)).getD []
  let place? ← placeOf? stx
  for attempt in attempts do
    let whole ← checkCandidate (firstOf attempt) {}
    if closes whole then
      let some text ← replacementText? stx place? whole crowded
        | throwError "llmstep: a proof was found, but in this place it would be read as something else:\n{whole.tactic}"
      let hole := (runs?.map (·.hole)).getD (← newHole)
      if runs?.isNone then pushInfoTree (.hole hole)
      filling stx hole do
        discard <| forgetMessages stx
        act text
      let some start := stx.getPos? | return
      remember { uri := ← documentUri, start := start.byteIdx, hole, goals, scored, asked := scored.size }
      return
  throwError "llmstep: this call has run on {goals.length} goals, and no text proves them all. Give each goal a call of its own, \
    for instance behind a `·`. This one is proved by:\n{checked.tactic}"

end LLMstep
