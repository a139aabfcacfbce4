"""A premise becomes the steps that one would write with it, by its shape and the goal's."""

from __future__ import annotations

import pytest

from llmstep.lean_text.statements import Statement
from llmstep.prompts.goal import parse_goal
from llmstep.sources.goal_view import view_goal
from llmstep.sources.premise_steps import premise_steps

ADD = Statement(
    "Measurable.add", "lemma", "(hf : Measurable f) (hg : Measurable g)", "Measurable (f + g)"
)
CANCEL = Statement("my_cancel", "theorem", "(a b : G)", "a * b * b⁻¹ = a")
IFF = Statement("Foo.mem_iff", "theorem", "{s : Foo} {x : α}", "x ∈ s.closed ↔ x ∈ s.base")
MONO = Statement("mono_of", "theorem", "{f : ℕ → ℕ} (hf : Monotone f) (h : a ≤ b)", "f a ≤ f b")
IMPLIES = Statement("pos_of", "theorem", "", "∀ x : ℝ, 1 < x → 0 < log x")
EXISTS = Statement("has_root", "theorem", "(h : Odd n)", "∃ x, p x = 0")


def forms(statement: Statement, goal: str, written: str = "") -> list[str]:
    view = view_goal(parse_goal(goal))
    return [step.tactic for step in premise_steps(statement, written or statement.name, view)]


@pytest.mark.parametrize(
    ("statement", "goal", "wanted"),
    [
        (
            ADD,
            "X Y : Ω → ℝ\nhY : Measurable Y\nhX : Measurable X\n⊢ Measurable (X + Y)",
            "apply Measurable.add",
        ),
        (MONO, "g : ℕ → ℕ\nhg : Monotone g\nhxy : x ≤ y\n⊢ g x ≤ g y", "exact mono_of hg hxy"),
        (MONO, "g : ℕ → ℕ\nhxy : x ≤ y\n⊢ g x ≤ g y", "refine mono_of ?_ hxy"),
        (CANCEL, "x y : G\n⊢ x * y * y⁻¹ = x", "exact my_cancel _ _"),
        (CANCEL, "x y z : G\n⊢ z + x * y * y⁻¹ = x", "rw [my_cancel]"),
        (CANCEL, "x y z : G\nh : x * y * y⁻¹ = z\n⊢ P z", "rw [my_cancel] at h"),
        (IFF, "h : y ∈ t.base\n⊢ y ∈ t.closed", "rw [Foo.mem_iff]"),
        (IFF, "h : y ∈ t.base\n⊢ y ∈ t.closed", "exact Foo.mem_iff.2 h"),
        (IMPLIES, "y : ℝ\nhy : 1 < y\n⊢ 0 < log y", "exact pos_of _ hy"),
        (EXISTS, "h : Odd m\n⊢ False", "obtain ⟨x, hx⟩ := has_root h"),
    ],
)
def test_forms_by_shape(statement: Statement, goal: str, wanted: str) -> None:
    assert wanted in forms(statement, goal)


def test_what_fits_nowhere_gives_no_step() -> None:
    assert forms(CANCEL, "p : Prop\n⊢ p ∨ p") == []
    assert forms(IFF, "⊢ Continuous f") == []


def test_the_name_is_written_as_it_is_told() -> None:
    goal = "h : y ∈ t.base\n⊢ y ∈ t.closed"
    assert all("Foo." not in tactic for tactic in forms(IFF, goal, "mem_iff"))


def test_a_hypothesis_fills_one_argument_and_inaccessible_ones_fill_none() -> None:
    goal = "hX : Measurable X\nh✝ : Measurable Y\n⊢ Measurable (X + Y)"
    assert "refine Measurable.add hX ?_" in forms(ADD, goal)


def test_what_variables_stand_for_decides_which_hypothesis_fits() -> None:
    le = Statement("le_step", "theorem", "(h₁ : a ≤ b) (h₂ : b ≤ c)", "a ≤ c")
    goal = "h : y ≤ z\nh' : x ≤ y\nh'' : u ≤ v\n⊢ x ≤ z"
    assert "exact le_step h' h" in forms(le, goal)
