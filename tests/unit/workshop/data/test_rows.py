from __future__ import annotations

import gzip
import random
from collections import Counter
from pathlib import Path

import pytest

from llmstep_workshop.data.rows import Mix, Row, draw_pass, read_rows
from llmstep_workshop.errors import TrainingDataError

GOOD = {"state": "⊢ True", "tactic": " trivial\n", "file": "a.lean", "kind": "tac"}


def test_reads_plain_and_gzip(write_rows, tmp_path: Path) -> None:
    plain = write_rows(GOOD, "", GOOD)
    packed = tmp_path / "rows.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    expected = Row("⊢ True", "trivial", "a.lean", "tac")
    assert read_rows(plain) == [expected, expected]
    assert read_rows(packed, limit=1) == [expected]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{not json", "not JSON"),
        ("[1, 2]", "a list, not a JSON object"),
        ('{"tactic": "rfl"}', "field 'state': expected a non-blank string, found missing"),
        ('{"state": "⊢ True", "tactic": 3}', "field 'tactic'.*found 3"),
        ('{"state": "⊢ True", "tactic": "  "}', "field 'tactic'"),
    ],
)
def test_a_bad_line_is_named(write_rows, line: str, complaint: str) -> None:
    path = write_rows(GOOD, line)
    with pytest.raises(TrainingDataError, match=complaint) as caught:
        read_rows(path)
    assert f"{path}:2" in caught.value.message
    assert caught.value.hint


def test_files_that_hold_nothing_usable(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("\n\n")
    torn = tmp_path / "torn.jsonl.gz"
    torn.write_bytes(gzip.compress(b'{"state": "x"}' * 50)[:30])
    latin = tmp_path / "latin.jsonl"
    latin.write_bytes(b'{"state": "\xe9"}')
    with pytest.raises(TrainingDataError, match="no rows"):
        read_rows(empty)
    for path in (torn, latin, tmp_path / "absent.jsonl"):
        with pytest.raises(TrainingDataError, match="cannot be read"):
            read_rows(path)


def test_a_pass_keeps_to_weights_and_caps() -> None:
    rows = [Row(f"⊢ {i}", "rfl", file="big.lean") for i in range(500)]
    rows += [Row(f"⊢ {i}", "omega", file=f"{i}.lean") for i in range(100)]
    rows += [Row("⊢ 0", "rfl", file="tests/x.lean"), Row("⊢ 1", "rfl", kind="have?")]
    rows += [Row(f"⊢ {i}", "exact " + "x" * 90, file=f"{i}.lean") for i in range(1000)]
    mix = Mix(
        weight=1.0,
        per_file=60,
        heads={"omega": 3.0},
        long_tactic=0.25,
        skip_kinds=("have?",),
        skip_files=("tests/",),
    )
    drawn = Counter(row.head for row in draw_pass(rows, mix, random.Random(5)))
    assert drawn["rfl"] == 60
    assert drawn["omega"] == 300
    assert 190 < drawn["exact"] < 310


def test_passes_of_one_seed_are_equal_and_of_two_differ() -> None:
    rows = [Row(f"⊢ {i}", "rfl") for i in range(200)]
    first, same, other = (
        list(draw_pass(rows, Mix(weight=0.5), random.Random(seed))) for seed in (1, 1, 2)
    )
    assert first == same
    assert first != other
