"""Steps that cannot run take no place; what may run is left alone."""

from __future__ import annotations

import pytest

from llmstep.prompts.goal import parse_goal
from llmstep.sources.feasibility import is_impossible
from llmstep.sources.goal_view import view_goal

IMPOSSIBLE = [
    ("a = b", ["intro h", "constructor", "left", "use 1", "swap", "positivity", "classical"]),
    ("a ≤ b", ["ext x", "symm", "exists 0"]),
    ("x ∈ s", ["ext y", "symm"]),
    ("a < b", ["rfl", "constructor", "funext x"]),
    ("∃ x, P x", ["rfl", "intro x", "right"]),
    ("p ∧ q", ["left", "rfl", "fun_prop"]),
    ("a ≤ b", ["positivity", "measurability", "unfold foo"]),
]
POSSIBLE = [
    ("∀ x, P x", ["intro x", "rintro y"]),
    ("¬p", ["intro h"]),
    ("p → q", ["intro h"]),
    ("s ⊆ t", ["intro x hx"]),
    ("Function.Injective f", ["intro a b h", "unfold Function.Injective"]),
    ("f = g", ["ext x", "funext x", "rfl", "symm"]),
    ("a ≤ a", ["rfl"]),
    ("p ∧ q", ["constructor"]),
    ("p ∨ q", ["left", "right"]),
    ("0 < a * b", ["positivity"]),
    ("a ≠ 0", ["positivity", "intro h"]),
    ("Measurable (f + g)", ["fun_prop", "measurability"]),
    ("∃ x, P x", ["use 1", "constructor"]),
    ("a = b", ["classical simp", "simp", "unfold foo at h"]),
]


@pytest.mark.parametrize(("target", "tactics"), IMPOSSIBLE)
def test_what_cannot_run_is_told(target: str, tactics: list[str]) -> None:
    view = view_goal(parse_goal(f"a b : α\n⊢ {target}"))
    assert [tactic for tactic in tactics if not is_impossible(tactic, view)] == []


@pytest.mark.parametrize(("target", "tactics"), POSSIBLE)
def test_what_may_run_is_left_alone(target: str, tactics: list[str]) -> None:
    view = view_goal(parse_goal(f"a b : α\n⊢ {target}"))
    assert [tactic for tactic in tactics if is_impossible(tactic, view)] == []


def test_a_proposition_is_no_proof_of_itself() -> None:
    view = view_goal(parse_goal("p : Prop\nhp : p\n⊢ p"))
    assert is_impossible("exact p", view)
    assert not is_impossible("exact hp", view)


def test_without_a_goal_nothing_is_ruled_out() -> None:
    assert not is_impossible("intro h", view_goal(parse_goal("")))
