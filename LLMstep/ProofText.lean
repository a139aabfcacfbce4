module
public meta import Lean
public meta import LLMstep.Text
public meta section
open Lean

/-!
# The proof as text

A search knows which step turned which goal into which. Written down, steps follow each other line by line, and where several goals were
worked on, each gets a `·`.

```
constructor
· exact hp
· simp
  rfl
```
-/
namespace LLMstep

/-- A step of a proof: `tactic` turned `goal` into `subgoals`. -/
structure Step where
  goal : MVarId
  tactic : String
  subgoals : List MVarId

/-- The lines as one item of a list of goals. -/
def bulleted : List String → List String
  | [] => []
  | first :: rest => ("· " ++ first) :: rest.map fun line => if isBlank line then "" else "  " ++ line

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
    | several => lines ++ several.flatMap bulleted

/-- The proof of `goal` as a block of tactics. -/
def renderProof (steps : List Step) (goal : MVarId) : String := "\n".intercalate (renderSteps steps goal)

end LLMstep
