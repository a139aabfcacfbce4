"""Goals of a proof that its text tells."""

from __future__ import annotations

import pytest

from llmstep.lean_text.heads import split_groups
from llmstep.lean_text.proofs import TextGoal, follow_proof, take_step


@pytest.mark.parametrize(
    ("target", "step", "given", "left"),
    [
        ("∀ x : ℕ, f x = x", "intro y", ["y : ℕ"], "f y = y"),
        ("∀ x y : ℕ, x + y = 0", "intro a", ["a : ℕ"], "∀ y : ℕ, a + y = 0"),
        ("∀ x y, x + y = 0", "intro a b", ["a : _", "b : _"], "a + b = 0"),
        ("∀ (x : ℕ) {y : ℤ}, p x y", "intro x z", ["x : ℕ", "z : ℤ"], "p x z"),
        ("∀ (x y : ℕ), p x y", "intros u", ["u : ℕ"], "∀ (y : ℕ), p u y"),
        ("∀ x ∈ s, 0 ≤ f x", "intro x hx", ["x : _", "hx : x ∈ s"], "0 ≤ f x"),
        ("∀ ε > 0, ∃ δ > 0, p ε δ", "intro e he", ["e : _", "he : e > 0"], "∃ δ > 0, p e δ"),
        ("a ≤ b → b ≤ c → a ≤ c", "intro h k", ["h : a ≤ b", "k : b ≤ c"], "a ≤ c"),
        ("(p ↔ q) → r", "intro h", ["h : (p ↔ q)"], "r"),
        ("p → ∀ x, q x ↔ r", "intro h", ["h : p"], "∀ x, q x ↔ r"),
        ("¬(a ≤ b)", "intro h", ["h : (a ≤ b)"], "False"),
        ("p", "have h : q ∧ r := foo", ["h : q ∧ r"], "p"),
        ("p", "have : q := by simp", ["this : q"], "p"),
        ("a < b", "by_contra h", ["h : ¬(a < b)"], "False"),
        ("¬p", "by_contra h", ["h : p"], "False"),
        ("p", "exfalso", [], "False"),
        ("p", "show q x", [], "q x"),
        ("p", "classical", [], "p"),
    ],
)
def test_what_a_step_leaves(target: str, step: str, given: list[str], left: str) -> None:
    assert take_step(TextGoal((), target), step) == TextGoal(tuple(given), left)


@pytest.mark.parametrize(
    ("target", "step"),
    [
        ("p ↔ q → r", "intro h"),  # it is an equivalence
        ("p → q ↔ r", "intro h"),
        ("∃ x, p x → q", "intro x"),
        ("Injective f", "intro x"),
        ("p → q", "intro ⟨h, k⟩"),
        ("f = fun x → y", "intro h"),
        ("¬ a ∧ b", "intro h"),
        ("p", "have h : q := by"),
        ("p", "have h : q :="),
        ("p", "have h := foo"),
        ("p", "by_contra! h"),
        ("p", "rw [foo]"),
        ("p ∧ q", "constructor"),
        ("p", "show _ = q"),
        ("∀ x", "intro x"),
        ("∀ ", "intro x"),
        ("", "intro x"),
    ],
)
def test_what_the_text_does_not_tell(target: str, step: str) -> None:
    assert take_step(TextGoal((), target), step) is None


def test_steps_are_followed_until_a_goal_is_not_known() -> None:
    proof = "by\n  intro x hx\n  have h : q x := foo hx\n  simp at h\n  exact h"
    found = list(follow_proof(split_groups("{α : Type} (s : Set α)"), "∀ x ∈ s, p x", proof))
    assert [step for _, step in found] == ["intro x hx", "have h : q x := foo hx", "simp at h"]
    assert str(found[-1][0]) == ("α : Type\ns : Set α\nx : _\nhx : x ∈ s\nh : q x\n⊢ p x")


@pytest.mark.parametrize("text", ["∀ " * 3000, "(" * 5000, "p → " * 3000 + "q", "∀ (a : b) " * 900])
def test_long_text_takes_no_long_time(text: str) -> None:
    take_step(TextGoal((), text), "intro " + " ".join("abcdef"))
