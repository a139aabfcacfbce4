module
public meta import Lean
public meta section
open Lean Meta

/-!
# Goals that cannot be proved

A step to `⊢ False` is of use only where a hypothesis could be contradictory. Without one, a step such as `simp` that has turned the goal into
`False` has shown that the goal is false, and one such as `exfalso` was a mistake.

```
example : 2 + 2 = 5 := by
  simp        -- ⊢ False, and nothing it could come from
```
-/
namespace LLMstep

/-- Types that may have no elements, so that a variable of one may be contradictory itself. -/
def possiblyEmpty : List Name := [`False, `Empty, `PEmpty, `Fin, `Subtype, `Nonempty, `IsEmpty]

/-- Whether the target is `False`. -/
def isFalseGoal (goal : MVarId) : MetaM Bool := do
  return (← instantiateMVars (← goal.getType)).consumeMData.isConstOf ``False

/-- Whether a hypothesis of the goal could be contradictory: a fact, or a variable of a type that may be empty. -/
def mayContradict (goal : MVarId) : MetaM Bool := goal.withContext do
  for fvarId in (← getLCtx).getFVarIds do
    let decl ← fvarId.getDecl
    if decl.isImplementationDetail then continue
    let type ← instantiateMVars decl.type
    if ← isProp type then return true
    if let some name := type.getAppFn.constName? then
      if possiblyEmpty.contains name then return true
  return false

/-- Whether one of the goals is `False` with nothing to prove it from. -/
def haveLostGoal (goals : List MVarId) : MetaM Bool := do
  for goal in goals do
    if (← isFalseGoal goal) && !(← mayContradict goal) then return true
  return false

/-- Tactics that leave a goal only for an equivalent one, by the word they begin with. What they turn into `False` is false. -/
def rewritingTactics : List String := ["simp", "simp_all", "simp_arith", "dsimp", "rw", "rewrite", "norm_num", "norm_cast", "push_cast", "push_neg",
  "ring_nf", "field_simp", "unfold", "change", "show", "simp?", "simp_rw"]

/-- The word a tactic begins with. -/
def leadingWord (tactic : String) : String :=
  String.ofList <| tactic.toList.takeWhile fun c => c.isAlphanum || c == '_' || c == '?' || c == '\''

end LLMstep
