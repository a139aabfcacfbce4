module
public meta import Lean
public meta import LLMstep.Goal
public meta section
open Lean Meta

/-!
# What a step changes, as text

Below a suggestion stand the targets that it leaves and the hypotheses that are new, a line for each goal: who reads ten suggestions does not want to
read the same context ten times.

```
example (p q : Prop) (hp : p) : q → p ∧ q := by
  intro h       -- h : q ⊢ p ∧ q
  constructor   -- case left ⊢ p
                -- case right ⊢ q
  · exact hp
  · exact h
```
-/
namespace LLMstep

/-- How many goals are told of a step, and how long a line may get before it is broken, in characters. -/
def goalsTold : Nat := 4
def lineLength : Nat := 100

private def exprText (e : Expr) : MetaM String := do
  return (← withOptions fixedPP (ppExpr (← instantiateMVars e))).pretty

/-- A hypothesis as `name : type` or `name : type := value`. -/
private def hypothesisText (fvarId : FVarId) : MetaM String := do
  let decl ← fvarId.getDecl
  let text := s!"{← exprText (mkFVar fvarId)} : {← exprText decl.type}"
  match decl.value? with
  | some value => return s!"{text} := {← exprText value}"
  | none => return text

/-- Names of the hypotheses that can be seen in a goal. -/
private def visibleNames (goal : MVarId) : MetaM (Array Name) := goal.withContext do
  let mut names := #[]
  for fvarId in (← getLCtx).getFVarIds do
    let decl ← fvarId.getDecl
    unless decl.isImplementationDetail || decl.userName.hasMacroScopes do names := names.push decl.userName
  return names

/-- The hypotheses of `goal` that are not in `start`, or say something else there. Tactics such as `induction` make all of them anew. -/
private def newHypotheses (start goal : MVarId) : MetaM (Array String) := do
  let before ← start.withContext getLCtx
  let mut news := #[]
  for fvarId in (← goal.withContext getLCtx).getFVarIds do
    if before.contains fvarId then continue
    let (decl, text) ← goal.withContext do return (← fvarId.getDecl, ← hypothesisText fvarId)
    if decl.isImplementationDetail then continue
    if let some old := before.findFromUserName? decl.userName then
      if (← start.withContext (hypothesisText old.fvarId)) == text then continue
    news := news.push text
  return news

/-- One goal that a step on `start` has led to: the case it is, what is new, its target. -/
def changeText (start goal : MVarId) : MetaM String := do
  let news ← newHypotheses start goal
  let target := s!"⊢ {← goal.withContext do exprText (← goal.getType)}"
  let names ← visibleNames goal
  let gone := (← visibleNames start).filter fun name => !names.contains name
  let without := if gone.isEmpty then "" else s!" (without {", ".intercalate (gone.toList.map toString)})"
  let tag := (← goal.getTag).eraseMacroScopes
  let facts := if tag.isAnonymous then news.toList else s!"case {tag}" :: news.toList
  let line := if facts.isEmpty then target else s!"{", ".intercalate facts} {target}"
  if line.length ≤ lineLength && (line.splitOn "\n").length == 1 then return line ++ without
  return "\n".intercalate (facts ++ [target]) ++ without

/-- The goals that a step on `start` has led to, each indented by `pad`, on lines of their own. With `whole`, all their hypotheses. -/
def changesText (start : MVarId) (goals : List MVarId) (whole : Bool) (pad := "  ") : MetaM String := do
  let mut blocks := #[]
  for goal in goals.take goalsTold do
    let block ← if whole then goalText goal else changeText start goal
    blocks := blocks.push block
  if goals.length > goalsTold then blocks := blocks.push s!"… and {goals.length - goalsTold} more"
  let indented (block : String) := "\n".intercalate ((block.splitOn "\n").map (pad ++ ·))
  return (if whole then "\n\n" else "\n").intercalate (blocks.toList.map indented)

end LLMstep
