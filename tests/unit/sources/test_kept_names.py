"""The names of a library are counted once, and again when anything is wrong with the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmstep import paths
from llmstep.sources.kept_names import keep_names

NAMES = ["Nat.add_comm", "add_comm", "x✝"]


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path / "home"))
    library = tmp_path / "a.tactics"
    library.write_bytes(b"index")
    return library


def refuse() -> list[str]:
    raise AssertionError("counted again")


def kept() -> list[Path]:
    return list((paths.cache_dir() / "names").glob("*.txt"))


@pytest.mark.parametrize("names", [NAMES, []])
def test_names_are_counted_once(library: Path, names: list[str]) -> None:
    assert keep_names(library, lambda: list(names)) == names
    assert keep_names(library, refuse) == names


def test_another_library_in_its_place_is_counted(library: Path) -> None:
    keep_names(library, lambda: ["old"])
    library.write_bytes(b"another index")
    assert keep_names(library, lambda: ["new"]) == ["new"]


@pytest.mark.parametrize("damaged", [b"", b"3\nadd_comm", b"\xff\xfe", b"three\na\nb\nc"])
def test_a_damaged_file_is_counted_again_and_replaced(library: Path, damaged: bytes) -> None:
    keep_names(library, lambda: NAMES)
    [file] = kept()
    file.write_bytes(damaged)
    assert keep_names(library, lambda: NAMES) == NAMES
    assert keep_names(library, refuse) == NAMES


def test_without_a_folder_to_write_to_they_are_counted(library: Path) -> None:
    blocked = paths.cache_dir() / "names"
    blocked.parent.mkdir(parents=True)
    blocked.write_text("in the way", encoding="utf-8")
    assert keep_names(library, lambda: NAMES) == NAMES


def test_a_few_libraries_are_kept(library: Path, tmp_path: Path) -> None:
    for number in range(7):
        other = tmp_path / f"{number}.tactics"
        other.write_bytes(b"index")
        keep_names(other, lambda: NAMES)
    assert len(kept()) == 4
