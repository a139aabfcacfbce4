"""Damaged and hostile data files: an error with the place, never a library's own exception."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmstep_workshop.data.arrays import scan_array
from llmstep_workshop.data.readers import detect_format
from llmstep_workshop.data.records import scan_records
from llmstep_workshop.data.rows import read_rows, scan_objects
from llmstep_workshop.errors import TrainingDataError

READERS: dict[str, Callable[[Path], Any]] = {
    "format": detect_format,
    "rows": read_rows,
    "objects": lambda path: list(scan_objects(path)),
    "records": lambda path: list(scan_records([path])),
    "array": lambda path: list(scan_array(path)),
}
ROWS = "".join(
    json.dumps({"state": f"n : ℕ\n⊢ n + {i} = {i} + n", "tactic": "omega"}) + "\n"
    for i in range(200)
)
ARRAY = json.dumps([{"a": i, "text": "x" * 50} for i in range(200)])


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("text", [ROWS, ARRAY])
def test_a_damaged_gzip_file(tmp_path: Path, kind: str, text: str) -> None:
    whole = gzip.compress(text.encode())
    rng = random.Random(7)
    path = tmp_path / "data.jsonl.gz"
    for _ in range(150):
        data = bytearray(whole)
        if rng.random() < 0.3:
            del data[rng.randrange(len(data)) :]
        else:
            for _ in range(rng.randint(1, 4)):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        try:
            READERS[kind](path)
        except TrainingDataError as error:
            told = error.message
            assert path.name in told


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(
    "text", ["[" * 200_000, '{"state": ' * 100_000, '[{"a": ' + "[" * 200_000, "[1,\n" * 2 + "["]
)
def test_deep_json_is_named_with_its_line(tmp_path: Path, kind: str, text: str) -> None:
    path = tmp_path / "deep.jsonl"
    path.write_text(text)
    if kind == "format" and text.startswith("["):
        assert detect_format(path) == "leandojo"
        return
    with pytest.raises(TrainingDataError, match=r"deep\.jsonl:\d+: "):
        READERS[kind](path)


def test_what_comes_before_the_damage_is_told(tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl.gz"
    path.write_bytes(gzip.compress(ROWS.encode())[:-200])
    with pytest.raises(TrainingDataError, match=r"cut\.jsonl\.gz behind line \d+: cannot be read"):
        list(scan_objects(path))


def test_a_byte_order_mark_is_no_part_of_the_first_row(tmp_path: Path) -> None:
    path = tmp_path / "mark.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + ROWS.encode())
    assert len(read_rows(path)) == 200
    assert detect_format(path) == "jsonl"
