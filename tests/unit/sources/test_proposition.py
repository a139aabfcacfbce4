"""The outer form of propositions and terms, read as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstep.lean_text.statements import Statement
from llmstep.prompts.goal import parse_goal
from llmstep.sources.feasibility import is_impossible
from llmstep.sources.goal_view import view_goal
from llmstep.sources.local_steps import local_steps
from llmstep.sources.premise_steps import premise_steps
from llmstep.sources.proposition import head_of, read_proposition, split_term
from llmstep.sources.statement_features import goal_query, statement_features

LEAN = st.text(alphabet="∀∃→↔∧∨¬=≤<∈∑∏∫fun=>λ,.()[]{}⟨⟩:|⁻¹'ᶜxyhabFG 01+*-/^•⊢\n", max_size=60)


@pytest.mark.parametrize(
    ("text", "relation", "left", "right"),
    [
        ("a * b ≤ a * c", "≤", "a * b", "a * c"),
        ("∑ i ∈ s, f i ≤ ∑ i ∈ s, g i", "≤", "∑ i ∈ s, f i", "∑ i ∈ s, g i"),
        ("Tendsto (fun x => C * f x) l atBot", "", "Tendsto (fun x => C * f x) l atBot", ""),
        ("a ∈ s ↔ b = c ∧ d", "↔", "a ∈ s", "b = c ∧ d"),
        ("∃ c, b = a * c", "∃", "c", "b = a * c"),
        ("∀ᵐ x ∂μ, f x = g x", "∀ᵐ", "x ∂μ", "f x = g x"),
        ("¬ a < b", "¬", "a < b", ""),
        ("((a = b))", "=", "a", "b"),
    ],
)
def test_the_relation_and_its_sides(text: str, relation: str, left: str, right: str) -> None:
    read = read_proposition(text)
    assert (read.relation, read.left, read.right) == (relation, left, right)


def test_binders_and_assumptions_are_taken_off() -> None:
    read = read_proposition("∀ x : ℝ, 0 < x → ∀ y ∈ s, f x = g (x + y)")
    assert read.bound == ("x", "y")
    assert read.assumptions == ("0 < x",)
    assert read.conclusion == "f x = g (x + y)"


@pytest.mark.parametrize(
    ("term", "head", "inside"),
    [
        ("a * b + c", "+", ("a * b", "c")),
        ("f x (g y)", "f", ("x", "(g y)")),
        ("s.card", "card", ("s",)),
        ("Finset.card s", "card", ("s",)),
        ("(f '' s).Finite", "Finite", ("(f '' s)",)),
        ("x⁻¹", "⁻¹", ("x⁻¹",)),
        ("x", "x", ()),
    ],
)
def test_what_a_term_is_applied_to(term: str, head: str, inside: tuple[str, ...]) -> None:
    assert head_of(term) == head
    found, terms = split_term(term)
    assert found == head
    if head != "⁻¹":
        assert terms == inside


@given(LEAN, LEAN, LEAN)
def test_any_text_can_be_read(target: str, hypothesis: str, other: str) -> None:
    goal = parse_goal(f"h : {hypothesis}\nx y : α\n⊢ {target}")
    view = view_goal(goal)
    statement = Statement("Foo.bar", "theorem", f"(h : {hypothesis}) {other}", other)
    statement_features(statement.name, statement.conclusion)
    goal_query(goal)
    for step in (*premise_steps(statement, "bar", view), *local_steps(view)):
        assert step.tactic.strip()
        assert 0 <= step.fit <= 1
    for tactic in ("intro", "ext x", "positivity", "exact x", "unfold y", ""):
        is_impossible(tactic, view)
