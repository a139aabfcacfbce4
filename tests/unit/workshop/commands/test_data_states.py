"""``llmstep data reconstruct`` and ``twins``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from llmstep.cli import cli
from llmstep_workshop.errors import TrainingDataError

FILE = """
theorem swap (p q : Prop) : p ∧ q → q ∧ p := by
  intro h
  exact ⟨h.2, h.1⟩
"""


def run(*words: object) -> Result:
    return CliRunner().invoke(cli, ["data", *map(str, words)])


def rows_of(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_folder_becomes_rows_with_a_sheet(tmp_path: Path) -> None:
    (tmp_path / "src" / "inner").mkdir(parents=True)
    (tmp_path / "src" / "inner" / "A.lean").write_text(FILE, "utf-8")
    output = tmp_path / "rows.jsonl"
    result = run("reconstruct", tmp_path / "src", "--jobs", 1, "--licence", "MIT", "-o", output)
    assert result.exit_code == 0, result.output
    first, second = rows_of(output)
    assert first["state"] == "p q : Prop\n⊢ p ∧ q → q ∧ p"
    assert (second["state"], second["tactic"]) == (
        "p q : Prop\nh : p ∧ q\n⊢ q ∧ p",
        "exact ⟨h.2, h.1⟩",
    )
    assert (first["decl"], first["file"], first["src"]) == ("swap", "inner/A.lean", "src")
    sheet = (tmp_path / "rows.jsonl.md").read_text("utf-8")
    assert "Licence: MIT" in sheet
    assert "1 Lean files (1 theorems" in sheet


def test_several_processes_make_the_same_rows(tmp_path: Path) -> None:
    source = tmp_path / "src"
    source.mkdir()
    for name in "ABC":
        (source / f"{name}.lean").write_text(FILE.replace("p", name), "utf-8")
    outputs = [tmp_path / f"{jobs}.jsonl" for jobs in (1, 2)]
    for jobs, output in enumerate(outputs, start=1):
        assert run("reconstruct", source, "--jobs", jobs, "-o", output).exit_code == 0
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


def test_blocks_of_a_chapter_know_nothing_of_each_other(tmp_path: Path) -> None:
    chapter = f"""#doc (Manual) "One" =>
```lean
variable (s : Prop)
example : True := by trivial
```
```lean
{FILE}
example : 1 = 1 := by decide
```
```lean +error
example : 1 = 2 := by decide
```
"""
    (tmp_path / "One.lean").write_text(chapter, "utf-8")
    output = tmp_path / "rows.jsonl"
    assert run("reconstruct", tmp_path, "--jobs", 1, "-o", output).exit_code == 0
    states = {row["tactic"]: row["state"] for row in rows_of(output)}
    assert states["trivial"] == "s : Prop\n⊢ True"
    assert states["decide"] == "⊢ 1 = 1"


def test_a_lakefile_says_whether_letters_are_bound(tmp_path: Path) -> None:
    (tmp_path / "A.lean").write_text("theorem t (h : p) : p := by\n  exact h\n", "utf-8")
    (tmp_path / "lakefile.toml").write_text("[leanOptions]\nautoImplicit = false\n", "utf-8")
    output = tmp_path / "rows.jsonl"
    run("reconstruct", tmp_path, "--jobs", 1, "-o", output)
    assert rows_of(output)[0]["state"] == "h : p\n⊢ p"
    run("reconstruct", tmp_path, "--jobs", 1, "--auto-implicit", "-o", output)
    assert rows_of(output)[0]["state"] == "p : Prop\nh : p\n⊢ p"


def test_a_folder_without_lean_files(tmp_path: Path) -> None:
    result = run("reconstruct", tmp_path, "--jobs", 1, "-o", tmp_path / "rows.jsonl")
    assert isinstance(result.exception, TrainingDataError)
    assert not (tmp_path / "rows.jsonl").exists()


def test_twins_are_counted_and_shown(write_rows: Callable[..., Path]) -> None:
    printed = write_rows(
        {"state": "p q : Prop\n⊢ p ∧ q ∨ p", "tactic": "simp"},
        {"state": "case inl\np : Prop\nh : p\n⊢ p", "tactic": "exact h"},
        {"state": "⊢ 1 = 1", "tactic": "rfl"},
        name="printed.jsonl",
    )
    rows = write_rows(
        {"state": "p q : Prop\n⊢ p ∧ q  ∨ p", "tactic": "simp"},
        {"state": "p : Prop\nh : p\n⊢ (p)", "tactic": "exact h", "file": "B.lean"},
    )
    result = run("twins", rows, "--printed", printed, "--show", 3)
    assert result.exit_code == 0, result.output
    assert "twins: 2\nsame state: 1 (50.0%)\ndiffer in case line, target: 1\n" in result.output
    assert "--- B.lean" in result.output


@pytest.mark.parametrize(
    "text", ["theorem t : := by", "/-", "theorem t (h : p : p := by simp", "§"]
)
def test_broken_text_is_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "A.lean").write_text(FILE, "utf-8")
    (tmp_path / "B.lean").write_text(text, "utf-8")
    output = tmp_path / "rows.jsonl"
    assert run("reconstruct", tmp_path, "--jobs", 1, "-o", output).exit_code == 0
    assert len(rows_of(output)) == 2
