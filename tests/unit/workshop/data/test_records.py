from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from llmstep.prompts.mention import Mention
from llmstep_workshop.data.records import (
    Record,
    RecordWriter,
    find_data_files,
    parse_record,
    scan_records,
    write_text,
)
from llmstep_workshop.data.rows import read_rows
from llmstep_workshop.errors import DataOutputError, TrainingDataError

ROW = Record("⊢ True", "trivial", "tac", "Foo.bar", "Foo.lean", "mathlib", "core")


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_what_is_written_is_read_again(tmp_path: Path, name: str) -> None:
    path = tmp_path / "new folder" / name
    rows = [ROW, Record("h : p\n⊢ p", "exact h", context="theorem t : p := by\n  ")]
    with RecordWriter(path) as writer:
        for row in rows:
            writer.write(row)
    assert list(scan_records([path, path])) == rows * 2
    assert next(scan_records([path])).where == f"{path}:1"
    assert [entry.name for entry in path.parent.iterdir()] == [name]


def test_equal_rows_make_equal_files(tmp_path: Path) -> None:
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        with RecordWriter(tmp_path / name) as writer:
            writer.write(ROW)
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()
    line = gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()).decode()
    assert "⊢" in line
    assert "context" not in json.loads(line)


def test_a_failure_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("old")

    def fail() -> None:
        with RecordWriter(path) as writer:
            writer.write(ROW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("old")

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(DataOutputError, match="No space left"), RecordWriter(path) as writer:
        writer.write(ROW)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "rows").write_text("")
    target = tmp_path / "rows" / "x.jsonl"
    with pytest.raises(DataOutputError, match="could not be written"), RecordWriter(target):
        pass
    with pytest.raises(DataOutputError, match="could not be written"):
        write_text(target, "text")


def test_half_a_character_is_named() -> None:
    found = {"state": "⊢ True", "tactic": "exact \ud835"}
    with pytest.raises(TrainingDataError, match="rows:7: field 'tactic': holds half a character"):
        parse_record(found, "rows:7")


def test_a_folder_stands_for_its_jsonl_files(tmp_path: Path) -> None:
    for name in ("b/x.jsonl", "a.jsonl.gz", "notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    single = tmp_path / "notes.txt"
    found = find_data_files([tmp_path, single])
    assert found == [tmp_path / "a.jsonl.gz", tmp_path / "b/x.jsonl", single]
    with pytest.raises(TrainingDataError, match="holds no rows"):
        next(scan_records([tmp_path / "b/x.jsonl"]))
    (tmp_path / "b/x.jsonl").unlink()
    with pytest.raises(TrainingDataError, match="holds no rows"):
        find_data_files([tmp_path / "b"])


def test_premises_are_kept_and_checked(write_rows: Callable[..., Path], tmp_path: Path) -> None:
    shown = [{"name": "add_comm", "conclusion": "a + b = b + a"}, {"name": "bare"}]
    row = {"state": "⊢ p", "tactic": "simp", "premises": shown}
    (record,) = scan_records([write_rows(row)])
    with RecordWriter(tmp_path / "out.jsonl") as writer:
        writer.write(record)
    (again,) = read_rows(tmp_path / "out.jsonl")
    assert again.premises == (Mention("add_comm", "a + b = b + a"), Mention("bare"))
    with pytest.raises(TrainingDataError, match=r":1: field 'premises'"):
        list(scan_records([write_rows({**row, "premises": ["add_comm"]})]))
