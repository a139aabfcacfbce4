from __future__ import annotations

import contextlib
import time

import pytest

from llmstep.errors import InvalidParamsError
from llmstep.prompts.stated_goal import EXAMPLE, read_stated_goal


@pytest.mark.parametrize(
    ("text", "goal"),
    [
        ("n : ℕ\n⊢ n = n", "n : ℕ\n⊢ n = n"),
        ("n : Nat\n|- n = n", "n : Nat\n⊢ n = n"),
        ("h : a |- b", "h : a ⊢ b"),
        ("h : a ∣ b\n  |- c", "h : a ∣ b\n  ⊢ c"),
        (EXAMPLE, EXAMPLE),
        # A bar and a minus that are no turnstile.
        ("h : |-x| = x\n⊢ True", "h : |-x| = x\n⊢ True"),
        ("⊢ ∃ example : ℕ, example = 1", "⊢ ∃ example : ℕ, example = 1"),
    ],
)
def test_a_state_is_taken_as_it_is(text: str, goal: str) -> None:
    assert read_stated_goal(text).text == goal
    assert read_stated_goal(text).note == ""


@pytest.mark.parametrize(
    ("text", "goal"),
    [
        (
            "theorem foo (a b : ℕ) (h : a < b) : a ≤ b := by sorry",
            "a b : ℕ\nh : a < b\n⊢ a ≤ b",
        ),
        ("lemma x (p q : Prop) (hp : p) : p ∨ q", "p q : Prop\nhp : p\n⊢ p ∨ q"),
        ("example : 1 + 1 = 2 := by\n  sorry", "⊢ 1 + 1 = 2"),
        (
            "@[simp] private theorem t {G : Type*} [Group G] (a : G) : a * 1 = a := by\n  simp",
            "G : Type*\ninst✝ : Group G\na : G\n⊢ a * 1 = a",
        ),
        ("variable (n : ℕ)\n\ntheorem t (h : n = 1) : n ≠ 0 := by", "n : ℕ\nh : n = 1\n⊢ n ≠ 0"),
        ("theorem t : ∀ x : ℕ, x = x :=\n  fun _ => rfl", "⊢ ∀ x : ℕ, x = x"),
        (
            "import Mathlib\ntheorem a : True := trivial\ntheorem b : 1 = 1 := by sorry",
            "⊢ 1 = 1",
        ),
    ],
)
def test_a_statement_becomes_its_goal_and_this_is_said(text: str, goal: str) -> None:
    stated = read_stated_goal(text)
    assert stated.text == goal
    assert "taken for the goal" in stated.note


@pytest.mark.parametrize("text", ["hello", "simp [foo]", "theorem", "h : p", "2 + 2 = 4"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidParamsError, match="this is no goal") as caught:
        read_stated_goal(text)
    assert "⊢ n ≠ 0" in caught.value.hint
    assert "theorem t" in caught.value.hint


@pytest.mark.parametrize("line", ["word " * 40, "@[a] " * 40, "a\n", "|-", "theorem \n"])
def test_the_time_it_takes_grows_no_faster_than_the_text(line: str) -> None:
    def seconds(times: int) -> float:
        text, begin = line * times, time.process_time()
        with contextlib.suppress(InvalidParamsError):
            read_stated_goal(text)
        return time.process_time() - begin

    short = min(seconds(400) for _ in range(3))
    long = min(seconds(1600) for _ in range(3))
    assert long < 0.05 or long < 12 * short
