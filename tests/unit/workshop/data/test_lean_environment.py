from __future__ import annotations

import pytest

from llmstep_workshop.data.lean_environment import find_environment


@pytest.mark.parametrize(
    ("state", "tactic"),
    [
        ("p q : Prop\nh : p ∧ q\n⊢ q ∧ p", "exact ⟨h.2, h.1⟩"),
        ("a b : ℕ\nh : a < b\n⊢ a + 1 ≤ b", "omega"),
        ("α : Type u_1\nxs : List α\n⊢ xs ++ [] = xs", "induction xs <;> simp_all"),
        ("α : Type*\nxs ys : List α\n⊢ (xs ++ ys).length = 0", "simp; omega"),
        ("n : Nat\n⊢ n = n", "induction n with | zero => rfl | succ n n_ih => simp [n_ih]"),
        ("α : Type\nP : α → Prop\nh : ¬∃ x, P x\n⊢ ∀ (x : α), ¬P x", "exact not_exists.mp h"),
        ("⊢ ∀ (a b : Bool), (a || b) = (b || a)", "decide"),
    ],
)
def test_core(state: str, tactic: str) -> None:
    assert find_environment(state, tactic) == "core"


@pytest.mark.parametrize(
    ("state", "tactic"),
    [
        ("x : ℝ\n⊢ x = x", "rfl"),
        ("α : Type\ns t : Set α\n⊢ s ∩ t ⊆ s", "simp"),
        ("a b : ℕ\nh : a < b\n⊢ a ≤ b", "linarith"),
        ("a b : ℕ\nh : a < b\n⊢ a ≤ b", "exact h.le"),
        ("a b c : ℕ\nh : a < b\nk : b < c\n⊢ a < c", "exact h.trans k"),
        ("p : Prop\n⊢ p ∨ ¬p", "exact em p"),
        ("p : Prop\n⊢ p ∨ ¬p", "by_cases h : p <;> tauto"),
        ("n : ℕ\n⊢ Even (n + n)", "simp"),
        ("n : ℕ\n⊢ n = n", "exact le_antisymm h k"),
        ("x : Int\n⊢ |x| = x", "simp"),
    ],
)
def test_mathlib(state: str, tactic: str) -> None:
    assert find_environment(state, tactic) == "mathlib"
