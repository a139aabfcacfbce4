from __future__ import annotations

import gzip
import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from llmstep.cli import cli
from llmstep.errors import LLMStepError

FAKE_LEAN = Path(__file__).parents[1] / "data" / "fake_lean.py"
THEOREM = {
    "file_path": "A.lean",
    "full_name": "t",
    "traced_tactics": [
        {"tactic": "intro h", "state_before": "p : Prop\n⊢ p → p", "state_after": "x"},
        {"tactic": "exact h", "state_before": "p : Prop\nh : p\n⊢ p\n\n⊢ q", "state_after": "x"},
    ],
}


def run(*words: object) -> Result:
    """Run `llmstep data`; errors meant for the user are raised."""
    result = CliRunner().invoke(cli, ["data", *map(str, words)])
    if isinstance(result.exception, LLMStepError):
        raise result.exception
    return result


def read(path: Path) -> list[dict[str, Any]]:
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    return [json.loads(line) for line in text.splitlines()]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """40 theorems of two steps each, in ten files."""
    found = [
        {"state": f"n : ℕ\n⊢ n + {i} = {i} + n{tail}", "tactic": "omega", "decl": f"t{i}"}
        | {"file": f"F{i % 10}.lean", "env": "mathlib"}
        for i in range(40)
        for tail in ("", " ∧ True")
    ]
    return write(tmp_path / "rows.jsonl", found)


def test_import_of_several_formats(tmp_path: Path) -> None:
    theorems = tmp_path / "train.json"
    theorems.write_text(json.dumps([THEOREM]), encoding="utf-8")
    plain = write(tmp_path / "plain.jsonl", [{"state": "⊢ q", "tactic": "simp", "src": "mine"}])
    output = tmp_path / "out" / "rows.jsonl.gz"
    result = run("import", theorems, plain, "-o", output, "--licence", "MIT", "--env", "mathlib")
    assert result.exit_code == 0, result.output
    origin = {"decl": "t", "file": "A.lean", "src": "leandojo", "env": "mathlib"}
    assert read(output) == [
        {"state": "p : Prop\n⊢ p → p", "tactic": "intro h", **origin},
        {"state": "p : Prop\nh : p\n⊢ p", "tactic": "exact h", **origin},
        {"state": "⊢ q", "tactic": "simp", "src": "mine", "env": "mathlib"},
    ]
    sheet = output.with_name("rows.jsonl.gz.md").read_text(encoding="utf-8")
    assert "Licence: MIT" in sheet
    assert "| (kept) first of several goals | 1 |" in sheet
    assert f"`llmstep data import {theorems} {plain} --env mathlib" in sheet


def test_a_bad_line_is_named_and_the_old_output_stays(tmp_path: Path, rows: Path) -> None:
    bad = write(tmp_path / "bad.jsonl", [{"state": "⊢ p", "tactic": "simp"}, {"state": "⊢ p"}])
    output = tmp_path / "out.jsonl"
    output.write_text("old")
    for command in (["import", "--format", "jsonl"], ["clean"]):
        with pytest.raises(LLMStepError, match=r"bad\.jsonl:2: field 'tactic'"):
            run(*command, rows, bad, "-o", output)
        assert output.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "bad.jsonl",
        "out.jsonl",
        "rows.jsonl",
    ]


def test_clean_reports_its_rules(tmp_path: Path, rows: Path) -> None:
    more = write(
        tmp_path / "more.jsonl",
        [{"state": "⊢ p", "tactic": "sorry"}, {"state": "⊢ p", "tactic": "simp"}] * 2,
    )
    result = run("clean", rows, more, "-o", rows, "--sheet", tmp_path / "sheet.md")
    assert result.exit_code == 0, result.output
    assert len(read(rows)) == 81
    assert "dropped 2 by unproved" in result.stderr
    sheet = (tmp_path / "sheet.md").read_text(encoding="utf-8")
    assert "sorry, admit, stop or native_decide | 2 |" in sheet
    assert "state and tactic, white space apart, were there before | 1 |" in sheet


def test_split_tears_no_file_apart(tmp_path: Path, rows: Path) -> None:
    output = tmp_path / "split"
    result = run("split", rows, "--valid", "0.3", "--test", "0.2", "--seed", "1", "-o", output)
    assert result.exit_code == 0, result.output
    parts = {name: read(output / f"{name}.jsonl.gz") for name in ("train", "valid", "test")}
    assert sum(map(len, parts.values())) == 80
    files = [{row["file"] for row in part} for part in parts.values()]
    assert sum(map(len, files)) == len(set().union(*files)) == 10
    assert all(files)
    assert "no file is in two of the files" in (output / "data.md").read_text(encoding="utf-8")
    again = {name: (output / f"{name}.jsonl.gz").read_bytes() for name in parts}
    run("split", rows, "--valid", "0.3", "--test", "0.2", "--seed", "1", "-o", output)
    assert again == {name: (output / f"{name}.jsonl.gz").read_bytes() for name in parts}


def test_split_drops_training_rows_with_a_state_that_is_held_out(tmp_path: Path) -> None:
    found = [{"state": "⊢ p", "tactic": "simp", "file": f"{i}.lean"} for i in range(30)]
    rows = write(tmp_path / "same.jsonl", found)
    run("split", rows, "--valid", "0.3", "-o", tmp_path / "a")
    assert read(tmp_path / "a" / "train.jsonl.gz") == []
    run("split", rows, "--valid", "0.3", "-o", tmp_path / "b", "--keep-shared")
    assert len(read(tmp_path / "b" / "train.jsonl.gz")) > 10


def test_split_must_leave_something(tmp_path: Path, rows: Path) -> None:
    result = run("split", rows, "--valid", "0.6", "--test", "0.5", "-o", tmp_path / "x")
    assert result.exit_code == 2
    assert "no rows to train on" in result.output


def test_decontaminate_drops_whole_theorems(tmp_path: Path, rows: Path) -> None:
    test_set = tmp_path / "Test.lean"
    test_set.write_text(
        "theorem x (k : Nat) : k + 7 = 7 + k := by sorry\ntheorem t9 : True := trivial\n",
        encoding="utf-8",
    )
    output = tmp_path / "clean.jsonl"
    result = run("decontaminate", rows, "--against", test_set, "-o", output)
    assert result.exit_code == 0, result.output
    assert {row["decl"] for row in read(rows)} - {row["decl"] for row in read(output)} == {
        "t7",
        "t9",
    }
    sheet = output.with_name("clean.jsonl.md").read_text(encoding="utf-8")
    assert "| x | 2 |" in sheet
    assert "4 rows of 2 statements dropped" in sheet
    run("decontaminate", rows, "--against", test_set, "-o", output, "--ignore-names")
    assert len(read(output)) == 78


def test_decontaminate_drops_the_theorems_that_steps_of_the_evaluation_set_are_from(
    tmp_path: Path, rows: Path
) -> None:
    steps = tmp_path / "test.jsonl"
    step = {"state": "z : Nat\n⊢ z = z * 1", "tactic": "simp", "decl": "t7"}
    steps.write_text(json.dumps(step), encoding="utf-8")
    output = tmp_path / "clean.jsonl"
    run("decontaminate", rows, "--against", steps, "-o", output)
    assert {row["decl"] for row in read(rows)} - {row["decl"] for row in read(output)} == {"t7"}


def test_decontaminate_drops_the_files_and_states_that_are_held_out(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    held = {"state": "p : Prop\n⊢ p", "tactic": "simp", "file": "mathlib/Mathlib/A.lean"}
    same_state = {"state": "p : Prop\n⊢  p", "tactic": "exact?", "file": "Mathlib/B.lean"}
    same_file = {"state": "q : Prop\n⊢ q", "tactic": "simp", "file": "Mathlib/A.lean"}
    other = {"state": "r : Prop\n⊢ r", "tactic": "simp", "file": "Mathlib/B.lean"}
    fileless = {"state": "s : Prop\n⊢ s", "tactic": "simp"}
    lines = [json.dumps(row) for row in (same_state, same_file, other, fileless)]
    rows.write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "valid.jsonl").write_text(
        "\n".join([json.dumps(held), json.dumps({"state": "⊢ 1 = 1", "tactic": "rfl"})]),
        encoding="utf-8",
    )
    (tmp_path / "Test.lean").write_text("theorem t : 1 = 1 := rfl\n", encoding="utf-8")
    output = tmp_path / "fair.jsonl"
    against = ("--against", tmp_path / "Test.lean", "--held-out", tmp_path / "valid.jsonl")
    result = run("decontaminate", rows, *against, "-o", output)
    assert result.exit_code == 0, result.output
    assert [row["state"] for row in read(output)] == ["r : Prop\n⊢ r", "s : Prop\n⊢ s"]
    sheet = output.with_name("fair.jsonl.md").read_text(encoding="utf-8")
    assert "| its file is held out | 1 |" in sheet
    assert "| its state is held out | 1 |" in sheet


def test_synth_splits_by_template(tmp_path: Path) -> None:
    parts: dict[str, set[str]] = {}
    for split in ("train", "valid"):
        output = tmp_path / f"{split}.jsonl"
        result = run("synth", "--rows", 300, "--split", split, "-o", output)
        assert result.exit_code == 0, result.output
        found = read(output)
        assert len(found) == 300
        assert {row["env"] for row in found} == {"core", "mathlib"}
        parts[split] = {row["state"] for row in found}
    assert parts["train"].isdisjoint(parts["valid"])
    with pytest.raises(LLMStepError, match="no family 'nosuch'"):
        run("synth", "--rows", 3, "--families", "basic, nosuch", "-o", tmp_path / "x.jsonl")
    assert not (tmp_path / "x.jsonl").exists()


def test_check_keeps_what_lean_accepts(tmp_path: Path) -> None:
    rows = write(
        tmp_path / "rows.jsonl",
        [
            {"state": "p : Prop\nh : p\n⊢ p", "tactic": "exact h", "file": "synthetic:a"},
            {"state": "p : Prop\nh : p\n⊢ p", "tactic": "exact bad", "file": "synthetic:a"},
            {"state": "odd : Prop\n⊢ True", "tactic": "trivial", "file": "synthetic:b"},
            {"state": "x : ℝ\n⊢ x = x", "tactic": "bad", "file": "synthetic:b"},
        ],
    )
    lean = shlex.join([sys.executable, str(FAKE_LEAN)])
    output = tmp_path / "out.jsonl"
    result = run("check", rows, "--lean", lean, "-o", output)
    assert result.exit_code == 0, result.output
    assert "Lean ran 3 of 4 rows: 1 good (33.3%)" in result.stdout
    assert [row["tactic"] for row in read(output)] == ["exact h", "bad"]
    sheet = output.with_name("out.jsonl.md").read_text(encoding="utf-8")
    assert "| synthetic:a | 50.0% of 2 good; 1 fails |" in sheet
    assert "| synthetic:b | 0.0% of 1 good; 1 unreadable |" in sheet
    assert "by `exact bad` | fails: Type mismatch |" in sheet
    run("check", rows, "--lean", lean, "-o", output, "--only-checked", "--keep-unreadable")
    assert [row["tactic"] for row in read(output)] == ["exact h", "trivial"]
    run("check", rows, "--lean", lean, "-o", output, "--import", "Mathlib")
    assert [row["tactic"] for row in read(output)] == ["exact h"]


def test_check_without_lean_is_told(tmp_path: Path, rows: Path) -> None:
    with pytest.raises(LLMStepError, match="`no-such-lean` is no command") as caught:
        run("check", rows, "--lean", "no-such-lean", "-o", tmp_path / "x.jsonl")
    assert "Install Lean" in caught.value.hint
