from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstep.lean_text.place import Place


def place(text: str) -> Place:
    """The place of the first ``‸`` in a text."""
    before, _, after = text.partition("‸")
    lines = tuple((before + after).split("\n"))
    return Place(lines, before.count("\n"), len(before) - before.rfind("\n") - 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("‸", True),
        ("simp ‸", True),
        ("-- simp ‸", False),
        ("-- a\nsimp ‸", True),
        ("/- a\n ‸b -/", False),
        ("/- a /- b -/ ‸ -/", False),
        ("/- a /- b -/ -/ ‸", True),
        ("/- -- -/ ‸", True),
        ("/-- doc -/\n‸", True),
        ('"a‸"', False),
        ('"a -- b" ‸', True),
        ('"a\\"‸"', False),
        ('"/-" ‸', True),
        ("-- it's\n‸", True),
        ('"a"‸', True),
        ('"‸"', False),
        ("x /-‸", False),
        ("-‸", True),
        ("'\"' ‸", True),
        ("'\\\"' ‸", True),
    ],
)
def test_comments_and_strings_are_no_code(text: str, expected: bool) -> None:
    assert place(text).in_code() is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("theorem t : a := by‸", True),
        ("theorem t : a := by ‸", True),
        ("theorem t : a := by\n  ‸", True),
        ("theorem t : a := by\n\n  ‸", True),
        ("  by‸", True),
        ("exact (by‸", True),
        ("⟨by‸", True),
        ("goodby‸", False),
        ("by simp‸", False),
        ("by_cases‸", False),
        ("‸", False),
    ],
)
def test_ends_in_by(text: str, expected: bool) -> None:
    assert place(text).ends_in_by() is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("theorem t : a := by‸", True),
        ("theorem t : a := by‸\n\ntheorem u", True),
        ("theorem t : a := by‸\n  simp", False),
        ("theorem t : a := by\n  ‸\n  simp", False),
        ("theorem t : a := by‸ simp", False),
        ("  have h : a := by‸\n  simp", True),
        ("  have h : a := by‸\n    simp", False),
    ],
)
def test_proof_is_empty(text: str, expected: bool) -> None:
    assert place(text).proof_is_empty() is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("theorem t : a := ‸", {"term"}),
        ("theorem t : a :=\n  ‸", {"term"}),
        ("theorem t : a := by ‸", {"tactic"}),
        ("theorem t : a := by\n  ‸", {"tactic"}),
        ("  · ‸", {"tactic"}),
        ("  simp; ‸", {"tactic"}),
        ("exact ⟨h, ‸", {"term"}),
        ("exact f <| ‸", {"term"}),
        ("| zero => ‸", {"tactic", "term"}),
        ("  | succ n ih =>\n    ‸", {"tactic", "term"}),
        ("  first | ‸", {"tactic"}),
        ("  all_goals ‸", {"tactic"}),
        ("  constructor <;> ‸", {"tactic"}),
        ("  (‸", {"tactic"}),
        ("  by_cases h : p <;> (‸", {"tactic"}),
        ("  constructor\n  { ‸", {"tactic"}),
        ("  · constructor\n    ‸", {"tactic"}),
        ("  if h : p then ‸", {"tactic"}),
        ("  simp -- by hand\n  ‸", {"tactic"}),
        ("  exact ‸", {"term"}),
        ("  exact (‸", {"term"}),
        ("  exact foo (‸", {"term"}),
        ("  exact foo\n    (‸", {"term"}),
        ("  rw [‸", {"term"}),
        ("  simpa using ‸", {"term"}),
        ("  exact if h : p then ‸", {"term"}),
        ("  exact if h : p then hp else ‸", {"term"}),
        ("  refine And.intro ‸", {"argument"}),
        ("  exact h.trans ‸", {"argument"}),
        ("  apply foo _ ‸", {"argument"}),
        ("  specialize h ‸", {"argument"}),
        ("  exact h ▸ ‸", {"argument"}),
        ("  exact foo a\n    ‸", {"argument"}),
    ],
)
def test_what_may_stand_at_the_cursor(text: str, expected: set[str]) -> None:
    assert place(text).wants() == expected


@given(st.text("ab|\"-/\\ \nby:=>'", max_size=60), st.integers(0, 60))
def test_no_text_is_too_strange(text: str, cut: int) -> None:
    before = text[:cut]
    lines = tuple(text.split("\n"))
    at = Place(lines, before.count("\n"), len(before) - before.rfind("\n") - 1)
    assert at.before + at.after == lines[at.line]
    assert isinstance(at.in_code(), bool)
    assert at.wants()
    if at.ends_in_by():
        assert "by" in before
