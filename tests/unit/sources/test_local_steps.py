"""What the hypotheses of a goal suggest."""

from __future__ import annotations

import pytest

from llmstep.prompts.goal import parse_goal
from llmstep.sources.goal_view import view_goal
from llmstep.sources.local_steps import local_steps


def steps(goal: str) -> list[str]:
    return [step.tactic for step in local_steps(view_goal(parse_goal(goal)))]


@pytest.mark.parametrize(
    ("goal", "wanted"),
    [
        ("p q : Prop\nh : p ∧ q\n⊢ q", "exact h.2"),
        ("p q r : Prop\nh : p ∧ q ∧ r\n⊢ r", "exact h.2.2"),
        ("a b : ℕ\nh : a = b\n⊢ b = a", "exact h.symm"),
        ("a b : ℝ\nh : a < b\n⊢ a ≤ b", "exact h.le"),
        ("a b : ℝ\nh : a < b\n⊢ b ≠ a", "exact h.ne'"),
        ("a b : ℝ\nh : a > b\n⊢ b < a", "exact h"),
        ("p q : Prop\nh : p → q\nhp : p\n⊢ q", "exact h hp"),
        ("p q : Prop\nh : p ↔ q\nhq : q\n⊢ p", "exact h.mpr hq"),
        ("p q : Prop\nh : ¬p\nhp : p\n⊢ q", "exact absurd hp h"),
        ("p : Prop\nh : False\n⊢ p", "exact h.elim"),
        ("p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q", "exact ⟨hp, hq⟩"),
        ("p q : Prop\nhq : q\n⊢ p ∨ q", "exact Or.inr hq"),
        ("a b c : ℕ\nh : a ≤ b\nh' : b ≤ c\n⊢ a ≤ c", "exact h.trans h'"),
        ("P : α → Prop\nh : ∀ x, P x\ny : α\n⊢ P y", "exact h y"),
        ("P Q : α → Prop\nh : ∀ x, P x → Q x\nhy : P y\n⊢ Q y", "exact h y hy"),
        ("P Q : α → Prop\nh : ∀ x, P x → Q x\n⊢ Q y", "apply h"),
        ("f : ℕ → ℕ\nh : f a = b\n⊢ f a + 1 = b + 1", "rw [h]"),
        ("p q r : Prop\nh : p ∨ q\n⊢ r", "cases h"),
        ("h : ∃ n, P n\n⊢ r", "obtain ⟨n, hn⟩ := h"),
    ],
)
def test_steps_by_the_types_of_hypotheses(goal: str, wanted: str) -> None:
    assert wanted in steps(goal)


@pytest.mark.parametrize(
    ("goal", "wrong"),
    [
        ("p q : Prop\nh : p ∨ q\n⊢ q", "exact h.2"),
        ("a b : ℝ\nh : a ≤ b\n⊢ b ≤ a", "exact h.symm"),
        ("a b : ℝ\nh : a ≤ b\n⊢ b ≤ a", "exact h"),
        ("h✝ : p\n⊢ p", "exact h✝"),
        ("h : ∀ n, p n\n⊢ p k ∧ q", "exact h (k ∧ q)"),
    ],
)
def test_what_does_not_follow_is_not_said(goal: str, wrong: str) -> None:
    assert wrong not in steps(goal)
