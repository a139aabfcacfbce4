module
public meta import Lean
public meta import LLMstep.Frontier
public meta import LLMstep.Finish
public meta import LLMstep.Shape
public meta import LLMstep.Closers
public meta section
open Lean Meta Elab Tactic

/-!
# Best-first search

A state is a list of open goals; the first of them is worked on. Tactics that may close it come first, then the steps that its shape asks
for, and the model is asked at the same time. A step that loses nothing (`intro`, `obtain`, a case split) is taken at once; among the others
the cheapest is tried next, the cost being the model's score of the steps on the way, negated, added up, and divided by the root of their
number, so that a long proof of likely steps is not starved. Goals that equal earlier ones up to names are not taken up again. Of goals that
have nothing to do with each other, one after the other is proved: when one is, all other attempts at it are given up.

```
let found ← search goal (← searchLimits) inquiry (← knownClosers)
if let .proof steps _ := found.ending then logInfo (renderProof steps goal)
```
-/
namespace LLMstep

namespace Search

private def modifyProgress (f : Progress → Progress) : SearchM Unit := do
  (← read).frontier.modify fun s => { s with progress := f s.progress }

/-- Put work on a node into the queue. -/
private def schedule (node : Node) : SearchM Unit := do
  let context ← read
  context.frontier.modify fun s => { s with queue := enqueue s.queue node context.limits.perLength }

private def goalKeys (goals : List OpenGoal) : MetaM (List GoalKey) :=
  goals.mapM fun open' => open'.goal.withContext do goalKey (← getLCtx) [open'.goal]

/-- Whether the goal has nothing to do with others: no metavariable in what it says. -/
private def isIndependent (goal : MVarId) : MetaM Bool := goal.withContext do
  if (← instantiateMVars (← goal.getType)).hasExprMVar then return false
  for fvarId in (← getLCtx).getFVarIds do
    if (← instantiateMVars (← fvarId.getType)).hasExprMVar then return false
  return true

/-- Whether what the node works on is proved already. -/
private def isSettled (node : Node) : SearchM Bool := do
  let some first := node.goals.head? | return false
  let settled := (← (← read).frontier.get).settled
  return first.parts.any settled.contains

/-- Run a tactic on the node's first goal, as it may stand in a proof. -/
private def run? (node : Node) (tactic : String) (limits : Limits) : SearchM (Option Checked) := do
  let some first := node.goals.head? | return none
  node.state.restore
  setGoals (node.goals.map (·.goal))
  let checked ← checkCandidate tactic limits
  modifyProgress fun p => { p with checked := p.checked + 1, heartbeats := p.heartbeats + checked.heartbeats }
  if checked.outcome.isFailure then return none
  asWritten? node.state first.goal checked limits

/-- The node that a step leads to; none if its goals were there before. -/
private def advance? (node : Node) (checked : Checked) (cost : Float) (isChoice : Bool) : SearchM (Option Node) := do
  let (some after, first :: rest) := (checked.after?, node.goals) | return none
  after.restore
  let subgoals ← match checked.outcome with
    | .runs goals _ => pure goals
    | _ => pure []
  let others ← rest.filterM fun other => return !(← other.goal.isAssigned)
  let depth := if isChoice then first.depth + 1 else first.depth
  let mut opened := #[]
  for goal in subgoals do
    let isPart ← if subgoals.length > 1 then isIndependent goal else pure false
    if isPart then
      let part ← (← read).frontier.modifyGet fun s => (s.parts, { s with parts := s.parts + 1 })
      opened := opened.push { goal, depth, parts := part :: first.parts : OpenGoal }
    else opened := opened.push { goal, depth, parts := first.parts }
  let goals := opened.toList ++ others
  let keys ← goalKeys goals
  if (← (← read).frontier.get).seen.any (· == keys) then return none
  let closed := first.parts.filter fun part => !goals.any (·.parts.contains part)
  (← read).frontier.modify fun s => { s with seen := s.seen.push keys, settled := closed ++ s.settled }
  setGoals (goals.map (·.goal))
  return some {
    state := ← Tactic.saveState, goals, cost := node.cost + cost, choices := if isChoice then node.choices + 1 else node.choices
    steps := { goal := first.goal, tactic := checked.tactic, subgoals } :: node.steps }

/-- Closers are tried at every goal, so they must be quick: a quarter of what a candidate may use (0 stays no limit). -/
private def quickly (limits : Limits) : Limits :=
  { limits with heartbeats := (limits.heartbeats + 3) / 4, timeoutMs := (limits.timeoutMs + 3) / 4 }

private def isOver : SearchM Bool := do return (← IO.monoMsNow) ≥ (← read).limits.deadline

/-- The first of the tactics that closes the node's first goal, and the node it leads to. How the goal is closed does not matter to the others,
unless it decides what they are about; then all that close it are put into the queue, and none is returned. -/
private def close? (node : Node) (tactics : List String) (isFinal : Bool) : SearchM (Option Node) := do
  for tactic in tactics do
    if ← isOver then return none
    if let some checked ← run? node tactic (quickly (← read).limits.check) then
      if let .closes := checked.outcome then
        if let some next ← advance? node checked 0 false then
          if isFinal then return some next
          schedule next
  return none

/-- The block as a whole has not run yet: a tactic of it may behave otherwise behind another one. -/
private def replay? (node : Node) : SearchM (Option SearchEnd) := do
  let context ← read
  let proof := renderProof node.steps context.goal
  context.root.restore
  let checked ← checkCandidate proof { context.limits.check with timeoutMs := 0, heartbeats := 0 }
  if let .closes := checked.outcome then return some (.proof node.steps checked)
  modifyProgress fun p => { p with blockFails? := some (proof, checked.outcome.text) }
  return none

/-- What an untaken step costs when a step that loses nothing was there instead. -/
private def detourCost : Float := 1.0

/-- What it costs to try closers that take their time. -/
private def slowCost : Float := 1.5

/-- Take one node up: close its first goal, or find out what may be done. The node to go on with at once, if there is one. -/
private def expand (node : Node) : SearchM (Option Node) := do
  let context ← read
  let some first := node.goals.head? | return none
  node.state.restore
  let around ← first.goal.withContext (surroundings first.goal)
  let shown ← first.goal.withContext do return (← withOptions fixedPP (Meta.ppExpr around.target)).pretty
  modifyProgress fun p => { p with open' := node.goals.length, goal := shown }
  let isFinal := node.goals.length == 1 || !around.target.hasExprMVar
  let (quick, middle, slow) := orderClosers context.closers (goalKind around.target)
  if context.limits.structural then
    if let some proof ← first.goal.withContext (directProof? around) then
      if let some next ← close? node [proof] isFinal then return some next
  if let some next ← close? node quick isFinal then return some next
  let isRoot := node.steps.isEmpty
  -- A step that loses nothing leaves the goal as provable as before: whoever can close it now, can do so afterwards.
  if isRoot then
    if let some next ← close? node middle isFinal then return some next
  let mut detour := 0.0
  let mut safe? : Option Node := none
  if context.limits.structural then
    node.state.restore
    for tactic in ← first.goal.withContext (safeSteps around) do
      if ← isOver then return none
      if let some checked ← run? node tactic context.limits.check then
        if let some next ← advance? node checked 0 false then
          safe? := some next
          detour := detourCost
          break
  if safe?.isNone && !isRoot then
    if let some next ← close? node middle isFinal then return some next
  unless slow.isEmpty do schedule { node with work := .closeSlowly slow, cost := node.cost + detour + slowCost }
  if context.limits.depth == 0 || first.depth < context.limits.depth then
    unless isRoot do schedule { node with work := .ask, cost := node.cost + detour }
    if context.limits.structural && safe?.isNone then
      node.state.restore
      for choice in ← first.goal.withContext (choices around) do
        schedule { node with work := .take choice.tactic, cost := node.cost + choice.cost, choices := node.choices + 1 }
  return safe?

/-- Do what is to be done at a node. The node to go on with at once, if there is one. -/
private def work (node : Node) : SearchM (Option Node) := do
  match node.work with
  | .expand => expand node
  | .take tactic =>
    let some checked ← run? node tactic (← read).limits.check | return none
    -- The choice and its cost are counted already; its depth is not.
    let origin := { node with work := .expand, choices := node.choices - 1 }
    advance? origin checked 0 true
  | .closeSlowly closers =>
    let some first := node.goals.head? | return none
    node.state.restore
    let isFinal := node.goals.length == 1 || !(← instantiateMVars (← first.goal.getType)).hasExprMVar
    close? { node with work := .expand } closers isFinal
  | .ask => return none

/-! ## The model -/

/-- Ask about the best node that waits for it, unless a question is on its way. -/
private def askNext : SearchM Unit := do
  let context ← read
  let frontier ← context.frontier.get
  if frontier.pending?.isSome || frontier.failure?.isSome then return
  let some node := frontier.queue.find? (·.isQuestion) | return
  if !context.limits.perLength && !(frontier.queue.take 1).all (·.isQuestion) then return
  context.frontier.modify fun s => { s with queue := dropFirst s.queue }
  if ← isSettled node then return
  if frontier.progress.expanded ≥ context.limits.maxNodes then
    context.frontier.modify fun s => { s with unasked := true }
    return
  node.state.restore
  setGoals (node.goals.map (·.goal))
  let left := context.limits.deadline - (← IO.monoMsNow)
  let timeoutMs := max 1 (min context.inquiry.timeoutMs left)
  let params ← suggestParams { context.inquiry with timeoutMs, n := context.limits.width }
  let asking ← startAsking "llmstep/suggest" params ((← IO.monoMsNow) + timeoutMs + graceMs)
  context.frontier.modify fun s => { s with
    pending? := some { asking, node }, progress := { s.progress with expanded := s.progress.expanded + 1 } }
where
  dropFirst : List Node → List Node
    | [] => []
    | node :: rest => if node.isQuestion then rest else node :: dropFirst rest

/-- Take in what has come from the model. -/
private def takeAnswers : SearchM Unit := do
  let context ← read
  let some pending := (← context.frontier.get).pending? | return
  -- The order matters: what came before the end must be seen before it.
  let ended ← pending.asking.hasEnded
  for candidate in ← pending.asking.take do
    let node := pending.node
    schedule { node with work := .take candidate.tactic, cost := node.cost - candidate.score, choices := node.choices + 1 }
  if ended then
    context.frontier.modify fun s => { s with pending? := none }
    let failure? := match ← IO.wait pending.asking.ended with
      | .error e => some (toString e)
      | .ok (.error e) => some s!"llmstep: {e.text}"
      | .ok (.ok _) => none
    -- A question that has run out of the search's time says nothing about the sidecar.
    if let some why := failure? then
      unless ← isOver do context.frontier.modify fun s => { s with failure? := some why }
  else if ← isSettled pending.node then
    pending.asking.withdraw
    context.frontier.modify fun s => { s with pending? := none }

/-! ## The search -/

/-- Which limit is reached, if one is. -/
private def limitReached? : SearchM (Option String) := do
  let context ← read
  if ← isOver then return some "timeoutMs"
  let progress := (← context.frontier.get).progress
  if context.limits.heartbeats != 0 && progress.heartbeats ≥ context.limits.heartbeats then return some "maxHeartbeats"
  return none

/-- The best node on which something can be done here and now. -/
private def nextNode? : SearchM (Option Node) := do
  let frontier ← (← read).frontier.get
  let mut skipped := []
  let mut rest := frontier.queue
  repeat
    match rest with
    | [] => return none
    | node :: others =>
      rest := others
      if node.isQuestion then skipped := node :: skipped
      else
        (← read).frontier.set { frontier with queue := skipped.foldl (fun rest node => node :: rest) others }
        return some node
  return none

/-- One round: ask, look at what has come, work on one node. How the search ends, if it does. -/
private def round (current? : Option Node) : SearchM (Except SearchEnd (Option Node)) := do
  let context ← read
  Core.checkInterrupted
  if let some option ← limitReached? then return .error (.limit option)
  askNext
  takeAnswers
  let some node ← (match current? with
    | some node => pure (some node)
    | none => nextNode?)
    | let frontier ← context.frontier.get
      if let some pending := frontier.pending? then
        pending.asking.await context.limits.deadline
        return .ok none
      if frontier.queue.any (·.isQuestion) && frontier.failure?.isNone then return .ok none
      if let some why := frontier.failure? then return .error (.failed why)
      return .error (if frontier.unasked then .limit "maxNodes" else .exhausted)
  if ← isSettled node then return .ok none
  if node.goals.isEmpty then
    if let some ending ← replay? node then return .error ending
    return .ok none
  let heartbeats ← IO.getNumHeartbeats
  let next? ← work node
  -- The search has a budget of its own: what it uses must not be missing to itself later on, or to the rest of the proof.
  IO.setNumHeartbeats heartbeats
  context.report (← context.frontier.get).progress
  return .ok next?

private partial def rounds (current? : Option Node) : SearchM SearchEnd := do
  match ← round current? with
  | .error ending => return ending
  | .ok next? => rounds next?

end Search

/-- How a search ended, and what it has done. -/
structure Found where
  ending : SearchEnd
  progress : Progress

/-- Search for a proof of `goal` in the present state, which is put back. `maxNodes = 0` never asks the model. -/
def search (goal : MVarId) (limits : SearchLimits) (inquiry : Inquiry) (closers : List String)
    (report : Progress → TacticM Unit := fun _ => pure ()) : TacticM Found := do
  let saved ← Tactic.saveState
  try
    setGoals [goal]
    let root ← Tactic.saveState
    let goals : List OpenGoal := [{ goal }]
    let node : Node := { state := root, goals }
    let frontier ← IO.mkRef { queue := [node, { node with work := .ask }], seen := #[← Search.goalKeys goals] : Frontier }
    let context : SearchContext := { limits, inquiry, closers, goal, root, frontier, report }
    let ending ← try (Search.rounds none).run context
    finally
      if let some pending := (← frontier.get).pending? then pending.asking.withdraw
    return { ending, progress := (← frontier.get).progress }
  finally saved.restore (restoreInfo := true)

end LLMstep
