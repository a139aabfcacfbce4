"""The files that a document imports, read at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llmstep.sources import near_files
from llmstep.sources.near_files import read_near_files


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "P").mkdir()
    write(tmp_path, "A", "import P.B\nimport Mathlib.Order\ntheorem a : 1 = 1 := rfl\n")
    write(tmp_path, "B", "import P.A\ntheorem b : 2 = 2 := rfl\n")
    write(tmp_path, "C", "theorem c : 3 = 3 := rfl\n")
    return tmp_path


def write(root: Path, name: str, text: str) -> None:
    (root / "P" / f"{name}.lean").write_text(text, encoding="utf-8")


def names(root: Path, *modules: str) -> list[str]:
    found = read_near_files((root,), modules)
    return [s.name for file in found.files.values() for s in file.statements]


def test_what_is_imported_is_read_with_what_it_imports(root: Path) -> None:
    found = read_near_files((root / "nowhere", root), ("P.A", "Mathlib.Logic"))
    imports = {module: file.imports for module, file in found.files.items()}
    assert imports == {"P.A": ("P.B", "Mathlib.Order"), "P.B": ("P.A",)}
    assert [s.module for s in found.files["P.B"].statements] == ["P.B"]
    assert found.newer({"P.A": ()}, 0) == ["P.A", "P.B"]
    assert found.newer({"P.A": ()}, max(found.changed.values())) == ["P.B"]


def test_a_file_that_changed_is_read_anew_and_no_other(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert names(root, "P.A") == ["a", "b"]
    read: list[str] = []
    parse = near_files.parse_file

    def watch(text: str, *, steps: bool) -> near_files.ParsedFile:
        read.append(text)
        return parse(text, steps=steps)

    monkeypatch.setattr(near_files, "parse_file", watch)
    write(root, "B", "theorem other : 2 = 2 := rfl\n")
    assert names(root, "P.A") == ["a", "other"]
    assert read == ["theorem other : 2 = 2 := rfl\n"]


def test_bounds_hold(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_files, "_MOST_BYTES", 100)
    write(root, "A", f"import P.B\n-- {'x' * 200}\n")
    assert names(root, "P.A", "P.C") == ["c"]
    monkeypatch.setattr(near_files, "_MOST_FILES", 1)
    assert names(root, "P.C", "P.A") == ["c"]
    monkeypatch.setattr(near_files, "_MOST_SECONDS", 0.0)
    assert names(root, "P.C") == []


@pytest.mark.parametrize("module", ["", "P", "P.Gone", "..P.C", "P...C", "/etc/hostname", "P.\0"])
def test_what_is_no_file_is_passed_over(root: Path, module: str) -> None:
    assert names(root, module, "P.C") == ["c"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_passed_over(root: Path) -> None:
    os.mkfifo(root / "P" / "Pipe.lean")
    assert names(root, "P.Pipe", "P.C") == ["c"]
