"""Where a step can begin, by the layout of the text alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstep.lean_text.blocks import BlockPlace, read_blocks

HEAD = "theorem t (n : Nat) (h : p ∧ q) : a := by\n"


def blocks(text: str) -> BlockPlace:
    """The blocks at the end of a proof."""
    return read_blocks(HEAD + text)


@pytest.mark.parametrize(
    "text",
    [
        "  ",
        "  simp\n  ",
        "  simp; ",
        "  constructor <;> ",
        "  · ",
        "  constructor\n  · simp\n  · ",
        "  constructor\n  · simp\n    ",
        "  all_goals try ",
        "  first | simp | ",
        "  first\n  | simp\n  | ",
        "  (",
        "  (simp\n   ",
        "  case left => ",
        "  case left =>\n    ",
        "  next h => ",
        "  cases h with\n  | inl h => ",
        "  cases h with\n  | inl h =>\n    simp\n    ",
        "  cases h with\n  | inl h => simp\n  | inr h => ",
        "  cases h with | inl h => simp | inr h => ",
        "  induction n with\n  | zero => simp\n  | succ n ih =>\n    ",
        "  match n with\n  | 0 => ",
        "  have h : b := by\n    ",
        "  have h : b := by ",
        "  have h : b := by\n    simp\n    ",
        "  have h : b := by\n    simp\n  ",
        "  have h : b := by simp\n  ",
        "  exact foo (by ",
        "  exact foo (by simp) (by ",
        "  exact ⟨by simp, by ",
        "  if h : p then ",
        "  if h : p then simp else ",
        "  calc a = b := by simp\n    _ = c := by ",
        "  simp -- by hand\n  ",
        "  /- simp -/\n  ",
        "  rw [foo\n  ",  # the bracket was forgotten
    ],
)
def test_a_step_can_begin(text: str) -> None:
    found = blocks(text)
    assert found.begins_step
    assert not found.may_be_term
    assert found.in_proof


@pytest.mark.parametrize(
    "text",
    [
        "  exact ",
        "  exact (",
        "  simp [foo, ",
        "  rw [← ",
        "  rw [foo] at ",
        "  have h : ",
        "  have h : b := ",
        "  have h : b :=\n    ",
        "  intro ",
        "  exact fun x => ",
        "  exact match n with | 0 => ",
        "  refine ⟨?_, ",
        "  simpa using ",
        "  induction n with\n  | ",
        "  cases h with ",
        "  conv => ",
        "  constructor\n    ",
        "  calc a = ",
        "  show ",
        "  if h : ",
        "  exact foo <| ",
        "  rcases h with ⟨",
    ],
)
def test_in_a_step_none_begins_but_it_is_a_proof(text: str) -> None:
    found = blocks(text)
    assert not found.begins_step
    assert found.in_proof


@pytest.mark.parametrize(
    "text",
    [
        "theorem t (",
        "theorem t (h : ",
        "theorem t : ",
        "theorem ",
        "def x : Nat := ",
        "def x : Nat :=\n  ",
        "def x : Nat :=\n  let y := 1\n  ",
        "def f : Nat → Nat\n  | 0 => ",
        "def f (n : Nat) : Nat := match n with\n  | 0 => ",
        "variable (",
        "structure S where\n  ",
        "example : a := fun x => ",
        "open ",
        "#check ",
        "instance : Foo where\n  bar := ",
        HEAD + "  simp\n\n",
        HEAD + "  simp\n",
        "theorem t : a := foo (by simp) ",
        "theorem t : a := by simp\n",
        "def x := do\n  ",
    ],
)
def test_outside_of_proofs_none_begins(text: str) -> None:
    found = read_blocks(text)
    assert not found.begins_step
    assert not found.in_proof


def test_names_that_are_bound_are_told_from_those_that_are_meant() -> None:
    for text in (
        *(
            "  intro ",
            "  rintro ⟨x, ",
            "  have ",
            "  obtain ⟨x, ",
            "  exact fun ",
            "  exact fun x ",
        ),
        *("  cases h with\n  | ", "  rcases h with ⟨", "  case ", "  next ", "  have h : ∀ "),
    ):
        assert blocks(text).binds, text
    for text in (
        *("  exact ", "  have h : ", "  have := ", "  obtain ⟨x, hx⟩ := ", "  exact fun x => "),
        *("  cases ", "  rcases ", "  have h : ∀ x, ", "  simp [", "  rw [foo] at "),
    ):
        assert not blocks(text).binds, text


def test_the_steps_above_are_found_block_by_block() -> None:
    text = HEAD + "  intro x\n  constructor\n  · simp\n  · rw [foo]\n    "
    outer, inner = read_blocks(text).blocks
    assert [text[a:b].strip() for a, b in outer.steps] == ["intro x", "constructor", "· simp"]
    assert [text[a:b].strip() for a, b in inner.steps] == ["rw [foo]"]
    assert (outer.opener, inner.opener, outer.head) == ("by", "·", "·")


def test_the_inside_of_a_block_can_be_read_alone() -> None:
    assert read_blocks("  | zero => ", inside=True).may_be_term
    assert read_blocks("  | zero => simp\n  | succ n ih =>\n    ", inside=True).begins_step
    assert not read_blocks("  exact fun x => ", inside=True).begins_step


@given(st.text("ab|·(){}[]⟨⟩\"-/ \nby:=>';,", max_size=80))
def test_no_text_is_too_strange(text: str) -> None:
    for inside in (False, True):
        found = read_blocks(text, inside=inside)
        assert isinstance(found.begins_step, bool)
        assert isinstance(found.binds, bool)
