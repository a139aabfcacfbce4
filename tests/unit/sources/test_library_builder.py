"""Indexes of projects and packages, built from their source."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import time
from pathlib import Path

import attrs
import pytest

from llmstep.sources import library_builder
from llmstep.sources.library_builder import (
    IndexingError,
    Target,
    build_library,
    index_folder,
    is_built,
    remove_all_indexes,
    remove_old_indexes,
)
from llmstep.sources.library_index import LibraryIndex


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "P").mkdir(parents=True)
    (root / "lakefile.toml").write_text('name = "project"\n')
    (root / "P" / "A.lean").write_text(
        "namespace Own\ntheorem glorp (a : ℕ) : a + 0 = a := by\n  simp\n"
        "private theorem hidden : 1 = 1 := rfl\nend Own\n"
    )
    (root / "P" / "B.lean").write_text("import P.A\n\ntheorem other : 2 = 2 := by\n  rfl\n")
    return root


def build(target: Target) -> tuple[bool, list[str], list[tuple[int, int]]]:
    notes: list[str] = []
    told: list[tuple[int, int]] = []
    return build_library(target, lambda *n: told.append(n), notes.append), notes, told


def test_a_project_becomes_an_index(project: Path) -> None:
    target = Target.of_project(project)
    new, notes, told = build(target)
    assert (new, notes, told[-1]) == (True, [], (2, 2))
    index = LibraryIndex(target.index)
    assert index.has_name("Own.glorp")
    assert not index.has_name("Own.hidden")
    found = index.find_statement("Own.glorp")
    assert found is not None
    assert (found.module, found.binders, found.conclusion) == ("P.A", "(a : ℕ)", "a + 0 = a")
    assert len(index) == 3  # the first step of each proof
    assert json.loads(target.modules.read_text()) == {"P.A": [], "P.B": ["P.A"]}


def test_only_what_changed_is_read_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = Target.of_project(project)
    build(target)
    read: list[str] = []
    real = library_builder.read_regular

    def reading(path: Path) -> bytes:
        read.append(path.name)
        return real(path)

    monkeypatch.setattr(library_builder, "read_regular", reading)
    assert build(target)[0] is False
    (project / "P" / "B.lean").write_text("import P.A\n\ntheorem changed : 2 = 2 := rfl\n")
    assert build(target)[0] is True
    assert read == ["B.lean"]
    index = LibraryIndex(target.index)
    assert index.has_name("changed")
    assert not index.has_name("other")
    (project / "P" / "B.lean").unlink()
    assert build(target)[0] is True
    assert not LibraryIndex(target.index).has_name("changed")
    assert read == ["B.lean"]


def test_a_package_at_a_commit_is_read_once(project: Path) -> None:
    target = Target("package", project, "package-0123", fixed=True)
    assert build(target)[0] is True
    assert not target.store.exists()
    (project / "P" / "B.lean").unlink()
    assert build(target)[0] is False


def test_a_package_that_an_older_parser_read_is_read_again(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = attrs.evolve(Target.of_project(project), fixed=True)
    build(target)
    assert is_built(target)
    monkeypatch.setattr(library_builder, "PARSER_VERSION", library_builder.PARSER_VERSION + 1)
    assert not is_built(target)
    assert build(target)[0] is True
    assert is_built(target)


def test_what_a_kill_interrupts_goes_on_where_it_stopped(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(120):
        (project / "P" / f"F{number:03}.lean").write_text(f"theorem t{number} : p := rfl\n")
    target = Target("package", project, "package-0123", fixed=True)
    real = library_builder.read_regular
    read: list[str] = []

    def dying(path: Path) -> bytes:
        read.append(path.name)
        if len(read) == 80:
            raise KeyboardInterrupt
        return real(path)

    monkeypatch.setattr(library_builder, "read_regular", dying)
    with pytest.raises(KeyboardInterrupt):
        build(target)
    assert not is_built(target)
    assert build(target)[0] is True
    assert len(read) == 80 + 122 - 50
    assert LibraryIndex(target.index).has_name("t119")


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_what_is_kept_is_for_the_user_alone(project: Path) -> None:
    build(Target.of_project(project))
    for path in [index_folder(), *index_folder().iterdir()]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_files_that_say_little(project: Path) -> None:
    (project / "P" / "C.lean").write_bytes(
        b"theorem \xff\xfe : := by\n\xc3theorem good : p := rfl\n"
    )
    (project / "P" / "D.lean").write_text(
        "theorem broken (a : b := (((\n\ntheorem good : p := rfl\n"
    )
    (project / "P" / "E.lean").write_bytes(b"\0" * 1000)
    (project / "P" / "F.lean").write_text("((" * 20_000)
    target = Target.of_project(project)
    assert build(target)[:2] == (True, [])
    assert LibraryIndex(target.index).has_name("good")


def test_an_index_of_an_older_version_is_built_anew(project: Path) -> None:
    target = Target.of_project(project)
    build(target)
    target.index.write_bytes(b'\x10\0\0\0\0\0\0\0{"a": 1}        ')
    assert not is_built(target)
    assert build(target)[0] is True
    assert is_built(target)


@pytest.mark.parametrize("content", [b"no database at all" * 100, b""])
def test_a_damaged_store_is_begun_anew(project: Path, content: bytes) -> None:
    target = Target.of_project(project)
    build(target)
    target.store.write_bytes(content)
    assert build(target)[0] is True
    assert is_built(target)


def test_a_store_of_another_version_is_begun_anew(project: Path) -> None:
    target = Target.of_project(project)
    build(target)
    with sqlite3.connect(target.store) as database:
        database.execute("PRAGMA user_version = 99")
        database.execute("DROP TABLE files")
        database.execute("CREATE TABLE files (nonsense)")
    database.close()
    assert build(target)[0] is True


def test_a_full_disk_is_told_and_leaves_the_old_index(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Target.of_project(project)
    build(target)
    before = target.index.read_bytes()
    (project / "P" / "B.lean").write_text("theorem changed : 2 = 2 := rfl\n")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(library_builder, "_write", full)
        with pytest.raises(IndexingError, match="No space left"):
            build(target)
    assert target.index.read_bytes() == before


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(IndexingError, match="gone"):
        build(Target("gone", tmp_path / "gone", "gone-1", fixed=True))


def test_a_file_that_vanishes_meanwhile(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = library_builder.find_lean_files

    def finding(*arguments: object) -> object:
        found = real(*arguments)  # pyright: ignore[reportArgumentType]
        (project / "P" / "B.lean").unlink()
        return found

    monkeypatch.setattr(library_builder, "find_lean_files", finding)
    target = Target.of_project(project)
    assert build(target)[:2] == (True, [])
    assert LibraryIndex(target.index).has_name("Own.glorp")


def test_old_indexes_are_removed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Target("one", project, "one-1", fixed=True)
    two = Target("two", project, "two-2", fixed=True)
    build(one)
    build(two)
    assert remove_old_indexes() == []
    old = time.time() - 100 * 86_400
    for path in (one.index, one.modules):
        os.utime(path, (old, old))
    assert remove_old_indexes(frozenset({"one-1"})) == []
    assert sorted(remove_old_indexes()) == sorted([one.index, one.modules])
    assert is_built(two)
    monkeypatch.setattr(library_builder, "_LARGEST_BYTES", 10)
    assert remove_old_indexes()
    assert not is_built(two)
    build(one)
    assert remove_all_indexes()
    assert not list(index_folder().iterdir())


def test_two_projects_on_one_cache(project: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / "project"
    (other / "P").mkdir(parents=True)
    (other / "P" / "A.lean").write_text("theorem elsewhere : p := rfl\n")
    first, second = Target.of_project(project), Target.of_project(other)
    build(first)
    build(second)
    assert LibraryIndex(first.index).has_name("Own.glorp")
    assert not LibraryIndex(second.index).has_name("Own.glorp")
