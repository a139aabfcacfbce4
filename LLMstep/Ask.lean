module
public meta import Lean
public meta import LLMstep.Sidecar
public meta import LLMstep.Finish
public meta section
open Lean Meta Elab Tactic

/-!
# Asking the model and checking what it says

Many are asked for, many are checked, few are shown. Candidates are checked while the model still decodes the next ones: of those that have
arrived, the ones that are cheap to check come first, then the likelier ones. All checks of one call share a budget of time; what was not reached by
then is left out, and counted. As soon as one candidate closes the goal, the model may be told to stop.

```
let gathered ← gather { prefix' := "exact", n := 24, timeoutMs := 60000 } { budgetMs := 2500 }
for scored in gathered.scored do logInfo m!"{scored.checked.tactic}: {scored.checked.outcome.text}"
```
-/
namespace LLMstep

/-- What to ask. `document?`: see `documentAt?`. `finish`: whether steps are finished, see `finish?`. -/
structure Inquiry where
  prefix' : String := ""
  n : Nat
  timeoutMs : Nat
  document? : Option Document := none
  stopOnClose : Bool := true
  finish : Bool := false

/-- A checked candidate, the model's score of it, and its place in the model's order. `text`: what is put in place of the call, as
soon as that is known. `earlier`: of a call that runs on several goals, the earlier goals and what became of it there, the last one first. -/
structure Scored where
  checked : Checked
  score : Float
  place : Nat
  text : String := ""
  earlier : List (MVarId × Checked) := []

/-- All candidates that were checked, in the model's order. `late`: the time was over before the model had finished. `unchecked`: how many there
was no time for. `closedAtOnce`: one closed the goal, so the others were not waited for. `notes`: what the sidecar says besides. `falsehood?`: how it is known that
the goal is false, if it is. -/
structure Gathered where
  scored : Array Scored
  late : Bool := false
  unchecked : Nat := 0
  closedAtOnce : Bool := false
  notes : Array Note := #[]
  falsehood? : Option String := none

/-- What the sidecar may take beyond the time it was given, to send what it has. -/
def graceMs : Nat := 1000

/-- The order of the final answer if there is one, else by score, best first. -/
def inModelOrder (seen : Array Scored) (answer? : Option Answer) : Array Scored :=
  let place (s : Scored) : Nat :=
    match answer? with
    | some answer => (answer.candidates.findIdx? fun c => c.tactic == s.checked.source).getD answer.candidates.size
    | none => 0
  let placed := seen.map fun s => { s with place := place s }
  placed.qsort fun a b => a.place < b.place || (a.place == b.place && a.score > b.score)

/-! ## Which candidate is checked next -/

/-- Tactics that search, and tactics that simplify; all others are cheap. -/
def searchingTactics : List String := ["omega", "grind", "decide", "simp_all", "aesop", "linarith", "nlinarith", "polyrith", "positivity", "field_simp",
  "ring_nf", "tauto", "exact?", "apply?", "rw?", "bound", "gcongr", "fun_prop", "measurability", "continuity", "norm_num", "solve_by_elim", "bv_decide",
  "interval_cases", "fin_cases", "try?", "hint"]
def simplifyingTactics : List String := ["simp", "simpa", "dsimp", "simp_rw", "ring", "norm_cast", "push_cast", "rfl", "rwa", "exact_mod_cast", "abel", "group"]

private def wordsOf (text : String) : List String := Id.run do
  let mut words := []
  let mut word := ""
  for c in text.toList do
    -- `Nat.ring` is a name.
    if c.isAlphanum || c == '_' || c == '?' || c == '.' then word := word.push c
    else
      words := word :: words
      word := ""
  return word :: words

/-- How dear the check of a candidate may be: 0 cheap, 1 it simplifies, 2 it searches. -/
def dearness (tactic : String) : Nat :=
  let words := wordsOf tactic
  if words.any searchingTactics.contains then 2 else if words.any simplifyingTactics.contains then 1 else 0

/-- A candidate that is not checked yet. `dear`: its `dearness`, which is not computed for every comparison. -/
private structure Waiting extends Candidate where
  dear : Nat

private def comesBefore (a b : Waiting) : Bool := a.dear < b.dear || (a.dear == b.dear && a.score > b.score)

/-! ## Gathering -/

/-- How many others are looked at when one closes the goal, and for how long. -/
def alternatives : Nat := 3
def alternativesMs : Nat := 150

/-- The state of a question while its candidates are checked. `waiting`: arrived, and not checked. `spentMs`: by checks. -/
private structure Round where
  seen : Array Scored := #[]
  waiting : Array Waiting := #[]
  answer? : Option Answer := none
  isOver : Bool := false
  late : Bool := false
  failure? : Option RpcError := none
  spentMs : Nat := 0
  closed : Bool := false

private def Round.knows (round : Round) (candidate : Candidate) : Bool :=
  round.seen.any (·.checked.source == candidate.tactic) || round.waiting.any (·.tactic == candidate.tactic)

private def Round.add (round : Round) (candidates : Array Candidate) : Round := Id.run do
  let mut round := round
  for candidate in candidates do
    unless round.knows candidate do round := { round with
      waiting := round.waiting.push { toCandidate := candidate, dear := dearness candidate.tactic } }
  return round

/-- Take in what has happened to the question. -/
private def Round.take (round : Round) (event : Event) : CoreM Round := do
  match event with
  | .arrived candidates => return round.add candidates
  | .late => return { round with isOver := true, late := true }
  | .finished (.error e) => return { round with isOver := true, failure? := some e }
  | .finished (.ok result) =>
    match parseAnswer result with
    | .error why => throwError "llmstep: the sidecar's answer cannot be read: {why}"
    | .ok answer => return { round.add answer.candidates with isOver := true, answer? := some answer }

/-- The limits of the next check, or none if the budget is used up. -/
private def Round.nextLimits? (round : Round) (limits : Limits) : Option Limits :=
  let budget := if round.closed then
      let grace := round.spentMs + alternativesMs
      if limits.budgetMs == 0 then grace else min grace limits.budgetMs
    else limits.budgetMs
  if budget == 0 then some limits
  else if round.spentMs ≥ budget then none
  else
    let left := budget - round.spentMs
    some { limits with timeoutMs := if limits.timeoutMs == 0 then left else min limits.timeoutMs left }

/-- Check one candidate; what is to be shown for it. -/
private def checkOne (candidate : Candidate) (finish : Bool) (limits : Limits) : TacticM (Array Checked) := do
  let before ← Tactic.saveState
  let goal ← getMainGoal
  let checked ← checkCandidate candidate.tactic limits
  unless finish do return #[checked]
  match ← finish? before goal checked limits with
  | none => return #[checked]
  | some (finished, replaces) => return if replaces then #[finished] else #[finished, checked]

/-- Check the candidate that comes next of those that wait. -/
private def Round.step (round : Round) (inquiry : Inquiry) (limits : Limits) : TacticM Round := do
  let sorted := round.waiting.qsort comesBefore
  let some candidate := sorted[0]? | return round
  let started ← IO.monoMsNow
  let found ← checkOne candidate.toCandidate inquiry.finish limits
  let spentMs := round.spentMs + ((← IO.monoMsNow) - started)
  -- A step that was finished by `assumption` closes the goal, too, but the model may be about to say how in one step.
  let closes := found.any fun checked => match checked.outcome with
    | .closes => checked.tactic == candidate.tactic
    | _ => false
  let scored := found.map fun checked => { checked, score := candidate.score, place := 0 : Scored }
  return { round with
    waiting := sorted.extract 1 sorted.size, seen := round.seen ++ scored, spentMs
    closed := round.closed || (closes && inquiry.stopOnClose) }

/-- Check what arrives, until the question is answered and all is checked, the budget is used up, or the goal is closed. -/
private def checkArrivals (question : Question) (inquiry : Inquiry) (limits : Limits) (deadline : Nat) : TacticM Round := do
  let mut round : Round := {}
  let mut others := 0
  repeat
    unless round.isOver do
      let event? ← if round.waiting.isEmpty && !round.closed then some <$> question.next deadline else question.peek?
      if let some event := event? then round ← round.take event
    if round.waiting.isEmpty then
      if round.isOver || round.closed then break
      continue
    let wasClosed := round.closed
    let some now := round.nextLimits? limits | break
    let number := round.seen.size
    round ← round.step inquiry now
    -- Stopped by the budget, not by its own limit: nobody knows what it would have done.
    if let some last := round.seen[number]? then
      if last.checked.isLate && (limits.timeoutMs == 0 || now.timeoutMs < limits.timeoutMs) then
        round := { round with
          seen := round.seen.extract 0 number, waiting := round.waiting.push { tactic := last.checked.source, score := last.score, dear := 0 } }
        break
    if wasClosed then
      others := others + 1
      if others ≥ alternatives then break
  return round

/-- How the main goal is known to be false, if it is: a candidate has turned it into `False`, or `decide` proves its negation, where no hypothesis
could be contradictory. -/
def knownFalse? (seen : Array Scored) (limits : Limits) : TacticM (Option String) := do
  let closes := seen.any fun s => match s.checked.outcome with
    | .closes => true
    | _ => false
  if closes then return none
  if let some s := seen.find? (·.checked.showsFalse) then return some s!"`{s.checked.tactic}` turns it into `False`, and no hypothesis could be contradictory"
  let goal ← getMainGoal
  let target ← instantiateMVars (← goal.getType)
  if target.hasFVar || target.hasExprMVar || (← mayContradict goal) then return none
  let saved ← Tactic.saveState
  try
    let negation ← mkFreshExprMVar (some (mkNot target))
    setGoals [negation.mvarId!]
    let few := { limits with heartbeats := min 4000 (if limits.heartbeats == 0 then 4000 else limits.heartbeats), timeoutMs := 200 }
    if let .closes := (← checkCandidate "decide" few).outcome then return some "`decide` proves its negation"
    return none
  finally saved.restore (restoreInfo := true)

/-- Ask for the next steps of the main goal and check them as they arrive. Throws if the sidecar cannot be had or refuses; if it is
late, or fails in the end, what has arrived is kept. -/
def gather (inquiry : Inquiry) (limits : Limits) : TacticM Gathered := withMainContext do
  let sidecar ← getSidecar (← findLaunch)
  discard <| sidecar.awaitReady
  let goals ← goalTexts (← getUnsolvedGoals)
  let banned := (← declarationName?).toArray.map toString
  let model? ← chosenModel?
  let params (token : String) : Json := SuggestParams.json {
    goals, prefix' := inquiry.prefix', document? := inquiry.document?, n? := some inquiry.n
    timeoutMs? := some inquiry.timeoutMs, banned, model?, partialResultToken? := some token }
  let deadline := (← IO.monoMsNow) + inquiry.timeoutMs + graceMs
  let round ← sidecar.withQuestion "llmstep/suggest" params fun question => checkArrivals question inquiry limits deadline
  if let some answer := round.answer? then sidecar.model.set answer.model
  let nothing := round.seen.isEmpty && round.waiting.isEmpty
  let mut notes := (round.answer?.map (·.notes)).getD #[]
  if let some e := round.failure? then
    if nothing then throwError "llmstep: {e.text}"
    notes := notes.push { text := e.text }
  if round.late && nothing then
    throwError "llmstep: no answer within {inquiry.timeoutMs} ms. \
      Raise the option llmstep.timeoutMs, ask for fewer candidates (llmstep.numCandidates), or take a smaller model."
  let falsehood? ← knownFalse? round.seen limits
  return {
    falsehood?, scored := inModelOrder round.seen round.answer?, late := round.late, closedAtOnce := round.closed
    unchecked := if round.closed then 0 else round.waiting.size, notes := ← sidecar.newNotes ((← Term.getDeclName?).getD .anonymous) notes }

/-- Refuse outside an editor: `lake build` would start a sidecar, with its model, for each file. -/
def refuseInBatch (name : String) : CoreM Unit := do
  unless Elab.inServer.get (← getOptions) do
    unless ← boolOption llmstep.batch do
      throwError "llmstep: `{name}` works in an editor only, this is a batch build. Put a proof in its place, \
        or allow it with `set_option llmstep.batch true` or LLMSTEP_LEAN_BATCH=true."

/-- What to ask, from the options. -/
def inquiryFromOptions (document? : Option Document) (prefix' := "") : CoreM Inquiry := do
  return {
    prefix', n := ← natOption llmstep.numCandidates, timeoutMs := ← natOption llmstep.timeoutMs, document?
    stopOnClose := ← boolOption llmstep.stopOnClose, finish := ← boolOption llmstep.finish }

/-- The limits of one check, from the options. -/
def limitsFromOptions : CoreM Limits := do
  return {
    heartbeats := ← natOption llmstep.maxHeartbeats, timeoutMs := ← natOption llmstep.candidateTimeoutMs
    budgetMs := ← natOption llmstep.checkBudgetMs }

end LLMstep
