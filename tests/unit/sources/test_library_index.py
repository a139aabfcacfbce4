"""The index of a library's tactics: written, opened, asked, and damaged."""

from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from llmstep.errors import ModelFileError
from llmstep.lean_text.statements import Statement
from llmstep.prompts.goal import parse_goal
from llmstep.sources.features import goal_features
from llmstep.sources.index_writer import write_index
from llmstep.sources.library_index import LibraryIndex
from llmstep.sources.statement_features import goal_query
from llmstep.sources.steps import ProofStep, plain, short_names

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
def index(tmp_path: Path) -> LibraryIndex:
    return make_index(tmp_path / "i.tactics", PAIRS)


def make_index(path: Path, pairs: Sequence[tuple[str, str]]) -> LibraryIndex:
    taken = [ProofStep(*pair) for pair in pairs]
    assert write_index(path, taken, [], licence="MIT", fewest_rows=1) == (len(pairs), 0)
    return LibraryIndex(path)


def test_the_same_goal_is_the_nearest(index: LibraryIndex) -> None:
    for goal, tactic in PAIRS:
        nearest = index.nearest(features(goal), 3)
        assert plain(nearest[0].step) == tactic
        assert nearest[0].similarity == pytest.approx(1.0, abs=1e-5)
        assert [n.similarity for n in nearest] == sorted(
            (n.similarity for n in nearest), reverse=True
        )


def test_similarity_is_the_cosine_of_weighted_features(index: LibraryIndex) -> None:
    goal = "x y : ℕ\n⊢ x + y = y + x"
    weights = index.weigh(features(goal) | features(PAIRS[2][0]))
    shared = sum(weights[f] for f in features(goal) & features(PAIRS[2][0]))
    lengths = [math.sqrt(sum(weights[f] for f in features(g))) for g in (goal, PAIRS[2][0])]
    best = index.nearest(features(goal), 1)[0]
    assert plain(best.step) == "exact add_comm a b"
    assert best.similarity == pytest.approx(shared / (lengths[0] * lengths[1]), rel=1e-4)


def test_a_goal_of_unknown_words_has_no_neighbour(index: LibraryIndex) -> None:
    assert index.nearest(features("⊢ foo"), 5) == []
    assert index.nearest(frozenset(), 5) == []


def test_unknown_features_weigh_most(index: LibraryIndex) -> None:
    weights = index.weigh(["Gunheard", *features(PAIRS[0][0])])
    assert weights["Gunheard"] == max(weights.values())


def test_names_of_goals_and_tactics_are_known(index: LibraryIndex) -> None:
    assert all(map(index.knows, ["Set.inter_subset_left", "add_comm", "Prop"]))
    assert not any(map(index.knows, ["Set.inter_subset_right", "inter_subset_left", ""]))


def test_names_written_short_in_their_namespace_are_known_in_full(tmp_path: Path) -> None:
    steps = [
        ProofStep("s t : Set α\n⊢ s ∩ t = t ∩ s", "exact inter_comm s t", "Set.inter_comm'"),
        ProofStep("s t : Set α\n⊢ s ∩ t = t ∩ s", "simp", "Set.inter_comm"),
    ]
    write_index(tmp_path / "i", steps, [], fewest_rows=1)
    index = LibraryIndex(tmp_path / "i")
    assert all(map(index.knows, ["Set.inter_comm", "Set.inter_comm'", "inter_comm"]))
    assert list(short_names(index._tactic_texts[0])) == [("Set", "inter_comm")]


def test_metadata_is_kept(index: LibraryIndex) -> None:
    assert index.metadata["licence"] == "MIT"
    assert len(index) == len(PAIRS)


def test_an_empty_collection_makes_an_index_without_answers(tmp_path: Path) -> None:
    index = make_index(tmp_path / "none", [])
    assert index.nearest(features("⊢ p"), 5) == []


@pytest.mark.parametrize("keep", [0, 4, 8, 40, 200, -1])
def test_a_damaged_file_is_named(tmp_path: Path, index: LibraryIndex, keep: int) -> None:
    path = tmp_path / "cut"
    path.write_bytes(index.path.read_bytes()[:keep])
    with pytest.raises(ModelFileError, match=str(path)) as caught:
        LibraryIndex(path)
    assert "llmstep index build" in caught.value.hint


def test_another_format_is_named(tmp_path: Path, index: LibraryIndex) -> None:
    path = tmp_path / "other"
    path.write_bytes(index.path.read_bytes().replace(b"llmstep-library-3", b"llmstep-library-9"))
    with pytest.raises(ModelFileError, match="llmstep-library-9"):
        LibraryIndex(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no-such-file"):
        LibraryIndex(tmp_path / "no-such-file")


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, index: LibraryIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = index.path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("llmstep.replacement.os.replace", fail)
    with pytest.raises(ModelFileError, match="No space left"):
        write_index(index.path, [ProofStep(*PAIRS[0])], [])
    assert index.path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [index.path]


def test_arrays_lie_at_multiples_of_their_numbers_size(index: LibraryIndex) -> None:
    steps = index._steps
    for array in (steps.features, steps.weights, steps.starts, index._norms, index._tactics):
        assert array.ctypes.data % array.itemsize == 0
        assert not array.flags.writeable
    assert steps.gaps.dtype == np.uint8


STATEMENTS = [
    Statement("mul_le_mul_left'", "theorem", "(h : b ≤ c) (a : α)", "a * b ≤ a * c", "Order.Mul"),
    Statement(
        "Finset.sum_comm", "theorem", "", "∑ i ∈ s, ∑ j ∈ t, f i j = ∑ j ∈ t, ∑ i ∈ s, f i j", "Sum"
    ),
    Statement("Measurable.add", "lemma", "(hf : Measurable f)", "Measurable (f + g)", "Measure"),
    Statement("Order.kept", "theorem", "", "a ≤ b", "Order.Mul", 7, private=True, protected=True),
]


def test_statements_are_found_by_what_they_say_and_kept_whole(tmp_path: Path) -> None:
    assert write_index(tmp_path / "i", [], iter(STATEMENTS)) == (0, 4)
    index = LibraryIndex(tmp_path / "i")
    assert index.statement_count == 4
    for goal, wanted in (
        ("x y z : ℝ\n⊢ x * y ≤ x * z", 0),
        ("s t : Finset ℕ\n⊢ ∑ a ∈ s, ∑ b ∈ t, g a b = 0", 1),
        ("X Y : Ω → ℝ\n⊢ Measurable (X + Y)", 2),
    ):
        found = index.premises(goal_query(parse_goal(goal)), 3)
        assert found[0][0] == STATEMENTS[wanted]
        assert [score for _, score in found] == sorted((s for _, s in found), reverse=True)
    assert index.find_statement("Order.kept") == STATEMENTS[3]
    assert index.find_statement("kept") is None
    assert index.premises(goal_query(parse_goal("⊢ Unheard")), 3) == []


def test_statements_of_modules_out_of_reach_are_left_out(tmp_path: Path) -> None:
    write_index(tmp_path / "i", [], STATEMENTS)
    index = LibraryIndex(tmp_path / "i")
    goal = parse_goal("x y z : ℝ\n⊢ x * y ≤ x * z")
    assert index.premises(goal_query(goal), 9, lambda module: module != "Order.Mul") == []
    assert len(index.premises(goal_query(goal), 9, lambda module: module == "Order.Mul")) == 2


def test_names_that_are_declared_and_how_often_steps_use_them(tmp_path: Path) -> None:
    goal = "a b c : ℕ\n⊢ a * b ≤ a * c"
    steps = [ProofStep(goal, "exact mul_le_mul_left' h a")] * 3
    write_index(tmp_path / "i", steps, STATEMENTS, names=["Nat.succ", "Measurable.add"])
    index = LibraryIndex(tmp_path / "i")
    assert [index.uses(s.name) for s in STATEMENTS] == [3, 0, 0, 0]
    assert all(map(index.has_name, ["Nat.succ", "Measurable.add"]))
    assert not any(map(index.has_name, ["exact", "Nat.succc"]))
    assert index.knows("mul_le_mul_left'")


def test_more_rows_than_a_byte_counts_are_found(tmp_path: Path) -> None:
    many = [Statement(f"gap{i}", "theorem", "", f"Filler{i} x", "M") for i in range(700)]
    places = (0, 1, 130, 500, 699)
    for place in places:
        many[place] = Statement(f"hit{place}", "theorem", "", "Sought x", "M")
    write_index(tmp_path / "i", [], many)
    found = LibraryIndex(tmp_path / "i").premises(goal_query(parse_goal("⊢ Sought y")), 20)
    assert sorted(s.name for s, _ in found) == sorted(f"hit{place}" for place in places)


def test_a_block_that_does_not_unpack_is_told(tmp_path: Path) -> None:
    write_index(tmp_path / "i", [], STATEMENTS)
    data = (tmp_path / "i").read_bytes()
    at = data.rindex(b"x\xda")  # the head of a zlib stream
    (tmp_path / "j").write_bytes(data[:at] + b"\0\0" + data[at + 2 :])
    index = LibraryIndex(tmp_path / "j")
    with pytest.raises(ModelFileError, match="damaged"):
        index.premises(goal_query(parse_goal("x y z : ℝ\n⊢ x * y ≤ x * z")), 3)


def test_an_index_goes_with_its_last_user_and_not_with_a_search_for_garbage(
    index: LibraryIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path / "home"))
    # An engine searches seldom, and opens a project's index anew after each change of its files.
    used = LibraryIndex(index.path)
    assert used.knows("add_comm")
    assert used.nearest(features(PAIRS[0][0]), 1)
    assert used.uses("add_comm") == 0
    assert "add_comm" in used.common_names()
    left = weakref.ref(used), weakref.ref(used._tactics)
    gc.disable()
    try:
        del used
        assert [part() for part in left] == [None, None]
    finally:
        gc.enable()
