"""Which names of two goals play the same role."""

from __future__ import annotations

from llmstep.prompts.goal import parse_goal
from llmstep.sources.features import goal_roles

GOAL = "f : ℕ → ℝ\na b c : ℕ\nhf : Monotone f\nhab : a < b\nhbc : b < c\n⊢ f b ≤ f c"


def test_a_role_is_the_form_of_the_type_and_the_turn_of_being_mentioned() -> None:
    roles = goal_roles(parse_goal(GOAL))
    assert len(set(roles.values())) == len(roles) == 7
    other = "g : Nat → Real\nz y x : Nat\nh : Monotone g\nh₁ : z < x\nh₂ : x < y\n⊢ g x ≤ g y"
    pairs = {"f": "g", "b": "x", "c": "y", "a": "z", "hf": "h", "hab": "h₁", "hbc": "h₂"}
    assert goal_roles(parse_goal(other)) == {pairs[name]: role for name, role in roles.items()}


def test_another_form_is_another_role() -> None:
    roles = goal_roles(parse_goal(GOAL))
    changed = goal_roles(parse_goal(GOAL.replace("a < b", "a ≤ b")))
    assert {name for name in roles if changed[name] != roles[name]} == {"hab", "hbc"}


def test_names_of_variables_and_universes_make_no_form() -> None:
    one = goal_roles(parse_goal("α : Type u_1\nh : ∀ (x : α), P x → x = x\n⊢ False"))
    two = goal_roles(parse_goal("β : Type u_7\nh : ∀ (y : β), P y → y = y\n⊢ False"))
    assert list(one.values()) == list(two.values())
    field = goal_roles(parse_goal("s : Finset ℕ\nh : s.card = 0\n⊢ False"))
    assert field["h"] == goal_roles(parse_goal("t : Finset ℕ\nh : t.card = 0\n⊢ False"))["h"]
    assert field["h"] != goal_roles(parse_goal("t : Finset ℕ\nh : t.sup = 0\n⊢ False"))["h"]


def test_a_goal_without_hypotheses_has_no_roles() -> None:
    assert goal_roles(parse_goal("⊢ True")) == {}
