import LLMstep
import LLMstepTest.Support
open Lean Meta Elab Tactic LLMstep LLMstepTest
set_option linter.unusedVariables false

/-! What is told of the goals that a step leaves. -/

elab "tells " candidate:str " as " wanted:str : tactic => do
  let saved ← Tactic.saveState
  let start ← getMainGoal
  let checked ← checkCandidate candidate.getString {}
  let (.runs goals _, some after) := (checked.outcome, checked.after?) | throwError "it {checked.outcome.text}"
  after.restore
  same "told" (← changesText start goals (whole := false)) wanted.getString
  saved.restore

example (p q r : Prop) (hp : p) : q → p ∧ q := by
  tells "intro h" as "  h : q ⊢ p ∧ q"
  intro h
  tells "constructor" as "  case left ⊢ p\n  case right ⊢ q"
  tells "have hr : r ∨ p := Or.inr hp" as "  hr : r ∨ p ⊢ p ∧ q"
  tells "clear r" as "  ⊢ p ∧ q (without r)"
  tells "revert h" as "  ⊢ q → p ∧ q (without h)"
  exact ⟨hp, h⟩

-- A long line is broken.
example (longProposition anotherLongProposition : Prop) :
    longProposition ∧ anotherLongProposition ∧ longProposition → anotherLongProposition ∧ longProposition := by
  tells "intro hypothesis" as "  hypothesis : longProposition ∧ anotherLongProposition ∧ longProposition\n  ⊢ anotherLongProposition ∧ longProposition"
  intro h
  exact ⟨h.2.1, h.1⟩
