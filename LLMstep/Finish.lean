module
public meta import Lean
public meta import LLMstep.Check
public meta section
open Lean Meta Elab Tactic

/-!
# A step, written out and finished

What belongs into a proof is not always what was run. `exact?` closes a goal, but the term that it has found is to be written. And where
`apply le_trans` leaves only goals that are hypotheses, the user wants `exact le_trans h₁ h₂`. Whatever is written here is checked like any
other candidate before it is shown.

```
example (p q r : Prop) (h : p → q → r) (hp : p) (hq : q) : r := by
  apply h        -- shown is: exact h hp hq
  · exact hp
  · exact hq
```
-/
namespace LLMstep

/-! ## Terms as text -/

/-- Whether a part of the tactic is of the kind of `exact?` and `simp?`, which suggest what to write in their place. -/
def suggestsText (stx : Syntax) : Bool :=
  (stx.find? fun
    | .atom _ token => match (trimmed token).toList with
      | first :: rest => first.isAlpha && rest.getLast? == some '?'
      | [] => false
    | _ => false).isSome

/-- How a term is printed: with all implicit arguments, and with `{ x := .. }` or `⟨..⟩` for structures. -/
private structure Print where
  explicit : Bool := false
  structures : Bool := true
  width : Nat := 10000

private def Print.options (print : Print) (options : Options) : Options :=
  let set (name : Name) (value : Bool) (options : Options) : Options :=
    let option : Lean.Option Bool := { name, defValue := value }
    option.set options value
  -- What the pretty-printer leaves out would have to be guessed.
  fixedPP options |> set `pp.proofs true |> set `pp.deepTerms true |> set `pp.explicit print.explicit
    |> set `pp.structureInstances print.structures

/-- The proof of `goal` that the present state holds, as text; none if printing takes too long. -/
private def printProof? (goal : MVarId) (print : Print) (limits : Limits) : TacticM (Option String) := do
  let printed : TacticM (Option String) := goal.withContext do
    let proof ← instantiateMVars (mkMVar goal)
    return some <| (← withOptions print.options (Meta.ppExpr proof)).pretty print.width
  withHeartbeatLimit limits.heartbeats printed (handler := fun _ => return none)

/-- `checked` as it may stand in a finished proof. For a tactic such as `exact?` that is `exact` with the term it has found, if that
closes the goal of `before`, too; else there is none. -/
def asWritten? (before : Tactic.SavedState) (goal : MVarId) (checked : Checked) (limits : Limits) : TacticM (Option Checked) := do
  let .ok (stx, _) := parseTactic (← getEnv) checked.tactic | return some checked
  unless suggestsText stx do return some checked
  let (.closes, some after) := (checked.outcome, checked.after?) | return none
  for print in [{ width := 96 : Print }, {}, { explicit := true }] do
    after.restore
    let some term ← printProof? goal print limits | return none
    before.restore
    let written ← checkCandidate s!"exact {term}" limits
    if let .closes := written.outcome then return some written
  return none

/-! ## What a step leaves -/

/-- How many goals a step may leave to be finished, and how many hypotheses are tried for them in all. -/
def goalsFinished : Nat := 6
def hypothesesTried : Nat := 64

/-- How long a written-out term may be, in characters. -/
def termLength : Nat := 100

/-- Limits of finishing one step: it is worth no more than a candidate that is easy to check. -/
private def finishing (limits : Limits) : Limits :=
  let part (whole least : Nat) : Nat := if whole == 0 then least else min least whole
  { limits with heartbeats := part limits.heartbeats 2000, timeoutMs := part limits.timeoutMs 500 }

/-- A goal and the tactic that closes it. -/
private abbrev Closed := MVarId × String

private def closeWith (goal : MVarId) (tactic : String) : TacticM Bool := do
  let .ok (stx, _) := parseTactic (← getEnv) tactic | return false
  let state ← Tactic.saveState
  try
    setGoals [goal]
    Term.withSynthesize <| Term.withoutErrToSorry <| withoutRecover <| withEnableInfoTree false <| evalTactic stx
    if (← getUnsolvedGoals).isEmpty then return true
  catch _ => pure ()
  state.restore
  return false

private def exactText (fvarId : FVarId) : MetaM String := do
  let name := (← fvarId.getDecl).userName
  -- What cannot be named is found again by its type.
  if name.hasMacroScopes then return "assumption"
  return s!"exact {name}"

/-- Close all goals by hypotheses or, where none fits, by `rfl` or `trivial`. A hypothesis that fits one goal may be wrong for the others,
so the next is tried then. Goals that are no propositions are only filled by the others. -/
private partial def closeAll (tried : IO.Ref Nat) (goals : List MVarId) (done : Array Closed) : TacticM (Option (Array Closed)) := do
  let left ← goals.filterM fun goal => return !(← goal.isAssigned)
  if left.isEmpty then return some done
  let facts ← left.filterM fun goal => goal.withContext do isProp (← goal.getType)
  let goal :: _ := facts | return none
  let next (state : Tactic.SavedState) (closer : String) : TacticM (Option (Array Closed)) := do
    if let some all ← closeAll tried (left.filter (· != goal)) (done.push (goal, closer)) then return some all
    state.restore
    return none
  let state ← Tactic.saveState
  let hypotheses ← goal.withContext do return (← getLCtx).getFVarIds.toList.reverse
  for fvarId in hypotheses do
    if (← tried.get) ≥ hypothesesTried then return none
    let fits ← goal.withContext do
      let decl ← fvarId.getDecl
      if decl.isImplementationDetail then return false
      unless ← isProp decl.type do return false
      tried.modify (· + 1)
      isDefEq decl.type (← goal.getType)
    if fits then
      goal.assign (mkFVar fvarId)
      if let some all ← next state (← goal.withContext (exactText fvarId)) then return some all
    else state.restore
  for closer in ["rfl", "trivial"] do
    if ← closeWith goal closer then
      if let some all ← next state closer then return some all
  return none

/-- Words of terms that nobody would write. -/
private def isReadable (term : String) : Bool :=
  term.length ≤ termLength && !["\n", "Eq.mpr", "congrArg", "motive", "casesOn", ".rec ", "of_eq_true", "⋯"].any fun part => (term.splitOn part).length > 1

/-- Tactics that change the goal without naming what they use; they stay beside their finished form. -/
private def structural : List String :=
  ["intro", "intros", "constructor", "left", "right", "cases", "rcases", "obtain", "induction", "split", "ext", "funext", "exists", "use", "exfalso",
    "by_cases", "by_contra", "rintro", "have", "let", "suffices", "show", "change", "unfold"]

/-- A tactic with the tactics that close what it leaves. -/
private def withClosers (tactic : String) (closers : List String) : List String :=
  let bullets := "\n".intercalate (tactic :: closers.map fun closer => "· " ++ closer)
  match closers with
  | [closer] =>
    let lines := s!"{tactic}\n{closer}"
    -- `rw [..]` ends with `rfl` by itself, `rwa` with a hypothesis.
    if tactic.startsWith "rw [" && tactic.endsWith "]" && closer != "rfl" && closer != "trivial" then
      ["rwa " ++ withoutFirstChars 3 tactic, lines]
    else [lines]
  | _ => [bullets]

/-- The finished form of a step that runs: the whole proof, if what it leaves follows at once, and whether it says all the step says, so that the
step itself need not be shown. -/
def finish? (before : Tactic.SavedState) (goal : MVarId) (checked : Checked) (limits : Limits) : TacticM (Option (Checked × Bool)) := do
  let (.runs goals _, some after) := (checked.outcome, checked.after?) | return none
  if goals.length > goalsFinished then return none
  let limits := finishing limits
  let traces ← getTraceState
  let heartbeats ← IO.getNumHeartbeats
  try
    after.restore
    let tried ← IO.mkRef 0
    let work : TacticM (Option (Array Closed)) := withEnableInfoTree false <| closeAll tried goals #[]
    let some closed ← withWallClock limits.timeoutMs (onLate := return none) <|
      withHeartbeatLimit limits.heartbeats work (handler := fun _ => return none) | return none
    let mut texts : List String := []
    for structures in [true, false] do
      if let some term ← printProof? goal { structures } limits then
        if isReadable term && (texts.all fun text => term.length + "exact ".length < text.length) then texts := [s!"exact {term}"]
    let inOrder := goals.filterMap fun goal => (closed.find? (·.1 == goal)).map (·.2)
    for text in texts ++ withClosers checked.tactic inOrder do
      before.restore
      let written ← checkCandidate text limits
      if let .closes := written.outcome then
        return some ({ written with source := checked.source, isFinished := true }, !structural.contains (leadingWord checked.tactic))
    return none
  finally
    before.restore (restoreInfo := true)
    modifyTraceState fun _ => traces
    IO.setNumHeartbeats heartbeats

end LLMstep
