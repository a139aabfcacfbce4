"""Terms read from source text and printed as Lean prints them."""

from __future__ import annotations

import pytest

from llmstep_workshop.data.reconstruction.known_types import KnownTypes, elaborate
from llmstep_workshop.data.reconstruction.printing import print_term
from llmstep_workshop.data.reconstruction.substitution import replace_name
from llmstep_workshop.data.reconstruction.term_reader import read_term
from llmstep_workshop.data.reconstruction.terms import Atom, Infix, Raw


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("(p ∧ q) ∨ r", "p ∧ q ∨ r"),
        ("p ∧ (q ∨ r)", "p ∧ (q ∨ r)"),
        ("p → (q → r)", "p → q → r"),
        ("(p → q) → r", "(p → q) → r"),
        ("¬ (a = b)", "¬a = b"),
        ("¬ (p ∧ q)", "¬(p ∧ q)"),
        ("¬ (p → q) ∨ r", "¬(p → q) ∨ r"),
        ("(¬ p) = q", "(¬p) = q"),
        ("(f m n) = n", "f m n = n"),
        ("0 + (n + 1)", "0 + (n + 1)"),
        ("(a + b) + c", "a + b + c"),
        ("a - (b - c)", "a - (b - c)"),
        ("(∃ x, p x) → ∃ x, q x", "(∃ x, p x) → ∃ x, q x"),
        ("(∀ x, p x) ∧ r", "(∀ x, p x) ∧ r"),
        ("∃ x, ∃ y, x = y", "∃ x y, x = y"),
        ("f (fun x => x) y", "f (fun x => x) y"),
        ("f (fun x ↦ x)", "f fun x => x"),
        ("f <| g x", "f (g x)"),
        ("Decidable (¬ p)", "Decidable ¬p"),
        ("f (-x)", "f (-x)"),
        ("x⁻¹*(y⁻¹)", "x⁻¹ * y⁻¹"),
        ("{x : α | p x} ⊆ s", "{x | p x} ⊆ s"),
        ("∑ i ∈ range n, (f i) = m", "∑ i ∈ range n, f i = m"),
        ("l (⨆ (i) (j), f i j)", "l (⨆ i, ⨆ j, f i j)"),
        ("f ⟨0, by simp⟩ = 1", "f ⟨0, ⋯⟩ = 1"),
        ("IsChain (· ≤ ·) s", "IsChain (fun x1 x2 => x1 ≤ x2) s"),
        ("M →ₗ[R] (N →ₗ[R] P)", "M →ₗ[R] N →ₗ[R] P"),
        ("f^[n] x", "f^[n] x"),
        ("(if p then a else b) = c", "(if p then a else b) = c"),
        ("(n.succ).succ", "n.succ.succ"),
        ("∀ (h : a < b) (x : ℕ), x = x", "a < b → ∀ (x : ℕ), x = x"),
        ("∀ x : α, ∀ y : α, r x y", "∀ (x y : α), r x y"),
        ("-- what\n  a  =  b", "a = b"),
    ],
)
def test_brackets_stand_where_the_precedences_ask_for_them(text: str, printed: str) -> None:
    term = read_term(text)
    assert not isinstance(term, Raw)
    known = KnownTypes()
    assert print_term(elaborate(term, known)) == printed
    # What is printed means the same.
    assert print_term(elaborate(read_term(printed), known)) == printed


KNOWN = KnownTypes(
    {
        "p": read_term("Nat → Prop"),
        "n": Atom("ℕ"),
        "x": Atom("ℝ"),
        "s": read_term("Set ℝ"),
        "f": read_term("α → β"),
    },
    opened=("Nat",),
)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("∀ k, p (succ k)", "∀ (k : Nat), p k.succ"),
        ("p (Nat.succ (n + 1))", "p (n + 1).succ"),
        ("(n : ℝ) < x", "↑n < x"),
        ("x + n < 2 * n", "x + ↑n < 2 * ↑n"),
        ("x ^ n = n", "x ^ n = ↑n"),
        ("((n + 1 : ℕ) : ℝ) = x", "↑(n + 1) = x"),
        ("(1 : ℝ) / 2 < x", "1 / 2 < x"),
        ("∃ y ∈ s, y < n", "∃ y ∈ s, y < ↑n"),
        ("∀ a b, f a = f b", "∀ (a b : α), f a = f b"),
        ("∃ y : ℝ, y ∈ s", "∃ y, y ∈ s"),
    ],
)
def test_types_are_shown_where_lean_shows_them(text: str, printed: str) -> None:
    assert print_term(elaborate(read_term(text), KNOWN)) == printed


@pytest.mark.parametrize("text", ["let x := 1; x", "a = ", "f (a", "if p then a", "«", ""])
def test_text_of_unknown_form_stays_text(text: str) -> None:
    assert read_term(text) == Raw(" ".join(text.split()))


def test_a_name_is_replaced_where_it_is_free() -> None:
    term = read_term("n = m ∧ (∀ n, n = n) ∧ n.succ = 0")
    value = Infix("+", Atom("k"), Atom("1"))
    shown = print_term(replace_name(term, "n", value))
    assert shown == "k + 1 = m ∧ (∀ n, n = n) ∧ (k + 1).succ = 0"


def test_deep_text_ends() -> None:
    assert isinstance(read_term("(" * 5000), Raw)
    assert isinstance(read_term("¬" * 5000 + "p"), Raw)
    assert isinstance(read_term(" + ".join("a" * 5000)), Raw)
    assert isinstance(read_term("x" + ".1" * 5000), Raw)


def test_long_text_is_printed() -> None:
    for text in (" + ".join("a" * 190), " ∧ ".join("p" * 55), "x" + ".left" * 150):
        assert print_term(elaborate(read_term(text), KnownTypes())) == text
