"""The names of a library are counted once, and again when anything is wrong with the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmstep import paths
from llmstep.sources import common_names
from llmstep.sources.common_names import CommonNames
from llmstep.sources.library_index import LibraryIndex
from llmstep.sources.sources import BUILTIN_LIBRARY, library_path
from llmstep.sources.steps import endings, unmarked_names

STEPS = [("exact Nat.add_comm x✝ y", 1), ("rw [Nat.add_comm, once_only]", 1), ("simp_all", 2)]
NAMES = ["Nat.add_comm", "add_comm", "simp_all"]


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path / "home"))
    library = tmp_path / "a.tactics"
    library.write_bytes(b"index")
    return library


def count(library: Path, steps: list[tuple[str, int]] = STEPS) -> list[str]:
    return CommonNames(library, lambda: iter(steps)).get()


def read(library: Path) -> list[str]:
    def refuse() -> Iterator[tuple[str, int]]:
        raise AssertionError("counted again")

    return CommonNames(library, refuse).get()


def kept() -> list[Path]:
    return list((paths.cache_dir() / "names").glob("*.names"))


@pytest.mark.parametrize("steps", [STEPS, []])
def test_names_are_counted_once(library: Path, steps: list[tuple[str, int]]) -> None:
    assert count(library, steps) == read(library) == (NAMES if steps else [])


def test_another_library_in_its_place_is_counted(library: Path) -> None:
    count(library)
    library.write_bytes(b"another index")
    assert count(library, [("exact new_name", 2)]) == ["exact", "new_name"]


@pytest.mark.parametrize(
    "damaged", [b"", b"1 5 3\nadd_comm\n", b"\xff\xfe", b"three\na\nb\nc", b"1 6 1\na\n"]
)
def test_a_damaged_file_is_counted_again_and_replaced(library: Path, damaged: bytes) -> None:
    count(library)
    [file] = kept()
    file.write_bytes(damaged)
    assert count(library) == NAMES
    assert read(library) == NAMES


def test_without_a_folder_to_write_to_they_are_counted(library: Path) -> None:
    blocked = paths.cache_dir() / "names"
    blocked.parent.mkdir(parents=True)
    blocked.write_text("in the way", encoding="utf-8")
    assert count(library) == NAMES


def test_a_library_that_is_gone_was_opened_all_the_same(library: Path) -> None:
    library.unlink()
    assert count(library) == NAMES


def test_names_that_come_with_a_library_are_read(library: Path) -> None:
    CommonNames(library, lambda: iter(STEPS)).write()
    for file in kept():
        file.unlink()
    assert read(library) == NAMES
    assert not kept()
    library.write_bytes(b"another index")
    assert count(library, [("exact new_name", 2)]) == ["exact", "new_name"]
    CommonNames(library, lambda: iter(STEPS)).write()
    assert read(library) == NAMES


def test_the_shipped_names_are_those_of_the_shipped_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path))
    path = library_path(BUILTIN_LIBRARY)
    shipped = path.with_name(f"{path.name}.names")
    assert shipped.stat().st_size < 1_000_000
    index = LibraryIndex(path)
    counts: Counter[str] = Counter()
    for text, taken in index.count_steps():
        for name in unmarked_names(text):
            counts[name] += min(taken, 2)
    used = {ending for name, count in counts.items() if count > 1 for ending in endings(name)}
    assert index.common_names() == sorted(used)
    assert not kept()  # they were read, not counted
    assert shipped.read_text(encoding="utf-8").split("\n")[1:-1] == sorted(used)


def test_a_few_libraries_are_kept(library: Path, tmp_path: Path) -> None:
    for number in range(7):
        other = tmp_path / f"{number}.tactics"
        other.write_bytes(b"index")
        count(other)
    assert len(kept()) == 4


def test_counting_stops_when_it_is_not_wanted_and_goes_on_from_there(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common_names, "_AT_ONCE", 1)
    told: list[str] = []

    def steps() -> Iterator[tuple[str, int]]:
        for text, taken in STEPS:
            told.append(text)
            yield text, taken

    names = CommonNames(library, steps)
    names.prepare(lambda: len(told) < 2)
    assert len(told) == 2
    assert names.get() == NAMES
    assert told == [text for text, _ in STEPS]


def test_a_library_that_cannot_be_read_is_tried_again(library: Path) -> None:
    steps: list[tuple[str, int]] = []

    def read_steps() -> Iterator[tuple[str, int]]:
        if not steps:
            raise ValueError("damaged")
        yield from steps

    names = CommonNames(library, read_steps)
    for _ in range(2):
        with pytest.raises(ValueError, match="damaged"):
            names.get()
    steps += STEPS
    assert names.get() == NAMES
