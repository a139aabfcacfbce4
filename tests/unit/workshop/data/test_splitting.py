from __future__ import annotations

from collections import defaultdict

import pytest

from llmstep_workshop.data.records import Record
from llmstep_workshop.data.splitting import GroupSplitter, hash_share
from llmstep_workshop.errors import TrainingDataError

ROWS = [
    Record(f"⊢ p {i}", "simp", decl=f"t{i // 3}", file=f"f{i // 10}.lean", where=f"r:{i}")
    for i in range(6000)
]


@pytest.mark.parametrize("by", ["file", "theorem", "state"])
def test_no_group_is_torn_and_the_shares_are_right(by) -> None:
    splitter = GroupSplitter(by, valid=0.2, test=0.1)
    groups: dict[str, set[str]] = defaultdict(set)
    for row in ROWS:
        groups[splitter.group(row)].add(splitter.place(row))
    assert all(len(places) == 1 for places in groups.values())
    places = [next(iter(found)) for found in groups.values()]
    assert abs(places.count("valid") / len(places) - 0.2) < 0.05
    assert abs(places.count("test") / len(places) - 0.1) < 0.05


def test_the_place_depends_on_the_group_and_the_seed_alone() -> None:
    first, other = GroupSplitter("file", 0.3, 0.3), GroupSplitter("file", 0.3, 0.3, seed=1)
    places = [first.place(row) for row in ROWS]
    assert places == [first.place(row) for row in ROWS]
    assert places[:10] == [first.place(row) for row in ROWS[:10]]
    assert places != [other.place(row) for row in ROWS]
    # A fixed value: a split must be the same tomorrow and on another machine.
    assert hash_share("Mathlib/Logic/Basic.lean") == pytest.approx(0.482115, abs=1e-6)
    assert first.place(Record("⊢ p", "simp", file="Mathlib/Logic/Basic.lean")) == "train"


@pytest.mark.parametrize(("by", "field"), [("file", "file"), ("theorem", "decl")])
def test_a_row_without_a_group_is_named(by, field: str) -> None:
    row = Record("⊢ p", "simp", where="rows.jsonl:9")
    with pytest.raises(TrainingDataError, match=f"rows.jsonl:9: field '{field}'"):
        GroupSplitter(by, 0.1, 0.1).place(row)
