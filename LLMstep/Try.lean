module
public meta import Lean
public meta import Lean.Elab.Tactic.Try
public meta import LLMstep.Tactic
public meta section
open Lean Meta Elab Tactic

/-!
# Candidates for core's `try?`

`import LLMstep.Try` and `set_option llmstep.try true` let `try?` show what llmstep finds, beside its own suggestions. It is a module
of its own, and off by default, because `try?` calls it every time, and some settings of Lean call `try?` unasked. Needs Lean 4.26.

Those settings are `autoTry.onSorry`, `autoTry.onEmptyProof` and `autoTry.onUnsolvedGoal`, of Lean 4.33 and newer: with one of them, a
`sorry` or an empty `by` shows suggestions with no call typed. Lean then asks after every edit of the proof, and of what stands above
it. So we wait until the user has stopped typing, and a goal that was answered lately is not asked about again.

```
import LLMstep.Try
set_option llmstep.try true
set_option autoTry.onSorry true
example (p q : Prop) (hp : p) (hq : q) : p ∧ q := by sorry
```
-/
namespace LLMstep

/-- The settings by which core calls `try?` unasked. -/
def unaskedOptions : List Name := [`autoTry.onSorry, `autoTry.onEmptyProof, `autoTry.onUnsolvedGoal]

/-- Whether `try?` may have been called unasked. -/
def mayBeUnasked (options : Options) : Bool :=
  unaskedOptions.any fun name =>
    let option : Lean.Option Bool := { name, defValue := false }
    option.get options

/-- What closed goals lately, by the goals' texts and the model, the last one first. -/
initialize recentAnswers : IO.Ref (List (String × Array String)) ← IO.mkRef []

/-- How many of them are kept. -/
private def answersKept : Nat := 128

/-- Ask which tactics close the goal; an answer is remembered, unless it may have more to it. -/
private def askForClosing (document? : Option Document) : TacticM (Array String) := do
  let key := "\n\n".intercalate ((← goalTexts (← getUnsolvedGoals)).toList ++ [(← chosenModel?).getD ""])
  if let some known := (← recentAnswers.get).lookup key then return known
  if mayBeUnasked (← getOptions) then sleepInterruptibly (← natOption llmstep.try.waitMs)
  let inquiry := { ← inquiryFromOptions document? with timeoutMs := ← natOption llmstep.try.timeoutMs }
  let gathered ← gather inquiry (← limitsFromOptions)
  let mut closing := #[]
  for scored in worthShowing gathered.scored do
    if let .closes := scored.checked.outcome then closing := closing.push scored.checked.tactic
  unless gathered.late do
    recentAnswers.modify fun all => ((key, closing) :: all.filter (·.1 != key)).take answersKept
  return closing

/-- The candidates that close the goal, as syntax; none if llmstep is off, cannot be had, or takes too long. `try?` runs them again. -/
def closingTactics (goal : MVarId) : MetaM (Array (TSyntax `tactic)) := goal.withContext do
  unless ← boolOption llmstep.try do return #[]
  unless Elab.inServer.get (← getOptions) || (← boolOption llmstep.batch) do return #[]
  let found ← IO.mkRef #[]
  let work : TacticM Unit := do
    -- Of an empty `by`, Lean does not say where it stands.
    let here ← getRef
    let document? ← if here.getPos?.isSome then documentAt? here else pure none
    let env ← getEnv
    for tactic in ← askForClosing document? do
      if let .ok (stx, _) := parseTactic env tactic then found.modify (·.push ⟨stx⟩)
  -- An error here would be a warning below every `try?`.
  let quiet : TacticM Unit := do
    try work catch _ => pure ()
  let saved ← Meta.saveState
  Term.TermElabM.run' <| discard <| Tactic.run goal quiet
  saved.restore
  found.get

/-- What `try?` asks. -/
@[try_suggestion]
def trySuggestions (goal : MVarId) (_ : Lean.Meta.Try.Info) : MetaM (Array (TSyntax `tactic)) := closingTactics goal

end LLMstep
