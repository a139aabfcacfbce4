"""Order and doubles."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstep.sources.ranking import Ranking, Suggestion, normal_form

SUGGESTIONS = st.builds(
    Suggestion,
    st.sampled_from(["simp", "simp ", "simp [h]", "simp[h]", "rfl", "exact h", "exact  h -- x"]),
    st.one_of(st.floats(-5, 0), st.sampled_from([math.nan, math.inf, -math.inf])),
)


def rank(suggestions: Iterable[Suggestion], n: int | None = None) -> tuple[Suggestion, ...]:
    ranking = Ranking()
    for suggestion in suggestions:
        ranking.add(suggestion)
    return ranking.top(n)


def test_likelier_first_then_shorter_then_alphabetical() -> None:
    given = [Suggestion("simp [h]", -1.0), Suggestion("rfl", -1.0), Suggestion("aba", -1.0)]
    best = Suggestion("exact foo", -0.5)
    assert rank([*given, best]) == (best, given[2], given[1], given[0])
    assert rank([*given, best], 1) == (best,)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("rw [a, b]", "rw [a,b]"),
        ("simp  at h", "simp at h"),
        ("exact ⟨ a , b ⟩", "exact ⟨a, b⟩"),
        ("simp -- comment", "simp"),
        ("simp only [a,\n    b]", "simp only [a, b]"),
    ],
)
def test_blanks_make_no_difference(one: str, other: str) -> None:
    assert normal_form(one) == normal_form(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("exact h x", "exact hx"),
        ("intro h", "intro h'"),
        ('exact "a b"', 'exact "ab"'),
        ("· simp\n  rfl", "· simp rfl"),
        ("have : p := by\n  simp\n  rfl", "have : p := by\n  simp\n    rfl"),
    ],
)
def test_what_lean_reads_differently_differs(one: str, other: str) -> None:
    assert normal_form(one) != normal_form(other)


def test_of_doubles_the_likelier_stays_whichever_prompt_it_came_from() -> None:
    ranking = Ranking()
    assert ranking.add(Suggestion("rw [a,b]", -1.0))
    assert not ranking.add(Suggestion("rw [a, b]", -0.5))
    assert not ranking.add(Suggestion("rw  [a, b]", -2.0))
    assert ranking.top() == (Suggestion("rw [a, b]", -0.5),)
    assert len(ranking) == 1


@given(st.lists(SUGGESTIONS, max_size=12), st.integers(0, 12))
def test_properties_of_ranking(suggestions: list[Suggestion], n: int) -> None:
    ranked = rank(suggestions)
    assert rank(suggestions, n) == ranked[:n]
    assert rank(reversed(suggestions)) == ranked
    assert rank(ranked) == ranked
    assert all(a.score >= b.score for a, b in itertools.pairwise(ranked))
    keys = [normal_form(s.tactic) for s in ranked]
    assert len(set(keys)) == len(keys)
    assert set(keys) == {normal_form(s.tactic) for s in suggestions if math.isfinite(s.score)}
    json.dumps([s.score for s in ranked], allow_nan=False)
