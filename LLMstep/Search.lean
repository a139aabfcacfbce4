module
public meta import Lean
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

/-- Limits of a search, see the options `llmstep.search.*`. `deadline` as in `IO.monoMsNow`, `heartbeats` in thousandths of an
option's unit. -/
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

/-- Check a tactic on the node's first goal; the node it leads to, unless it fails. -/
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

/-- Best-first search from the current state; the steps of the first proof found. The state is not put back. -/
partial def search (limits : SearchLimits) (inquiry : Inquiry) (closers : List String) (progress : IO.Ref Progress) (queue : List Node) :
    TacticM (Option (List Step)) := do
  let node :: queue := queue | return none
  Core.checkInterrupted
  let sofar ← progress.get
  let now ← IO.monoMsNow
  if now ≥ limits.deadline || sofar.expanded ≥ limits.maxNodes then return none
  if limits.heartbeats != 0 && sofar.heartbeats ≥ limits.heartbeats then return none
  let (goal, depth) :: rest := node.goals | return some node.steps
  if depth ≥ limits.depth then return ← search limits inquiry closers progress queue
  let checkCloser (tactic : String) : TacticM Checked := do
    node.state.restore
    -- They are tried at every goal, so they must be quick: a quarter of what a candidate may use (0 stays no limit).
    let quick : Limits := { heartbeats := (limits.check.heartbeats + 3) / 4, timeoutMs := (limits.check.timeoutMs + 3) / 4 }
    let checked ← checkCandidate tactic quick
    progress.modify fun p => { p with checked := p.checked + 1, heartbeats := p.heartbeats + checked.heartbeats }
    return checked
  -- A cheap tactic that closes the goal makes the model's opinion of it superfluous.
  for closer in closers do
    if (← IO.monoMsNow) ≥ limits.deadline then return none
    let checked ← checkCloser closer
    if let .closes := checked.outcome then
      if let some next ← advance node goal depth rest checked 0 then
        return ← search limits inquiry closers progress (enqueue queue next)
  progress.modify fun p => { p with expanded := p.expanded + 1 }
  node.state.restore
  let left := limits.deadline - (← IO.monoMsNow)
  let gathered ← gather { inquiry with timeoutMs := max 1 (min inquiry.timeoutMs left) } limits.check
  let mut grown := queue
  for scored in gathered.scored do
    progress.modify fun p => { p with checked := p.checked + 1, heartbeats := p.heartbeats + scored.checked.heartbeats }
    let some next ← advance node goal depth rest scored.checked (-scored.score) | continue
    let key := "\n\n".intercalate (← goalTexts (next.goals.map (·.1))).toList
    let seen := (← progress.get).seen
    unless next.goals.isEmpty do
      if seen.contains key then continue
      progress.modify fun p => { p with seen := p.seen.push key }
    grown := enqueue grown next
  search limits inquiry closers progress grown

/-- `llmsearch` looks for a whole proof of the main goal: it asks the model for next steps, checks them, goes on from those that run,
and shows the proof it finds as one `Try this`. See the options `llmstep.search.*` for its limits. -/
syntax (name := llmsearchTac) "llmsearch" : tactic

/-- The closers of the option that this file knows. -/
def knownClosers : CoreM (List String) := do
  let env ← getEnv
  let all := ((← stringOption llmstep.search.closers).splitOn " | ").map trimmed
  return all.filter fun closer => (parseTactic env closer).toOption.isSome

def searchLimits : CoreM SearchLimits := do
  return {
    depth := ← natOption llmstep.search.depth, width := ← natOption llmstep.search.width
    maxNodes := ← natOption llmstep.search.maxNodes
    deadline := (← IO.monoMsNow) + (← natOption llmstep.search.timeoutMs)
    heartbeats := (← natOption llmstep.search.maxHeartbeats) * 1000, check := ← limitsFromOptions }

def runSearch (stx : Syntax) : TacticM Unit := do
  refuseInBatch "llmsearch"
  let limits ← searchLimits
  let inquiry := { ← inquiryAt stx "" with n := limits.width, stopOnClose := true }
  let closers ← knownClosers
  let goal ← getMainGoal
  let progress ← IO.mkRef ({} : Progress)
  let saved ← Tactic.saveState
  let proof? ← try
    setGoals [goal]
    search limits inquiry closers progress [{ state := ← Tactic.saveState, goals := [(goal, 0)] }]
  finally saved.restore (restoreInfo := true)
  let sofar ← progress.get
  let some steps := proof?
    | throwError "llmstep: no proof found; {sofar.checked} tactics were checked at {sofar.expanded} proof states. \
        The options llmstep.search.depth, llmstep.search.width, llmstep.search.maxNodes and llmstep.search.timeoutMs set the limits."
  let proof := renderProof steps goal
  -- The block as a whole has not run yet: a tactic of it may behave otherwise behind another one.
  let checked ← checkCandidate proof { limits.check with timeoutMs := 0, heartbeats := 0 }
  let (.closes, some after) := (checked.outcome, checked.after?)
    | throwError "llmstep: a proof was found, but as one block it {checked.outcome.text}:\n{proof}"
  let text ← replacementText stx checked.tactic checked.isSequence
  Lean.Meta.Tactic.TryThis.addSuggestion stx { suggestion := .string text } (header := "Try this:")
  let messages ← Core.getMessageLog
  let others := (← getGoals).filter (· != goal)
  after.restore
  setGoals others
  Core.setMessageLog messages

elab_rules : tactic
  | `(tactic| llmsearch) => do runSearch (← getRef)

end LLMstep
