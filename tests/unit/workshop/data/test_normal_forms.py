from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstep_workshop.data.normal_forms import read_goal, scan_statements

SAME = [
    (
        "x y : ℤ\nh₀ : 0 < y\nh₁ : y < x\nh₂ : x + y + x * y = 80\n⊢ x = 26",
        "theorem p10 (a b : Int) (h : 0 < b) (k : b<a)\n"
        "  (l : a + b + (a * b) = 80) : a = 26 := by",
    ),
    ("⊢ ∀ (a b : Nat), a < b → a ≤ b", "lemma l {p q : ℕ} (hpq : p < q) : p ≤ q := by omega"),
    (
        "f : ℝ → ℝ\nh : ∀ (x : ℝ), f x = √x + 1\n⊢ ∃ x, f x = 3",
        "example (g : ℝ → ℝ) (hg : ∀ t, g t = Real.sqrt (t : ℝ) + (1:ℝ)) : ∃ z : ℝ, g z = 3 := by",
    ),
    ("⊢ ∑ k ∈ Finset.range 10, k = 45", "theorem s : (∑ i in Finset.range 10, i) = 45 := by"),
    (
        "α : Type u_1\ninst✝ : Ring α\na : α\nh : a✝ = a\n⊢ a = a",
        "theorem s {β : Type*} [Ring β] (b : β) (hb : a_x = b) : b = b := rfl",
    ),
    ("n : ℕ\n⊢ (fun x => x + n) 1 = 1 + n", "theorem q (m : ℕ) : (fun y ↦ y + m) 1 = 1 + m :="),
    ("n : ℕ\nh : n ! = 6\n⊢ n = 3", "theorem q (m : ℕ) (h : m ! = 6) : m = 3 := by sorry"),
    ("case left\np q : Prop\n⊢ p ∨ q", "theorem q /- note -/ (a b : Prop) -- more\n : a ∨ b := h"),
]


@pytest.mark.parametrize(("goal", "source"), SAME)
def test_the_printed_and_the_written_statement_are_one(goal: str, source: str) -> None:
    written = next(iter(scan_statements(source)))
    assert read_goal(goal).normal_form() == written.normal_form()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a b : ℕ\n⊢ a + b = b + a", "a b : ℝ\n⊢ a + b = b + a"),
        ("a b : ℕ\n⊢ a + b = b + a", "a b : ℕ\n⊢ a + b = a + b"),
        ("a b : ℕ\nh : a < b\n⊢ a ≤ b", "a b : ℕ\n⊢ a ≤ b"),
        ("p q : Prop\n⊢ p → q", "p q : Prop\n⊢ q → p"),
        ("⊢ ∃ x, x = 2", "⊢ ∃ x, x = 3"),
        ("⊢ ∀ x ∈ s, x = 2", "⊢ ∀ x, x = 2"),
        ("p q r : Prop\n⊢ p ↔ q → r", "p q r : Prop\nh : p ↔ q\n⊢ r"),
    ],
)
def test_what_says_something_else_is_another(one: str, other: str) -> None:
    assert read_goal(one).normal_form() != read_goal(other).normal_form()


def test_the_statements_of_a_file() -> None:
    source = """
import Mathlib
open Nat
/-- a doc comment with theorem fake : False := by -/
theorem first (a : ℕ) : a = a := by
  have : a = a := rfl
  exact this
@[simp] lemma second {p : Prop} [Decidable p] (h : p := by trivial) : p := h
example : 1 + 1 = 2 := rfl
def f : ℕ → ℕ := fun x => x
theorem third : ∀ x : ℕ, f x = x
  | x => rfl
"""
    found = list(scan_statements(source))
    assert [statement.name for statement in found] == ["first", "second", "", "third"]
    assert found[1].binders == (("p", ("Prop",)), ("", ("Decidable", "p")), ("h", ("p",)))
    assert found[2].target == ("1", "+", "1", "=", "2")


def test_a_skeleton_forgets_names_numbers_types_and_order() -> None:
    one = read_goal("a b : ℕ\nh : a < 3\nk : b = 2\n⊢ a + b < 5")
    other = read_goal("x y : Int\nk : y = 77\nh : x < 10\n⊢ x + y < 90")
    assert one.skeleton() == other.skeleton()
    assert one.skeleton() != read_goal("a b : ℕ\nh : a < 3\n⊢ a + b < 5").skeleton()


@given(st.text(alphabet="ab ():→∀∃,.=⊢\n∧fun⟨⟩{}[]✝1:h", max_size=60))
def test_any_text_has_a_normal_form(text: str) -> None:
    assert "⊢" in read_goal(text).normal_form()
    for statement in scan_statements(f"theorem t {text}"):
        assert statement.skeleton()
