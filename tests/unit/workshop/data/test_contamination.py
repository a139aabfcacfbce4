from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmstep_workshop.data.contamination import find_contaminated, read_benchmark
from llmstep_workshop.data.records import Record
from llmstep_workshop.errors import TrainingDataError

SOURCE = "theorem mathd_1 (x : ℝ) (h₀ : 2 * x + 1 = 7) : x = 3 := by sorry\n"
HIT = Record("y : ℝ\nhy : 2 * y + 1 = 7\n⊢ y = 3", "linarith", decl="a", file="A.lean", where="r:1")
LATER = Record("y : ℝ\n⊢ y = 3", "simp", decl="a", file="A.lean", where="r:2")
CLEAN = Record("y : ℝ\n⊢ y = 3", "simp", decl="b", file="A.lean", where="r:3")
NAMED = Record("⊢ True", "trivial", decl="mathd_1", file="B.lean", where="r:4")


@pytest.fixture(params=["lean", "folder", "goal", "statement"])
def evaluation_set(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param in ("lean", "folder"):
        path = tmp_path / "Test" / "mathd_1.lean"
        path.parent.mkdir()
        path.write_text(f"import Mathlib\n\n{SOURCE}", encoding="utf-8")
        return path if request.param == "lean" else tmp_path
    rows = {
        "goal": {"name": "mathd_1", "goal": "x : ℝ\nh₀ : 2 * x + 1 = 7\n⊢ x = 3"},
        "statement": {"name": "mathd_1", "formal_statement": SOURCE},
    }
    path = tmp_path / "minif2f.jsonl"
    path.write_text(json.dumps(rows[request.param]) + "\n", encoding="utf-8")
    return path


def test_a_theorem_goes_with_all_its_rows(evaluation_set: Path) -> None:
    hits = find_contaminated([HIT, LATER, CLEAN], read_benchmark([evaluation_set]))
    assert hits.rows == {"r:1": "mathd_1"}
    assert hits.theorems == {("A.lean", "a"): "mathd_1"}
    assert [hits.explain(row) for row in (HIT, LATER, CLEAN)] == ["mathd_1", "mathd_1", ""]


def test_a_name_alone_counts_unless_told_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "a.lean"
    path.write_text(SOURCE, encoding="utf-8")
    found = read_benchmark([path])
    assert find_contaminated([NAMED], found).rows == {"r:4": "mathd_1"}
    assert find_contaminated([NAMED], found, by_name=False).rows == {}


def test_rows_without_a_theorem_go_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.lean"
    path.write_text(SOURCE, encoding="utf-8")
    bare = Record(HIT.state, "simp", where="r:1")
    other = Record("⊢ q", "simp", where="r:2")
    hits = find_contaminated([bare, other], read_benchmark([path]))
    assert hits.theorems == {}
    assert hits.explain(bare) == "mathd_1"
    assert hits.explain(other) == ""


def test_an_object_without_a_statement_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"formal_statement": SOURCE}) + '\n{"informal": "2"}\n')
    assert read_benchmark([path]).unread == [f"{path}:2"]


@pytest.mark.parametrize("content", ['{"informal": "2"}\n', "\n"])
def test_a_source_without_statements_is_an_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(content)
    with pytest.raises(TrainingDataError, match=r"x\.jsonl: (no statement found|holds no rows)"):
        read_benchmark([path])


def test_a_lean_file_in_another_encoding_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.lean"
    path.write_bytes(b"theorem \xff")
    with pytest.raises(TrainingDataError, match="cannot be read"):
        read_benchmark([path])
