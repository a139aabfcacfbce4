module
public meta import Lean
public meta section
open Lean Meta

/-!
# What goals say, whatever their names

Two steps that lead to the same goals are one suggestion, and a step that leads back to the goal it came from is none. Goals are compared as
closed statements, so neither the names of hypotheses nor those of bound variables nor those of metavariables count, and hypotheses that were added
although nothing mentions them do not either.

```
example (p q : Prop) : p → q → p := by
  intro h       -- the key here is also that of `intro hp`
  intro _
  exact h
```
-/
namespace LLMstep

/-- Goals as one closed statement. `==` compares them up to names, `said` counts names, too. -/
structure GoalKey where
  statement : Expr

instance : BEq GoalKey := ⟨fun a b => a.statement == b.statement⟩

/-- Whether two keys are equal to the letter: hypotheses and bound variables have the same names. -/
def GoalKey.sameNames (a b : GoalKey) : Bool := a.statement.equal b.statement

/-- The key of the goals of both. -/
def GoalKey.and (a b : GoalKey) : GoalKey := ⟨mkAppN a.statement #[b.statement]⟩

/-- Whether a new hypothesis tells nothing: a fact that was there, or one that is true anyway. -/
private def isIdleFact (before : LocalContext) (type : Expr) : MetaM Bool := do
  if type.isConstOf ``True then return true
  if type.isAppOfArity ``Eq 3 && type.appFn!.appArg! == type.appArg! then return true
  for fvarId in before.getFVarIds do
    unless (← getLCtx).contains fvarId do continue
    let decl ← fvarId.getDecl
    if !decl.isImplementationDetail && (← instantiateMVars decl.type) == type then return true
  return false

/-- The hypotheses of `goal` that are not in `before` and say nothing by themselves: data (unless it is an instance), facts that were there. What
else mentions them decides whether they count. -/
def idleHypotheses (before : LocalContext) (goal : MVarId) : MetaM (Array FVarId) := goal.withContext do
  let mut idle := #[]
  for fvarId in (← getLCtx).getFVarIds do
    if before.contains fvarId then continue
    let decl ← fvarId.getDecl
    if decl.isImplementationDetail then continue
    let type ← instantiateMVars decl.type
    if ← isProp type then
      if ← isIdleFact before type then idle := idle.push fvarId
    else if (← isClass? type).isNone then idle := idle.push fvarId
  return idle

/-- A goal as a closed statement. The constant marks where the target begins: `h : p ⊢ q` is not `⊢ p → q`. -/
private def closedGoal (goal : MVarId) : MetaM Expr := goal.withContext do
  let mut hypotheses := #[]
  for fvarId in (← getLCtx).getFVarIds do
    unless (← fvarId.getDecl).isImplementationDetail do hypotheses := hypotheses.push (mkFVar fvarId)
  let target ← instantiateMVars (← goal.getType)
  instantiateMVars (← mkForallFVars hypotheses (mkAppN (mkConst `LLMstep.target) #[target]))

/-- The key of a list of goals that a step has led to from a goal whose hypotheses were `before`. It may leave metavariables behind, so the
state is to be put back. -/
def goalKey (before : LocalContext) (goals : List MVarId) : MetaM GoalKey := do
  let mut statements := #[]
  for goal in goals do
    statements := statements.push (← closedGoal (← goal.tryClearMany (← idleHypotheses before goal)))
  -- Metavariables are shared by the goals, so these are abstracted together.
  return { statement := (← abstractMVars (mkAppN (mkConst `LLMstep.goals) statements)).expr }

end LLMstep
