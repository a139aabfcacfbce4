"""The index of a library's tactics: written, opened, asked, and damaged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from llmstep.errors import ModelFileError
from llmstep.prompts.goal import parse_goal
from llmstep.sources import tactic_index as index_module
from llmstep.sources.features import goal_features
from llmstep.sources.steps import plain, short_names
from llmstep.sources.tactic_index import TacticIndex
from llmstep_workshop.index import build as build_module
from llmstep_workshop.index.build import TakenStep, build_index

PAIRS = [
    ("p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q", "exact ⟨hp, hq⟩"),
    ("p q : Prop\nhp : p\n⊢ p ∨ q", "left"),
    ("a b : ℕ\n⊢ a + b = b + a", "exact add_comm a b"),
    ("a b c : ℕ\n⊢ a + b + c = c + (a + b)", "rw [add_comm]"),
    ("s t : Set α\n⊢ s ∩ t ⊆ s", "exact Set.inter_subset_left"),
]


def features(goal: str) -> frozenset[str]:
    return goal_features(parse_goal(goal))


@pytest.fixture
def index(tmp_path: Path) -> TacticIndex:
    return make_index(tmp_path / "i.tactics", PAIRS)


def make_index(path: Path, pairs: Sequence[tuple[str, str]]) -> TacticIndex:
    taken = [TakenStep(*pair) for pair in pairs]
    assert build_index(taken, path, {"licence": "MIT"}, fewest_rows=1) == len(pairs)
    return TacticIndex(path)


def test_the_same_goal_is_the_nearest(index: TacticIndex) -> None:
    for goal, tactic in PAIRS:
        nearest = index.nearest(features(goal), 3)
        assert plain(nearest[0].step) == tactic
        assert nearest[0].similarity == pytest.approx(1.0, abs=1e-5)
        assert [n.similarity for n in nearest] == sorted(
            (n.similarity for n in nearest), reverse=True
        )


def test_similarity_is_the_cosine_of_weighted_features(index: TacticIndex) -> None:
    goal = "x y : ℕ\n⊢ x + y = y + x"
    weights = index.weigh(features(goal) | features(PAIRS[2][0]))
    shared = sum(weights[f] for f in features(goal) & features(PAIRS[2][0]))
    lengths = [math.sqrt(sum(weights[f] for f in features(g))) for g in (goal, PAIRS[2][0])]
    best = index.nearest(features(goal), 1)[0]
    assert plain(best.step) == "exact add_comm a b"
    assert best.similarity == pytest.approx(shared / (lengths[0] * lengths[1]), rel=1e-4)


def test_a_goal_of_unknown_words_has_no_neighbour(index: TacticIndex) -> None:
    assert index.nearest(features("⊢ foo"), 5) == []
    assert index.nearest(frozenset(), 5) == []


def test_unknown_features_weigh_most(index: TacticIndex) -> None:
    weights = index.weigh(["Gunheard", *features(PAIRS[0][0])])
    assert weights["Gunheard"] == max(weights.values())


def test_blocks_give_the_answers_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = make_index(tmp_path / "whole", PAIRS)
    expected = [whole.nearest(features(goal), 5) for goal, _ in PAIRS]
    monkeypatch.setattr(build_module, "BLOCK", 2)
    monkeypatch.setattr(index_module, "BLOCK", 2)
    parted = make_index(tmp_path / "parted", PAIRS)
    assert [parted.nearest(features(goal), 5) for goal, _ in PAIRS] == expected


def test_names_of_goals_and_tactics_are_known(index: TacticIndex) -> None:
    assert all(map(index.knows, ["Set.inter_subset_left", "add_comm", "Prop"]))
    assert not any(map(index.knows, ["Set.inter_subset_right", "inter_subset_left", ""]))


def test_names_written_short_in_their_namespace_are_known_in_full(tmp_path: Path) -> None:
    steps = [
        TakenStep("s t : Set α\n⊢ s ∩ t = t ∩ s", "exact inter_comm s t", "Set.inter_comm'"),
        TakenStep("s t : Set α\n⊢ s ∩ t = t ∩ s", "simp", "Set.inter_comm"),
    ]
    build_index(steps, tmp_path / "i", fewest_rows=1)
    index = TacticIndex(tmp_path / "i")
    assert all(map(index.knows, ["Set.inter_comm", "Set.inter_comm'", "inter_comm"]))
    assert list(short_names(index._step(0))) == [("Set", "inter_comm")]


def test_metadata_is_kept(index: TacticIndex) -> None:
    assert index.metadata["licence"] == "MIT"
    assert len(index) == len(PAIRS)


def test_an_empty_collection_makes_an_index_without_answers(tmp_path: Path) -> None:
    index = make_index(tmp_path / "none", [])
    assert index.nearest(features("⊢ p"), 5) == []


@pytest.mark.parametrize("keep", [0, 4, 8, 40, 200, -1])
def test_a_damaged_file_is_named(tmp_path: Path, index: TacticIndex, keep: int) -> None:
    path = tmp_path / "cut"
    path.write_bytes(index.path.read_bytes()[:keep])
    with pytest.raises(ModelFileError, match=str(path)) as caught:
        TacticIndex(path)
    assert "llmstep index build" in caught.value.hint


def test_another_format_is_named(tmp_path: Path, index: TacticIndex) -> None:
    path = tmp_path / "other"
    path.write_bytes(index.path.read_bytes().replace(b"llmstep-tactics-2", b"llmstep-tactics-9"))
    with pytest.raises(ModelFileError, match="llmstep-tactics-9"):
        TacticIndex(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no-such-file"):
        TacticIndex(tmp_path / "no-such-file")


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, index: TacticIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = index.path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("llmstep.replacement.os.replace", fail)
    with pytest.raises(ModelFileError, match="No space left"):
        build_index([TakenStep(*PAIRS[0])], index.path)
    assert index.path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [index.path]


def test_arrays_lie_at_multiples_of_their_numbers_size(index: TacticIndex) -> None:
    for array in (index._features, index._weights, index._starts, index._rows):
        assert array.ctypes.data % array.itemsize == 0
        assert not array.flags.writeable
    assert index._rows.dtype == np.uint16
