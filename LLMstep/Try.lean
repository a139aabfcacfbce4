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

```
import LLMstep.Try
set_option llmstep.try true
example (p q : Prop) (hp : p) (hq : q) : p ∧ q := by try?
```
-/
namespace LLMstep

/-- The candidates that close the goal, as syntax; none if llmstep is off, cannot be had, or takes too long. `try?` runs them again. -/
def closingTactics (goal : MVarId) : MetaM (Array (TSyntax `tactic)) := goal.withContext do
  unless ← boolOption llmstep.try do return #[]
  unless Elab.inServer.get (← getOptions) || (← boolOption llmstep.batch) do return #[]
  let found ← IO.mkRef #[]
  let work : TacticM Unit := do
    let inquiry := { ← inquiryFromOptions none with timeoutMs := ← natOption llmstep.try.timeoutMs }
    let gathered ← gather inquiry (← limitsFromOptions)
    let env ← getEnv
    for scored in worthShowing gathered.scored do
      if let .closes := scored.checked.outcome then
        if let .ok (stx, _) := parseTactic env scored.checked.tactic then found.modify (·.push ⟨stx⟩)
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
