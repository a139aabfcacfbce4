"""Closers by the shape of the goal."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmstep.errors import ModelFileError
from llmstep.prompts.goal import parse_goal
from llmstep.sources.portfolio import (
    MATHLIB_TACTICS,
    Closer,
    Portfolio,
    goal_traits,
    imports_core_only,
    load_portfolio,
)


def best(goal: str, count: int) -> set[str]:
    odds = load_portfolio().choose(parse_goal(goal))
    return set(sorted(odds, key=lambda tactic: -odds[tactic])[:count])


@pytest.mark.parametrize(
    ("goal", "closer"),
    [
        ("a b c : ℕ\nh : a < b\n⊢ a < b + c", "omega"),
        ("x y : ℝ\nh₁ : x < y\nh₂ : y < 3\n⊢ x < 3", "linarith"),
        ("n : ℕ\n⊢ n = n", "rfl"),
        ("x : ℝ\n⊢ 0 ≤ x ^ 2 + 1", "positivity"),
        ("a b : ℤ\n⊢ (a + b) ^ 2 = a ^ 2 + 2 * a * b + b ^ 2", "ring"),
    ],
)
def test_the_learned_weights_know_the_obvious(goal: str, closer: str) -> None:
    assert closer in best(goal, 4)


def test_log_odds_add_up() -> None:
    closer = Closer("omega", -2.0, {"type Nat": 1.5, "relation <": 0.25})
    assert closer.log_odds({"type Nat", "relation <", "short"}) == -0.25
    assert Portfolio((closer,)).choose(parse_goal("⊢ p")) == {"omega": -2.0}


def test_traits_speak_of_target_types_and_facts() -> None:
    traits = goal_traits(parse_goal("n m : ℕ\ns : Finset ℤ\nh : n ∣ m\n⊢ n ≤ 12 * m ∧ True"))
    assert {"type Nat", "type Int", "type Finset", "given ∣", "relation ≤"} <= traits
    assert {"target ∧", "target numeral", "target True", "few facts", "variables"} <= traits


def test_a_fact_that_is_the_target_is_seen() -> None:
    assert "given target" in goal_traits(parse_goal("p : Prop\nhp : p\n⊢ p"))
    assert "given target" not in goal_traits(parse_goal("p q : Prop\nhp : p\n⊢ q"))


def test_no_hypotheses_and_any_text_have_traits_too() -> None:
    assert {"no variables", "no facts"} <= goal_traits(parse_goal("⊢ 1 + 1 = 2"))
    assert goal_traits(parse_goal("???"))


@pytest.mark.parametrize(
    ("text", "core"),
    [
        ("import LLMstep\n", True),
        ("import Lean.Elab\nimport Std.Data.HashMap\n", True),
        ("public meta import Lean\n", True),
        ("import Mathlib.Tactic\nimport LLMstep\n", False),
        ("import MyProject.Basic\n", False),
        ("theorem t : p := by\n", False),
        ("", False),
    ],
)
def test_imports_tell_whether_mathlib_is_out_of_reach(text: str, core: bool) -> None:
    assert imports_core_only(text) is core


def test_mathlibs_tactics_are_known() -> None:
    assert {"linarith", "ring", "positivity", "use", "norm_num"} <= MATHLIB_TACTICS
    assert not {"omega", "simp", "rfl", "constructor", "rcases", "decide"} & MATHLIB_TACTICS


@pytest.mark.parametrize(
    "text", ['{"closers": [{"tactic": 1}]}', '{"closers": 3}', "[]", "nonsense"]
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "portfolio.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ModelFileError, match=str(path)):
        load_portfolio(path)
