module
public meta import Lean
public meta import LLMstep.Finish
public meta import LLMstep.Tactic
public meta section
open Lean Meta Elab Tactic

/-!
# The tactic `llmsearch`

Best-first search for a whole proof. A state is a list of open goals; the first of them is worked on. Cheap tactics that may close
it are tried first, then the model is asked. States are taken up in the order of their cost: the model's score of the steps that
led there, negated and summed. A state whose goals were seen before is not taken up again.

```
example (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  llmsearch     -- Try this: constructor
                --   · exact hp
                --   · exact hq
```
-/
namespace LLMstep

/-- Limits of a search, see the options `llmstep.search.*`. `depth`: 0 means no limit. `deadline` as in `IO.monoMsNow`, `heartbeats` in
thousandths of an option's unit. -/
structure SearchLimits where
  depth : Nat
  width : Nat
  maxNodes : Nat
  deadline : Nat
  heartbeats : Nat
  check : Limits

/-- A step of a proof: `tactic` turned `goal` into `subgoals`. -/
structure Step where
  goal : MVarId
  tactic : String
  subgoals : List MVarId

/-- A state of the search. `goals`: what is open, each with the number of steps above it. `steps`: newest first.
`cost`: smaller is better. -/
structure Node where
  state : Tactic.SavedState
  goals : List (MVarId × Nat)
  steps : List Step := []
  cost : Float := 0

/-- How a search ended. -/
inductive SearchEnd where
  /-- The steps, newest first. -/
  | proof (steps : List Step)
  /-- No state is left to go on from. -/
  | exhausted
  /-- One of the limits is reached: `maxNodes`, `timeoutMs` or `maxHeartbeats`. -/
  | limit (option : String)

/-- What a search has done so far. -/
structure Progress where
  seen : Array String := #[]
  expanded : Nat := 0
  checked : Nat := 0
  heartbeats : Nat := 0

/-! ## The proof as text -/

/-- The tactics of the steps below `goal`, one per line. Where several subgoals were worked on, each gets a `·`, because a tactic
was checked on its goal alone. -/
partial def renderSteps (steps : List Step) (goal : MVarId) : List String :=
  match steps.find? (·.goal == goal) with
  | none => []          -- another goal's proof has filled it in
  | some step =>
    let below := step.subgoals.map (renderSteps steps) |>.filter (!·.isEmpty)
    let lines := step.tactic.splitOn "\n"
    match below with
    | [] => lines
    | [one] => lines ++ one
    | several => lines ++ several.flatMap bullet
where
  bullet : List String → List String
    | [] => []
    | first :: rest => ("· " ++ first) :: rest.map ("  " ++ ·)

/-- The proof of `goal` as a block of tactics. -/
def renderProof (steps : List Step) (goal : MVarId) : String := "\n".intercalate (renderSteps steps goal)

/-! ## The search -/

/-- Put a node into a queue that is ordered by cost; behind its equals, so older ones come first. -/
def enqueue (queue : List Node) (node : Node) : List Node :=
  match queue with
  | [] => [node]
  | first :: rest => if node.cost < first.cost then node :: queue else first :: enqueue rest node

/-- Check a tactic on the node's first goal; the node it leads to, unless it fails. Leaves the state that node is in. -/
private def advance (node : Node) (goal : MVarId) (depth : Nat) (rest : List (MVarId × Nat)) (checked : Checked) (cost : Float) :
    TacticM (Option Node) := do
  let some after := checked.after? | return none
  after.restore
  let subgoals ← getGoals
  let others ← rest.filterM fun (other, _) => return !(← other.isAssigned)
  setGoals (subgoals ++ others.map (·.1))
  return some {
    state := ← Tactic.saveState, goals := subgoals.map (·, depth + 1) ++ others, cost := node.cost + cost
    steps := { goal, tactic := checked.tactic, subgoals } :: node.steps }

private def stateKey (goals : List MVarId) : MetaM String := do
  return "\n\n".intercalate (← goalTexts goals).toList

/-- Put a node that `advance` has just made into the queue, unless its goals were there before. -/
private def offer (progress : IO.Ref Progress) (queue : List Node) (node : Node) : TacticM (List Node) := do
  unless node.goals.isEmpty do
    let key ← stateKey (node.goals.map (·.1))
    if (← progress.get).seen.contains key then return queue
    progress.modify fun p => { p with seen := p.seen.push key }
  return enqueue queue node

/-- Which limit is reached, if one is. -/
private def limitReached? (limits : SearchLimits) (progress : IO.Ref Progress) : TacticM (Option String) := do
  let sofar ← progress.get
  if (← IO.monoMsNow) ≥ limits.deadline then return some "timeoutMs"
  if sofar.expanded ≥ limits.maxNodes then return some "maxNodes"
  if limits.heartbeats != 0 && sofar.heartbeats ≥ limits.heartbeats then return some "maxHeartbeats"
  return none

/-- Ask the model about the first goal of the present state. `none` if the search's time was over before an answer came. -/
private def askModel? (limits : SearchLimits) (inquiry : Inquiry) : TacticM (Option Gathered) := do
  let left := limits.deadline - (← IO.monoMsNow)
  try
    return some (← gather { inquiry with timeoutMs := max 1 (min inquiry.timeoutMs left) } limits.check)
  catch e =>
    if (← IO.monoMsNow) ≥ limits.deadline then return none else throw e

/-- Go on from the best node of the queue: the queue that it leaves, or how the search ends. -/
private def expandBest (limits : SearchLimits) (inquiry : Inquiry) (closers : List String) (progress : IO.Ref Progress)
    (queue : List Node) : TacticM (Except SearchEnd (List Node)) := do
  let node :: queue := queue | return .error .exhausted
  Core.checkInterrupted
  let (goal, depth) :: rest := node.goals | return .error (.proof node.steps)
  if let some option ← limitReached? limits progress then return .error (.limit option)
  if limits.depth != 0 && depth ≥ limits.depth then return .ok queue
  node.state.restore
  -- How this goal is closed does not matter to the others, unless it decides what they are about.
  let isFinal := rest.isEmpty || !(← instantiateMVars (← goal.getType)).hasExprMVar
  -- Closers are tried at every goal, so they must be quick: a quarter of what a candidate may use (0 stays no limit).
  let quick : Limits := { heartbeats := (limits.check.heartbeats + 3) / 4, timeoutMs := (limits.check.timeoutMs + 3) / 4 }
  let mut queue := queue
  -- A cheap tactic that closes the goal makes the model's opinion of it superfluous.
  for closer in closers do
    if (← IO.monoMsNow) ≥ limits.deadline then return .error (.limit "timeoutMs")
    node.state.restore
    let checked ← checkCandidate closer quick
    progress.modify fun p => { p with checked := p.checked + 1, heartbeats := p.heartbeats + checked.heartbeats }
    if let .closes := checked.outcome then
      if let some written ← asWritten? node.state goal checked limits.check then
        if let some next ← advance node goal depth rest written 0 then
          queue ← offer progress queue next
          if isFinal then return .ok queue
  progress.modify fun p => { p with expanded := p.expanded + 1 }
  node.state.restore
  let some gathered ← askModel? limits { inquiry with stopOnClose := inquiry.stopOnClose && isFinal }
    | return .error (.limit "timeoutMs")
  for scored in gathered.scored do
    progress.modify fun p => { p with checked := p.checked + 1, heartbeats := p.heartbeats + scored.checked.heartbeats }
    if scored.checked.outcome.isFailure then continue
    let some written ← asWritten? node.state goal scored.checked limits.check | continue
    let some next ← advance node goal depth rest written (-scored.score) | continue
    queue ← offer progress queue next
  return .ok queue

/-- Best-first search from the current state. The state is not put back. -/
partial def search (limits : SearchLimits) (inquiry : Inquiry) (closers : List String) (progress : IO.Ref Progress) (queue : List Node) :
    TacticM SearchEnd := do
  let heartbeats ← IO.getNumHeartbeats
  let next ← expandBest limits inquiry closers progress queue
  -- The search has a budget of its own: what it uses must not be missing to itself later on, or to the rest of the proof.
  IO.setNumHeartbeats heartbeats
  match next with
  | .error ending => return ending
  | .ok queue => search limits inquiry closers progress queue

/-- `llmsearch` looks for a whole proof of the main goal: it asks the model for next steps, checks them, goes on from those that run,
and shows the proof it finds as one `Try this`. See the options `llmstep.search.*` for its limits. -/
syntax (name := llmsearchTac) "llmsearch" : tactic

/-- The closers of the option that this file knows. -/
def knownClosers : CoreM (List String) := do
  let env ← getEnv
  let all := ((← stringOption llmstep.search.closers).splitOn " | ").map trimmed
  return all.filter fun closer => !closer.isEmpty && (parseTactic env closer).toOption.isSome

def searchLimits : CoreM SearchLimits := do
  return {
    depth := ← natOption llmstep.search.depth, width := ← natOption llmstep.search.width
    maxNodes := ← natOption llmstep.search.maxNodes
    deadline := (← IO.monoMsNow) + (← natOption llmstep.search.timeoutMs)
    heartbeats := (← natOption llmstep.search.maxHeartbeats) * 1000
    -- Its own deadline is the budget.
    check := { ← limitsFromOptions with budgetMs := 0 } }

/-- How a search ended, as one line for programs: `llmsearch: {"outcome": .., "proof": .., "expanded": .., "checked": .., "ms": ..}`.
The outcome is `proof`, `exhausted`, the limit that was reached, or `blockFails`. -/
private def reportLine (progress : Progress) (started : Nat) (outcome : String) (proof? : Option String) : BaseIO String := do
  let ms := (← IO.monoMsNow) - started
  let json := Json.mkObj [
    ("outcome", Json.str outcome), ("proof", (proof?.map Json.str).getD Json.null),
    ("expanded", toJson progress.expanded), ("checked", toJson progress.checked), ("ms", toJson ms)]
  return s!"llmsearch: {json.compress}"

/-- Throw `message`; with the option `llmstep.search.report`, the report stands behind it. A message that was logged before an
exception would be lost. -/
private def giveUp {α : Type} (progress : Progress) (started : Nat) (outcome : String) (proof? : Option String) (message : String) :
    TacticM α := do
  let report ← if ← boolOption llmstep.search.report then pure s!"\n{← reportLine progress started outcome proof?}" else pure ""
  throwError "{message}{report}"

def runSearch (stx : Syntax) : TacticM Unit := do
  refuseInBatch "llmsearch"
  let started ← IO.monoMsNow
  let limits ← searchLimits
  let inquiry := { ← inquiryFromOptions (← documentAt? stx) with n := limits.width, stopOnClose := true, finish := false }
  let closers ← knownClosers
  let goal ← getMainGoal
  let progress ← IO.mkRef { seen := #[← stateKey [goal]] : Progress }
  let saved ← Tactic.saveState
  let ending ← try
    setGoals [goal]
    search limits inquiry closers progress [{ state := ← Tactic.saveState, goals := [(goal, 0)] }]
  finally saved.restore (restoreInfo := true)
  let sofar ← progress.get
  let noProof (outcome why : String) : TacticM (List Step) :=
    giveUp sofar started outcome none s!"llmstep: no proof found, {why}; {sofar.checked} tactics were checked at {sofar.expanded} \
      proof states. The options llmstep.search.depth, llmstep.search.width, llmstep.search.maxNodes and llmstep.search.timeoutMs \
      set the limits."
  let steps ← match ending with
    | .proof steps => pure steps
    | .exhausted => noProof "exhausted" "no state is left to go on from"
    | .limit option => noProof option s!"llmstep.search.{option} is used up"
  let proof := renderProof steps goal
  -- The block as a whole has not run yet: a tactic of it may behave otherwise behind another one.
  let checked ← checkCandidate proof { limits.check with timeoutMs := 0, heartbeats := 0 }
  let (.closes, some after) := (checked.outcome, checked.after?)
    | giveUp sofar started "blockFails" (some proof) s!"llmstep: a proof was found, but as one block it {checked.outcome.text}:\n{proof}"
  let some text ← replacementText? stx (← placeOf? stx) checked (crowded := (← getUnsolvedGoals).length > 1)
    | giveUp sofar started "blockFails" (some proof) s!"llmstep: a proof was found, but in this place it would be read as something else:\n{proof}"
  Lean.Meta.Tactic.TryThis.addSuggestion stx { suggestion := .string text } (header := "Try this:")
  if ← boolOption llmstep.search.report then logInfoAt stx (← reportLine sofar started "proof" (some checked.tactic))
  let messages ← Core.getMessageLog
  let others := (← getGoals).filter (· != goal)
  after.restore
  setGoals others
  Core.setMessageLog messages

elab_rules : tactic
  | `(tactic| llmsearch) => do runSearch (← getRef)

end LLMstep
