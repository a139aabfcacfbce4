module
public meta import Lean
public meta section
open Lean

/-!
# Which closers fit a goal

A closer is a tactic without arguments that either closes a goal or is of no use. What the target is about tells which ones can do anything at
all, and how long one takes when it fails tells when to try it.

```
example (a b : Nat) (h : a < b) : a ≤ b := by
  -- the kind is `order`: `omega` is tried, `ring` and `fun_prop` are not
  omega
```
-/
namespace LLMstep

/-- Kinds of goals, as far as closers differ in them. -/
inductive GoalKind where
  | logic | equation | order | regularity | other
deriving BEq

/-- Relations of an order, divisibility and membership. -/
private def orderHeads : List Name := [``LE.le, ``LT.lt, ``GE.ge, ``GT.gt, ``Ne, `Dvd.dvd]

/-- Properties of functions, sets and filters of Mathlib that have tactics of their own. -/
private def regularityHeads : List Name := [
  `Continuous, `ContinuousOn, `ContinuousAt, `ContinuousWithinAt, `Differentiable, `DifferentiableAt, `DifferentiableOn, `ContDiff,
  `Measurable, `MeasurableSet, `AEMeasurable, `AEStronglyMeasurable, `StronglyMeasurable]

def goalKind (target : Expr) : GoalKind :=
  if target.isForall then .logic else
  match target.getAppFn.constName? with
  | none => .logic
  | some head =>
    if [``And, ``Or, ``Not, ``Iff, ``Exists, ``True, ``False].contains head then .logic
    else if head == ``Eq then .equation
    else if orderHeads.contains head then .order
    else if regularityHeads.contains head then .regularity
    else .other

/-- For which goals a closer can do anything, and how long it takes when it fails: 0 no time, 1 some, 2 much. Those that are not
listed are taken for quick and of use everywhere. -/
private def closerTable : List (String × List GoalKind × Nat) := [
  ("simp_all", [.logic, .equation, .order, .other], 1), ("omega", [.logic, .equation, .order], 1), ("decide", [.logic, .equation, .order, .other], 0),
  ("norm_num", [.logic, .equation, .order, .other], 1), ("ring", [.equation], 0), ("field_simp", [.equation], 1),
  ("linarith", [.equation, .order, .logic], 1), ("nlinarith", [.order, .equation], 2), ("positivity", [.order], 0), ("gcongr", [.order], 0),
  ("bound", [.order], 1), ("norm_cast", [.equation, .order], 0), ("push_cast", [.equation, .order], 0),
  ("fun_prop", [.regularity], 0), ("measurability", [.regularity], 2), ("continuity", [.regularity], 2),
  ("tauto", [.logic, .other], 1), ("aesop", [.logic, .equation, .order, .regularity, .other], 2),
  ("grind", [.logic, .equation, .order, .other], 1), ("exact?", [.logic, .equation, .order, .regularity, .other], 2)]

/-- The closers that may close a goal of this kind: the quick ones, those in the middle, the slow ones. -/
def orderClosers (closers : List String) (kind : GoalKind) : List String × List String × List String := Id.run do
  let mut quick := #[]
  let mut middle := #[]
  let mut slow := #[]
  for closer in closers do
    match closerTable.lookup closer with
    | none => quick := quick.push closer
    | some (kinds, time) =>
      unless kinds.contains kind do continue
      if time == 0 then quick := quick.push closer
      else if time == 1 then middle := middle.push closer
      else slow := slow.push closer
  return (quick.toList, middle.toList, slow.toList)

end LLMstep
