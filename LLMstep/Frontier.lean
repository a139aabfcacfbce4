module
public meta import Lean
public meta import LLMstep.Asking
public meta import LLMstep.ProofText
public meta section
open Lean Meta Elab Tactic

/-!
# What a search has in hand

The limits, the states that wait to be taken up, and what is known of those that were.

```
let queue := enqueue (enqueue [] { state, goals, cost := 2 }) { state, goals, cost := 1 }
-- the second node comes first
```
-/
namespace LLMstep

/-- Limits of a search, see the options `llmstep.search.*`. `depth`: 0 means no limit. `deadline` as in `IO.monoMsNow`, `heartbeats` in
thousandths of an option's unit. `structural`: whether steps are taken that the goal's shape asks for. `perLength`: whether the cost of a way is
divided by the root of its length; if not, the model is asked strictly about the best state. `maxNodes`: questions to the model. -/
structure SearchLimits where
  depth : Nat
  width : Nat
  maxNodes : Nat
  deadline : Nat
  heartbeats : Nat
  structural : Bool
  perLength : Bool
  check : Limits

/-- An open goal. `depth`: how many steps that might have been others lead to it. `parts`: the independent goals it belongs to the proof of. -/
structure OpenGoal where
  goal : MVarId
  depth : Nat := 0
  parts : List Nat := []

/-- What is to be done at a node. -/
inductive Work where
  /-- Try to close the first goal, and find out what may be done else. -/
  | expand
  /-- Take a step. -/
  | take (tactic : String)
  /-- Try the closers that take their time. -/
  | closeSlowly (closers : List String)
  /-- Ask the model. -/
  | ask

/-- A state of the search and what is to be done there. `steps`: newest first. `cost`: what the `choices` steps that might have been others
have cost together. -/
structure Node where
  state : Tactic.SavedState
  goals : List OpenGoal
  work : Work := .expand
  steps : List Step := []
  cost : Float := 0
  choices : Nat := 0

/-- Smaller is better. -/
def Node.rank (node : Node) (perLength : Bool) : Float :=
  if perLength then node.cost / (Float.ofNat (node.choices + 1)).sqrt else node.cost

def Node.isQuestion (node : Node) : Bool :=
  match node.work with
  | .ask => true
  | _ => false

/-- How a search ended. -/
inductive SearchEnd where
  /-- The steps, newest first, and the proof as one block, which has been run. -/
  | proof (steps : List Step) (checked : Checked)
  /-- No state is left to go on from. -/
  | exhausted
  /-- One of the limits is reached: `maxNodes`, `timeoutMs` or `maxHeartbeats`. -/
  | limit (option : String)
  /-- The model could not be asked, and nothing else was left to do. -/
  | failed (why : String)

/-- What a search has done so far. `expanded`: questions to the model. `checked`: tactics that were run. `goal`: the target it works on.
`blockFails?`: a proof that did not run as one block, and why. -/
structure Progress where
  expanded : Nat := 0
  checked : Nat := 0
  heartbeats : Nat := 0
  open' : Nat := 1
  goal : String := ""
  blockFails? : Option (String × String) := none

/-- Put a node into a queue that is ordered by rank; behind its equals, so older ones come first. -/
def enqueue (queue : List Node) (node : Node) (perLength : Bool := true) : List Node := Id.run do
  let rank := node.rank perLength
  let mut before := []
  let mut rest := queue
  repeat
    match rest with
    | first :: others =>
      if rank < first.rank perLength then break
      before := first :: before
      rest := others
    | [] => break
  return before.foldl (fun rest node => node :: rest) (node :: rest)

/-- A question to the model and the node it is about. -/
structure Pending where
  asking : Asking
  node : Node

/-- What a search knows. `queue`: see `enqueue`. `seen`: the goals of all states so far. `settled`: the independent goals that are proved.
`parts`: how many there are. `unasked`: whether a question was left out because of `maxNodes`. -/
structure Frontier where
  queue : List Node
  seen : Array (List GoalKey)
  settled : List Nat := []
  parts : Nat := 0
  pending? : Option Pending := none
  unasked : Bool := false
  failure? : Option String := none
  progress : Progress := {}

/-- What a search does not change. `root`: the state it has started from. -/
structure SearchContext where
  limits : SearchLimits
  inquiry : Inquiry
  closers : List String
  goal : MVarId
  root : Tactic.SavedState
  frontier : IO.Ref Frontier
  /-- Told from time to time how far the search is. -/
  report : Progress → TacticM Unit

abbrev SearchM := ReaderT SearchContext TacticM

end LLMstep
