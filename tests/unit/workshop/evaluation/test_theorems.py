from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstep_workshop.errors import TheoremFileError
from llmstep_workshop.evaluation.theorems import (
    add_import,
    collect_theorems,
    find_theorems,
    read_theorems,
)

FILE = """\
/- A licence. -/
import Mathlib

/-- Not `:= by` this. -/
@[simp]
theorem foo.bar (n : ℕ := 3) (h : let x := 2; x = n) : n = n := by
  rfl

lemma «odd name» : let y := 2
    y = 2 := rfl

theorem byMatch : ∀ n : Nat, n = n
  | 0 => rfl
  | n + 1 => rfl

namespace A
protected theorem kept : True := by sorry
example (a : Nat) : a = a := by simp
-- theorem no : False := by sorry
end A

def five := 5
"""


def test_statements_end_at_their_own_sign() -> None:
    found = {theorem.name: theorem for theorem in find_theorems(FILE, "F.lean")}
    assert list(found) == ["foo.bar", "«odd name»", "kept", "example_at_line_18"]
    first = found["foo.bar"]
    assert first.statement.startswith("/-- Not `:= by` this. -/\n@[simp]\ntheorem foo.bar")
    assert first.statement.endswith("n = n")
    assert first.before == "/- A licence. -/\nimport Mathlib\n\n"
    assert (first.line, first.file) == (6, "F.lean")
    assert found["«odd name»"].statement == "lemma «odd name» : let y := 2\n    y = 2"


def test_what_has_no_name_gets_one_and_protection_is_lifted() -> None:
    found = {theorem.name: theorem for theorem in find_theorems(FILE, "F.lean")}
    example = found["example_at_line_18"]
    assert example.declared == example.name
    assert example.statement == "theorem example_at_line_18 (a : Nat) : a = a"
    assert found["kept"].statement == "theorem kept : True"
    assert found["kept"].before.endswith("namespace A\n")


def test_the_natural_number_game() -> None:
    text = (
        "import Game.Metadata\nWorld \"Addition\"\nLevel 1\n\nStatement zero_add\n    (n : ℕ) : "
        "0 + n = n := by\n  Hint \"x := by\"\n  rfl\n\nStatement (a : ℕ) : a = a := by\n  rfl\n"
    )  # fmt: skip
    named, unnamed = find_theorems(text, "L01.lean")
    assert named.declared == "zero_add"
    assert " ".join(named.statement.split()) == "theorem zero_add (n : ℕ) : 0 + n = n"
    assert unnamed.declared == "example_at_line_10"
    assert unnamed.before.startswith("import Game.Metadata\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "import X\n"),
        ("open Nat\n", "import X\nopen Nat\n"),
        ("module\n\nopen Nat\n", "module\nimport X\n\nopen Nat\n"),
        (
            "/- import no -/\nimport A\npublic meta import B.C\nopen Nat\n",
            "/- import no -/\nimport A\npublic meta import B.C\nimport X\nopen Nat\n",
        ),
        ("import A -- b\n\npublic def x := 1\n", "import A\nimport X -- b\n\npublic def x := 1\n"),
        ('import A\nIntro "\nimport B"', 'import A\nimport X\nIntro "\nimport B"'),
    ],
)
def test_an_import_goes_behind_the_others(text: str, expected: str) -> None:
    assert add_import(text, "X") == expected


def test_records_of_several_collections(write_rows: Callable[..., Path]) -> None:
    header = "import Mathlib\nopen Nat\n"
    first = {"name": "a", "split": "valid", "formal_statement": "theorem a : 1 = 1 := by\n"}
    whole = {"problem_id": "b 2", "formal_statement": f"{header}theorem b : 1 = 1 := by sorry"}
    two = {"formal_statement": "def two := 2\n\nlemma c : two = 2 := sorry", "header": header}
    bare = {"formal_statement": "theorem bare (n : Nat) : n = n"}
    path = write_rows(first | {"header": header}, "", whole, two, bare)
    theorems = read_theorems(path)
    assert [theorem.name for theorem in theorems] == ["a", "b 2", "c", "bare"]
    assert [theorem.declared for theorem in theorems] == ["a", "b", "c", "bare"]
    assert [theorem.line for theorem in theorems] == [1, 3, 4, 5]
    assert theorems[0].before == "import Mathlib\nopen Nat\n\n"
    assert theorems[0].statement == "theorem a : 1 = 1"
    assert "def two := 2" in theorems[2].before
    assert len({theorem.digest for theorem in theorems}) == 4
    assert [theorem.name for theorem in read_theorems(path, "valid")] == ["a"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"rows.jsonl:2: not JSON"),
        ("[1]", r"rows.jsonl:2: a list"),
        ({"name": "x"}, r"rows.jsonl:2: field 'formal_statement': missing"),
        ({"formal_statement": 5}, r"rows.jsonl:2: field 'formal_statement': expected"),
        ({"formal_statement": "theorem a : 1 = 1", "name": " "}, r":2: field 'name': expected"),
        ({"formal_statement": "def x := 5"}, r":2: field 'formal_statement': there is no theorem"),
    ],
)
def test_a_bad_record_is_named_by_line_and_field(
    line: object, message: str, write_rows: Callable[..., Path]
) -> None:
    path = write_rows({"formal_statement": "theorem a : 1 = 1"}, line)
    with pytest.raises(TheoremFileError, match=message):
        read_theorems(path)


def test_files_without_theorems_are_told(tmp_path: Path, write_rows: Callable[..., Path]) -> None:
    empty = tmp_path / "Empty.lean"
    empty.write_text("def x := 5\n", encoding="utf-8")
    with pytest.raises(TheoremFileError, match=r"Empty.lean: holds no theorem"):
        read_theorems(empty)
    with pytest.raises(TheoremFileError, match="of the split 'test'"):
        read_theorems(write_rows({"formal_statement": "theorem a : 1 = 1"}), "test")
    with pytest.raises(TheoremFileError, match="cannot be read"):
        read_theorems(tmp_path / "missing.lean")
    empty.write_bytes(b"\xff\xfe")
    with pytest.raises(TheoremFileError, match="cannot be read"):
        read_theorems(empty)
    with pytest.raises(TheoremFileError, match="no theorem below"):
        collect_theorems([_folder(tmp_path)])


def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True, exist_ok=True)
    (folder / "sub" / "Plain.lean").write_text("def y := 1\n", encoding="utf-8")
    return folder


def test_folders_are_searched(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    for name in ("sub/B.lean", "A.lean"):
        (folder / name).write_text("theorem t : True := by sorry\r\n", encoding="utf-8")
    (folder / "note.txt").write_text("theorem no : True := by sorry", encoding="utf-8")
    found = collect_theorems([folder])
    assert [theorem.file for theorem in found] == ["folder/A.lean", "sub/B.lean"]


@given(st.text(alphabet="theormlxap \n:=by(){}-/\"'let|⟨⟩«»@[]"))
def test_any_text_is_read(text: str) -> None:
    for theorem in find_theorems(text, "any.lean"):
        assert text.startswith(theorem.before)
        assert theorem.name
        assert "import X" in add_import(text, "X")


def test_an_import_is_added_behind_the_others() -> None:
    assert add_import("import A\n\ntheorem", "B") == "import A\nimport B\n\ntheorem"
    assert add_import("theorem", "B") == "import B\ntheorem"
    assert add_import("module\n\ntheorem", "B") == "module\nimport B\n\ntheorem"
