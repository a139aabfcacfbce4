"""What a document can use of its project, read by another process meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from llmstep.config import Settings
from llmstep.prompts.goal import parse_goal
from llmstep.sources import indexer
from llmstep.sources.features import goal_features
from llmstep.sources.libraries import Libraries, ProjectTable
from llmstep.sources.projects import NOTHING, AtHand, Projects
from llmstep.sources.sources import Sources

GOAL = parse_goal("a b : ℕ\n⊢ glorp a b = glorp b a")
B = "import P.A\n\ntheorem use (a b : ℕ) : glorp a b = glorp b a := by\n  "


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(indexer, "_AGAIN_S", 0.2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    package = root / ".lake" / "packages" / "pack"
    for folder in (root / "P", package / "Pack"):
        folder.mkdir(parents=True)
    (root / "lakefile.toml").write_text('name = "project"\n')
    (root / "P" / "A.lean").write_text(
        "import Pack.Inner\n\nnamespace Own\n\n"
        "theorem glorp_comm (a b : ℕ) : glorp a b = glorp b a := by\n  simp [glorp]\n\nend Own\n"
    )
    (root / "P" / "B.lean").write_text(B)
    (root / "P" / "Far.lean").write_text("theorem far_glorp : glorp 1 2 = glorp 2 1 := rfl\n")
    (package / "lakefile.toml").write_text('name = "pack"\n')
    (package / "Pack" / "Inner.lean").write_text(
        "theorem pack_glorp (a b : ℕ) : glorp a b = glorp b a := rfl\n"
    )
    (package / "Pack" / "Other.lean").write_text("theorem other_glorp : glorp 1 2 = 3 := rfl\n")
    return root


@pytest.fixture
def projects() -> Iterator[Projects]:
    projects = Projects()
    yield projects
    projects.close()


def wait_for(answer: Callable[[], AtHand], ready: Callable[[AtHand], bool]) -> AtHand:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if ready(found := answer()):
            return found
        time.sleep(0.05)
    raise AssertionError("the project was never read")


def uri_of(path: Path) -> str:
    return path.as_uri()


def named(at_hand: AtHand) -> list[str]:
    return [statement.name for statement, _ in ProjectTable(at_hand).rank(GOAL, 10)]


def test_a_document_has_what_its_imports_reach(root: Path, projects: Projects) -> None:
    uri = uri_of(root / "P" / "B.lean")
    assert projects.at_hand(uri, B) is NOTHING  # nothing waits for the disk
    found = wait_for(lambda: projects.at_hand(uri, B), lambda found: len(found.libraries) == 2)
    assert named(found) == ["Own.glorp_comm"]
    libraries = Libraries(None, found)
    assert [s.name for s, _ in libraries.premises(GOAL, 10)] == ["pack_glorp"]
    assert libraries.find_statement("pack_glorp") is not None
    assert libraries.find_statement("other_glorp") is None  # not imported
    assert libraries.has_name("other_glorp")
    assert any("glorp" in step.step for step in libraries.nearest(goal_features(GOAL), 5))
    assert not found.missing
    (status,) = projects.status()
    assert {index.name: index.state for index in status.indexes} == {
        "project": "ready",
        "pack": "ready",
    }
    nothing = projects.at_hand(uri, "theorem t : p := by\n  ")
    assert named(nothing) == []


def test_what_changed_on_disk_is_read_again(root: Path, projects: Projects) -> None:
    uri = uri_of(root / "P" / "B.lean")
    first = wait_for(lambda: projects.at_hand(uri, B), lambda found: len(found.libraries) == 2)
    (root / "P" / "A.lean").write_text("theorem glorp_new : glorp 2 1 = glorp 1 2 := rfl\n")
    later = wait_for(lambda: projects.at_hand(uri, B), lambda found: named(found) == ["glorp_new"])
    assert later.version != first.version


def test_a_file_that_is_edited_counts_as_it_is_now(root: Path, projects: Projects) -> None:
    uri, other = uri_of(root / "P" / "B.lean"), uri_of(root / "P" / "A.lean")
    first = wait_for(lambda: projects.at_hand(uri, B), lambda found: len(found.libraries) == 2)
    projects.note_document(other, "theorem glorp_edited : glorp 2 1 = glorp 1 2 := rfl\n")
    edited = projects.at_hand(uri, B)
    assert named(edited) == ["glorp_edited"]
    assert edited.version != first.version
    projects.note_document(other, None)
    assert named(projects.at_hand(uri, B)) == ["Own.glorp_comm"]


@pytest.mark.parametrize("uri", ["untitled:1", "", "file:///nowhere/at/all/A.lean", "file://["])
def test_a_document_without_a_project(uri: str, projects: Projects) -> None:
    assert projects.at_hand(uri, B) is NOTHING
    time.sleep(0.05)
    assert projects.at_hand(uri, B) is NOTHING
    assert projects.status() == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_in_place_of_files(root: Path, projects: Projects) -> None:
    (root / "lakefile.toml").unlink()
    (root / "lakefile.lean").touch()
    os.mkfifo(root / "lakefile.toml")
    os.mkfifo(root / "lake-manifest.json")
    os.mkfifo(root / "P" / "Pipe.lean")
    uri = uri_of(root / "P" / "B.lean")
    found = wait_for(lambda: projects.at_hand(uri, B), lambda found: len(found.libraries) == 2)
    assert named(found) == ["Own.glorp_comm"]


def test_the_process_ends_with_the_reader_and_is_idle(root: Path, projects: Projects) -> None:
    uri = uri_of(root / "P" / "B.lean")
    wait_for(lambda: projects.at_hand(uri, B), lambda found: len(found.libraries) == 2)
    (worker,) = [
        child
        for child in psutil.Process().children()
        if any("index_worker" in word for word in child.cmdline())
    ]
    if os.name == "posix":
        assert worker.nice() == 19
    projects.close()
    worker.wait(30)
    assert projects.at_hand(uri, B).libraries  # what was read stays


def test_a_cache_folder_that_cannot_be_written(
    root: Path, tmp_path: Path, projects: Projects, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "cache").write_text("a file where a folder should be")
    uri = uri_of(root / "P" / "B.lean")
    wait_for(
        lambda: projects.at_hand(uri, B),
        lambda _: any(
            index.state == "failed" for status in projects.status() for index in status.indexes
        ),
    )
    assert projects.at_hand(uri, B).libraries == ()
    assert [r for r in caplog.records if "cannot be built" in r.message]


def test_sources_name_the_lemma_of_the_project(root: Path) -> None:
    sources = Sources(Settings(sources=("library", "file")))
    uri = uri_of(root / "P" / "B.lean")
    goal = "a b : ℕ\n⊢ glorp a b = glorp b a"
    try:
        before = sources.fingerprint(B, uri)["project"]
        end = time.monotonic() + 120
        while sources.fingerprint(B, uri)["project"] == before and time.monotonic() < end:
            time.sleep(0.05)
        while time.monotonic() < end:
            offered = [text for text, _ in sources.gather(goal, B, uri=uri).propose()]
            if any("pack_glorp" in text for text in offered):
                break
            time.sleep(0.1)
        assert any("Own.glorp_comm" in text for text in offered)
        assert not any("far_glorp" in text for text in offered)
        assert sources.project_status()
    finally:
        sources.close()


def test_the_project_can_be_left_alone(root: Path) -> None:
    sources = Sources(Settings(sources=("library", "file"), project=False))
    uri = uri_of(root / "P" / "B.lean")
    assert sources.fingerprint(B, uri)["project"] == ""
    assert sources.project_status() == []
    sources.close()
