"""The estimate's table, and which tactics make a list."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from llmstep.errors import ModelFileError
from llmstep.sources.mixing import (
    FEATURES,
    HEAD_FEATURES,
    choose_covering,
    load_mixing,
    log_sigmoid,
    sigmoid,
)


def test_a_list_is_worth_its_steps_and_the_first_words_it_covers() -> None:
    judged = [("rw [a]", 0.30), ("rw [b]", 0.28), ("simp", 0.10), ("rw [c]", 0.25), ("omega", 0.01)]
    heads = {"rw": 0.5, "simp": 0.4, "omega": 0.1}
    assert choose_covering(judged, heads, 0.0, 3) == ["rw [a]", "rw [b]", "rw [c]"]
    assert choose_covering(judged, heads, 0.5, 3) == ["rw [a]", "simp", "rw [b]"]
    assert choose_covering(judged, heads, 4.0, 3) == ["rw [a]", "simp", "omega"]
    assert len(choose_covering(judged, heads, 0.5, 9)) == 5
    assert choose_covering([], {}, 0.5, 3) == []


def test_the_shipped_weights_can_be_read() -> None:
    mixing = load_mixing()
    assert set(mixing.weights) == set(FEATURES)
    assert set(mixing.head_weights) == set(HEAD_FEATURES)
    assert mixing.weights["model_probability"] > 0
    assert mixing.head_weights["model_log_mass"] > 0
    assert mixing.head_value > 0


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
