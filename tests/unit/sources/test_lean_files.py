"""Lean files found and read, whatever lies beside them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llmstep.sources import lean_files
from llmstep.sources.lean_files import decode, find_lean_files, module_name, read_regular


def names(root: Path, notes: list[str] | None = None) -> list[str]:
    return [
        file.module
        for file in find_lean_files(root, (root,), (notes if notes is not None else []).append)
    ]


def test_files_with_their_modules(tmp_path: Path) -> None:
    for name in ("B.lean", "A/C.lean", ".lake/D.lean", "build/E.lean", "A/f.txt", ".hidden.lean"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert sorted(names(tmp_path)) == [".hidden", "A.C", "B"]
    assert module_name(tmp_path / "src" / "A.lean", (tmp_path / "src", tmp_path)) == "A"
    assert module_name(Path("/elsewhere/A.lean"), (tmp_path,)) == ""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_what_is_no_file_is_left_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "Pipe.lean")
    (tmp_path / "Folder.lean").mkdir()
    (tmp_path / "Loop").symlink_to(tmp_path)
    (tmp_path / "Nothing.lean").symlink_to(tmp_path / "gone")
    (tmp_path / "Circle.lean").symlink_to(tmp_path / "Circle.lean")
    (tmp_path / "Good.lean").touch()
    assert names(tmp_path) == ["Good"]
    with pytest.raises(OSError, match="regular"):
        read_regular(tmp_path / "Pipe.lean")
    with pytest.raises(IsADirectoryError):
        read_regular(tmp_path)


def test_too_many_and_too_large_files_are_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        (tmp_path / f"F{number}.lean").write_text("x" * 10 * number)
    monkeypatch.setattr(lean_files, "MOST_FILES", 3)
    monkeypatch.setattr(lean_files, "LARGEST_BYTES", 15)
    notes: list[str] = []
    assert names(tmp_path, notes) == ["F0", "F1"]
    monkeypatch.setattr(lean_files, "LARGEST_BYTES", 1000)
    assert names(tmp_path, notes) == ["F0", "F1", "F2"]
    assert any("more than 3" in note for note in notes)
    with pytest.raises(OSError, match="more than 20 bytes"):
        read_regular(tmp_path / "F5.lean", 20)


@pytest.mark.skipif(os.name != "posix" or os.getuid() == 0, reason="permissions do not bind")
def test_a_folder_that_cannot_be_read_is_noted(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    (tmp_path / "A.lean").touch()
    notes: list[str] = []
    assert names(tmp_path, notes) == ["A"]
    assert "closed" in notes[0]


def test_texts_in_other_encodings() -> None:
    assert decode("theorem ℕ".encode()) == "theorem ℕ"
    assert decode("\ufefftheorem".encode()) == "theorem"
    assert decode(b"a\r\nb") == "a\nb"
    assert decode("theorem ℕ".encode("utf-16")) == "theorem ℕ"
    assert decode(b"theorem \xe9 : p") == "theorem \ufffd : p"
