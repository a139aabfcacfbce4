"""The estimate's table, and which tactics make a list."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstep.errors import ModelFileError
from llmstep.sources.mixing import (
    FEATURES,
    HEAD_FEATURES,
    LEMMA_FEATURES,
    Judged,
    choose_covering,
    load_mixing,
    log_sigmoid,
    sigmoid,
)


def names(chosen: list[tuple[str, float]]) -> list[str]:
    return [tactic for tactic, _ in chosen]


def test_a_list_is_worth_its_steps_and_the_first_words_it_covers() -> None:
    chances = {"rw [a]": 0.30, "rw [b]": 0.28, "simp": 0.10, "rw [c]": 0.25, "omega": 0.01}
    judged = [Judged(*item) for item in chances.items()]
    heads = {"rw": 0.5, "simp": 0.4, "omega": 0.1}
    assert names(choose_covering(judged, heads, 0.0, 3)) == ["rw [a]", "rw [b]", "rw [c]"]
    assert names(choose_covering(judged, heads, 0.5, 3)) == ["rw [a]", "simp", "rw [b]"]
    assert names(choose_covering(judged, heads, 4.0, 3)) == ["rw [a]", "simp", "omega"]
    worths = [worth for _, worth in choose_covering(judged, heads, 0.5, 5)]
    assert worths[0] == pytest.approx((0.30 + 0.5 * 0.5) / 1.5)
    assert worths == sorted(worths, reverse=True)
    assert len(choose_covering(judged, heads, 0.5, 9)) == 5
    assert choose_covering([], {}, 0.5, 3) == []


def test_a_list_is_worth_the_lemmas_it_names() -> None:
    judged = [
        Judged("exact foo h", 0.30, ("foo",)),
        Judged("apply foo", 0.28, ("foo",)),
        Judged("simp", 0.10),
        Judged("rw [bar]", 0.05, ("bar", "foo")),
    ]
    heads = dict.fromkeys(("exact", "apply", "simp", "rw"), 0.0)
    lemmas = {"foo": 0.4, "bar": 0.2}
    first_two = [choose_covering(judged, heads, 0.0, 2, lemmas, value) for value in (0.0, 2.0)]
    assert [*map(names, first_two)] == [["exact foo h", "apply foo"], ["exact foo h", "rw [bar]"]]


def test_the_shipped_weights_can_be_read() -> None:
    mixing = load_mixing()
    assert set(mixing.weights) == set(FEATURES)
    assert set(mixing.head_weights) == set(HEAD_FEATURES)
    assert mixing.weights["model_probability"] > 0
    assert mixing.head_weights["model_log_mass"] > 0
    assert set(mixing.lemma_weights) == set(LEMMA_FEATURES)
    assert mixing.lemma_weights["fits"] > 0
    assert mixing.lemma_value > 0


@pytest.mark.parametrize("text", ["head_value = 1\n", "[weights]\nbias = 'x'\n", "="])
def test_a_damaged_table_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mixing.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ModelFileError, match=str(path)):
        load_mixing(path)


@pytest.mark.parametrize("odds", [-1000.0, -30.0, -1.0, 0.0, 2.5, 1000.0])
def test_probabilities_of_log_odds(odds: float) -> None:
    assert math.isfinite(log_sigmoid(odds))
    assert sigmoid(odds) == pytest.approx(1 / (1 + math.exp(-odds)) if odds > -700 else 0.0)


CHANCE = st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0])


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["rw a", "rw b", "simp a", "simp b", "exact a", "exact b"]),
            CHANCE,
            st.lists(st.sampled_from("xyz"), max_size=2).map(tuple),
        ),
        unique_by=lambda item: item[0],
    ),
    st.fixed_dictionaries(dict.fromkeys(("rw", "simp", "exact"), CHANCE)),
    st.fixed_dictionaries(dict.fromkeys("xyz", CHANCE)),
    CHANCE,
    CHANCE,
)
def test_each_step_is_the_one_that_adds_most(
    items: list[tuple[str, float, tuple[str, ...]]],
    heads: dict[str, float],
    lemmas: dict[str, float],
    head_value: float,
    lemma_value: float,
) -> None:
    left = sorted((Judged(*item) for item in items), key=lambda j: (j.chance, j.tactic))[::-1]
    wanted: list[str] = []
    covered: set[str] = set()
    named: set[str] = set()

    def gain(item: Judged) -> float:
        head = item.tactic.split()[0]
        new_lemma = max((lemmas[name] for name in item.lemmas if name not in named), default=0.0)
        new_head = 0.0 if head in covered else head_value * heads[head]
        return item.chance + new_head + lemma_value * new_lemma

    while left:
        best = max(left, key=gain)
        left.remove(best)
        wanted.append(best.tactic)
        covered.add(best.tactic.split()[0])
        named.update(best.lemmas)
    judged = [Judged(*item) for item in items]
    found = choose_covering(judged, heads, head_value, len(items), lemmas, lemma_value)
    assert names(found) == wanted
