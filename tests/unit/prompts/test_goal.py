"""Goals: their parts, and trimming to a token budget."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstep.errors import PromptTooLongError
from llmstep.prompts.goal import clean_text, parse_goal, split_goals, trim_goal
from llmstep.service.question import SuggestRequest

# Goals in Lean's layout, after Mathlib (Apache-2.0).
GROUP = """case intro.intro
G : Type u_1
inst✝¹ : Group G
H : Subgroup G
inst✝ : Normal H
n : ℕ
h : lowerCentralSeries G n ≤ center G
y : G
hy1 : y ∈ lowerCentralSeries G n
z : G
⊢ y * z * y⁻¹ * z⁻¹ = 1"""
MULTI_LINE = """J : Type v
X Y Z : TopCat
f : X ⟶ Z
x : ConcreteCategory.forget.obj
    (pullback f g)
d : X → ℝ := fun x =>
  0
⊢ ↑((forget TopCat).map (pullbackIsoProdSubtype f g).hom x) =
    ↑{ val := ((forget TopCat).map pullback.fst x,
        property := ⋯ }"""
REAL = (
    GROUP,
    MULTI_LINE,
    "⊢ 2 = 2",
    "case h\n⊢ p",
    "f : Bool → Bool → Bool\nh : f false false = false\nm : ℕ\n⊢ m = bif f true true then m else 0",
    "α : Type u_2\nβ✝ : Type ?u.393825\nm : MeasurableSpace α\nμ : Measure α\n⊢ μ ∅ = 0",
    "x y : ℝ\nh₀ : x ≠ 0\nh₁ : 2 * x = 5 * y\n⊢ 5 * y = 2 * x",
    "p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q",
    "x a b : Nat\n| a + b",
)


def count(text: str) -> int:
    """Words and single symbols: a tokenizer that is easy to check by hand."""
    return len(re.findall(r"\w+|[^\w\s]", text))


class Counting:
    """A tokenizer that remembers how much it was asked."""

    def __init__(self) -> None:
        self.characters = 0

    def __call__(self, text: str) -> int:
        self.characters += len(text)
        return count(text)


@pytest.mark.parametrize("goal", REAL)
def test_a_parsed_goal_renders_as_it_was(goal: str) -> None:
    assert parse_goal(goal).render() == goal


def test_parts_of_a_goal() -> None:
    goal = parse_goal(MULTI_LINE)
    assert [h.names for h in goal.hypotheses] == [("J",), ("X", "Y", "Z"), ("f",), ("x",), ("d",)]
    assert goal.hypotheses[3].text == "x : ConcreteCategory.forget.obj\n    (pullback f g)"
    assert goal.target.count("\n") == 2
    assert parse_goal(GROUP).case == "case intro.intro"
    assert parse_goal("x : ℕ\n| a + b").target == "| a + b"


def test_continuation_lines_that_lost_their_indentation_still_belong_to_their_hypothesis() -> None:
    goal = parse_goal("k : ℕ\nh :\nfoo (a, b) ≤\nbar\nn : ℕ\n⊢ p")
    assert [h.text for h in goal.hypotheses] == ["k : ℕ", "h :\nfoo (a, b) ≤\nbar", "n : ℕ"]


def test_any_text_is_a_target() -> None:
    assert parse_goal("n + 0 = n").target == "n + 0 = n"
    assert parse_goal("").render() == ""


def test_split_goals() -> None:
    state = f"{GROUP}\n\ncase b\nn : ℕ\n⊢ p\n\n⊢ q\n"
    assert split_goals(state) == [GROUP, "case b\nn : ℕ\n⊢ p", "⊢ q"]
    assert split_goals("h : a\n\nn : ℕ\n⊢ p") == ["h : a\nn : ℕ\n⊢ p"]
    assert split_goals("  ") == []


@pytest.mark.parametrize(
    "header", ["2 goals", "1 goal", "unsolved goals", "error: Basic.lean:3:35: unsolved goals"]
)
def test_what_stands_over_the_goals_is_none(header: str) -> None:
    assert split_goals(f"{header}\n{GROUP}\n\n⊢ q") == [GROUP, "⊢ q"]


@pytest.mark.parametrize("goal", REAL)
def test_a_goal_that_fits_is_not_changed(goal: str) -> None:
    trimmed = trim_goal(goal, count(goal), count)
    assert (trimmed.text, trimmed.dropped) == (goal, ())


def test_what_speaks_of_the_target_stays_before_the_rest() -> None:
    trimmed = trim_goal(GROUP, 33, count)
    assert trimmed.text == (
        "y : G\nhy1 : y ∈ lowerCentralSeries G n\nz : G\n⊢ y * z * y⁻¹ * z⁻¹ = 1"
    )
    assert trimmed.dropped == ("case", "G", "inst✝¹", "H", "inst✝", "n", "h")


def test_instances_go_first_and_the_nearer_hypothesis_stays() -> None:
    goal = "inst✝ : Foo a\nh₁ : b = c\nh₂ : b = d\n⊢ a = 0"
    assert trim_goal(goal, count(goal) - 1, count).dropped == ("inst✝",)
    assert trim_goal(goal, count(goal) - 6, count).dropped == ("inst✝", "h₁")


def test_hypotheses_stay_in_printed_order() -> None:
    trimmed = trim_goal(GROUP, 50, count)
    kept = trimmed.text.splitlines()
    assert [line for line in GROUP.splitlines() if line in kept] == kept


def test_a_target_that_is_too_long_is_cut_in_the_middle() -> None:
    goal = "h : p\n⊢ " + " + ".join(f"x{i}" for i in range(200))
    trimmed = trim_goal(goal, 30, count)
    assert trimmed.text.startswith("⊢ x0 + x1")
    assert trimmed.text.endswith("+ x199")
    assert " … " in trimmed.text
    assert trimmed.dropped == ("h", "⊢")
    assert 20 <= count(trimmed.text) <= 30


def test_no_room_at_all() -> None:
    with pytest.raises(PromptTooLongError, match="0 tokens"):
        trim_goal(GROUP, 0, count)


WORDS = st.sampled_from(["x", "y", "hx", "ℕ", "=", "≤", "(", ")", "foo.bar", "inst✝", "Type u_1"])
TYPES = st.lists(WORDS, min_size=1, max_size=8).map(" ".join)
HYPOTHESES = st.lists(
    st.tuples(st.sampled_from(["x", "y", "h", "inst✝¹", "a b c"]), TYPES), max_size=12
)


@st.composite
def goals(draw: st.DrawFn) -> str:
    lines = [f"{names} : {kind}" for names, kind in draw(HYPOTHESES)]
    if draw(st.booleans()):
        lines.insert(0, "case foo.bar")
    return "\n".join([*lines, f"⊢ {draw(TYPES)}"])


@given(st.one_of(goals(), st.sampled_from(REAL)), st.integers(3, 120))
def test_properties_of_trimming(goal: str, budget: int) -> None:
    trimmed = trim_goal(goal, budget, count)
    assert count(trimmed.text) <= budget
    again = trim_goal(trimmed.text, budget, count)
    assert (again.text, again.dropped) == (trimmed.text, ())
    whole, kept = parse_goal(goal), parse_goal(trimmed.text)
    entries = [h.text for h in whole.hypotheses]
    assert all(h.text in entries for h in kept.hypotheses)
    if "⊢" not in trimmed.dropped:
        assert kept.target == whole.target
        names = [name for h in whole.hypotheses for name in h.names]
        left = [name for h in kept.hypotheses for name in h.names]
        assert sorted([*left, *(n for n in trimmed.dropped if n != "case")]) == sorted(names)


@given(st.text(max_size=200), st.integers(3, 40))
def test_any_text_can_be_trimmed(text: str, budget: int) -> None:
    assert count(trim_goal(text, budget, count).text) <= budget


@pytest.mark.parametrize(
    "goal",
    [
        "\n".join(f"h{i} : x{i} < {i}" for i in range(60_000)) + "\n⊢ x5 < 7",
        "h : " + "a" * 1_000_000 + "\n⊢ p",
        "⊢ " + "a + b * " * 125_000,
        "⊢ " + "a" * 1_000_000,
        "x " * 500_000,
        "h :\n" + "  a\n" * 250_000 + "⊢ p",
    ],
)
def test_a_huge_goal_costs_the_tokenizer_little(goal: str) -> None:
    tokenizer = Counting()
    trimmed = trim_goal(goal, 500, tokenizer)
    assert count(trimmed.text) <= 500
    # The work that grows with a tokenizer's cost is bounded by the budget, not by the goal.
    assert tokenizer.characters < 200_000


def test_blanks_are_spaces_and_what_has_no_width_is_gone() -> None:
    pasted = "\ufeffn\u00a0:\u2009ℕ\u200b\r\nh\u3000: n\u202f= 1\r\u2060⊢\u00a0n = 1"
    assert clean_text(pasted) == "n : ℕ\nh : n = 1\n⊢ n = 1"
    assert split_goals(pasted) == ["n : ℕ\nh : n = 1\n⊢ n = 1"]
    assert SuggestRequest((pasted,)).goals == ("n : ℕ\nh : n = 1\n⊢ n = 1",)
    assert clean_text(GROUP) == GROUP


@pytest.mark.parametrize("header", ["2 goals", "1 goal:", "a: unsolved goals", "unsolved goals:"])
def test_a_header_is_none_of_the_goals(header: str) -> None:
    assert split_goals(f"{header}\n⊢ p\n\n{header}\n⊢ q") == ["⊢ p", "⊢ q"]
    assert split_goals(f"h : {header} x\n⊢ p") == [f"h : {header} x\n⊢ p"]
