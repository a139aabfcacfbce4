"""What a document can use of its project, read by another process meanwhile."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from llmstep import paths
from llmstep.config import Settings
from llmstep.lean_text.document import LeanDocument
from llmstep.lean_text.imports import read_header
from llmstep.lean_text.statements import Statement
from llmstep.prompts.goal import parse_goal
from llmstep.sources import indexer
from llmstep.sources import projects as module
from llmstep.sources.evidence import Evidence
from llmstep.sources.features import goal_features
from llmstep.sources.index_writer import write_index
from llmstep.sources.indexer import Indexer
from llmstep.sources.libraries import Libraries, ProjectTable
from llmstep.sources.library_index import LibraryIndex
from llmstep.sources.mixing import load_mixing
from llmstep.sources.module_reach import Reach, find_reach
from llmstep.sources.premise_source import find_named
from llmstep.sources.premises import PremiseTable, Ranker
from llmstep.sources.projects import NOTHING, AtHand, Projects
from llmstep.sources.sources import Sources
from llmstep.sources.statement_features import goal_query
from llmstep.sources.steps import ProofStep, lemma_names

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
    end = time.monotonic() + 300  # the indexing process has the lowest priority
    while time.monotonic() < end:
        if ready(found := answer()):
            return found
        time.sleep(0.05)
    raise AssertionError("the project was never read")


def uri_of(path: Path) -> str:
    return path.as_uri()


def named(at_hand: AtHand) -> list[str]:
    return [statement.name for statement, _ in ProjectTable(at_hand).rank(goal_query(GOAL), 10)]


def test_a_document_has_what_its_imports_reach(root: Path, projects: Projects) -> None:
    uri = uri_of(root / "P" / "B.lean")
    found = wait_for(lambda: projects.at_hand(uri, B), lambda found: len(found.libraries) == 2)
    assert named(found) == ["Own.glorp_comm"]
    libraries = Libraries(None, found)
    assert [s.name for s, _ in libraries.premises(goal_query(GOAL), 10)] == ["pack_glorp"]
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


def test_the_files_it_imports_count_before_any_index_is_there(
    root: Path, projects: Projects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Indexer, "want", lambda *_: None)
    uri = uri_of(root / "P" / "B.lean")
    found = wait_for(lambda: projects.at_hand(uri, B), lambda found: bool(found.edited))
    assert found.libraries == ()
    assert named(found) == ["Own.glorp_comm"]
    assert found.edited[0].module == "P.A"
    assert found.missing == ("project",)
    assert found.reaches is not None
    assert not found.reaches("P.Far")
    assert found.reaches("Mathlib.Order.Basic")  # nobody has read yet what Pack.Inner imports
    far = "import P.Far\n"
    later = wait_for(lambda: projects.at_hand(uri, far), lambda found: bool(found.edited))
    assert named(later) == ["far_glorp"]
    assert later.reaches is not None
    assert later.reaches.without_mathlib


def test_a_document_waits_for_its_project_once_and_not_long(
    root: Path, projects: Projects, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    waits: list[float] = []

    class Watched(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.extend([] if timeout is None else [timeout])
            return timeout is None and super().wait()

    monkeypatch.setattr(module, "find_root", lambda path: release.wait(60) and None)
    monkeypatch.setattr(module.threading, "Event", Watched)
    uri = uri_of(root / "P" / "B.lean")
    for _ in range(3):
        assert projects.at_hand(uri, B) is NOTHING
    release.set()
    assert waits == [module._PATIENCE_S]


def test_what_changed_on_disk_is_read_again(root: Path, projects: Projects) -> None:
    uri = uri_of(root / "P" / "B.lean")
    first = wait_for(lambda: projects.at_hand(uri, B), lambda found: len(found.libraries) == 2)
    (root / "P" / "A.lean").write_text("theorem glorp_new : glorp 2 1 = glorp 1 2 := rfl\n")
    later = wait_for(lambda: projects.at_hand(uri, B), lambda found: named(found) == ["glorp_new"])
    assert later.version != first.version


def test_what_was_just_saved_counts_before_it_is_indexed(
    root: Path, projects: Projects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_NEAR_AGAIN_S", 0.0)
    uri = uri_of(root / "P" / "B.lean")
    first = wait_for(lambda: projects.at_hand(uri, B), lambda found: len(found.libraries) == 2)
    assert first.edited == ()  # the index has it all
    monkeypatch.setattr(Indexer, "want", lambda *_: None)
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


def test_a_name_is_found_where_it_stands_nearest(root: Path, projects: Projects) -> None:
    uri = uri_of(root / "P" / "B.lean")
    found = wait_for(lambda: projects.at_hand(uri, B), lambda found: len(found.libraries) == 2)
    shipped = LibraryIndex(paths.models_dir() / "llmstep-builtin.tactics")
    index, table = Libraries(shipped, found), ProjectTable(found)
    scope = LeanDocument(f"{B}\nnamespace Own\nexample : p := by\n  ").names()
    own = PremiseTable([Statement("Own.here", "theorem", "", "here = 1")])

    def said(name: str, **tables: Ranker) -> str:
        statement = find_named(name, index, tables, scope)
        return statement.name if statement else ""

    assert said("here", file=own, project=table) == "Own.here"
    assert said("glorp_comm", file=own, project=table) == "Own.glorp_comm"
    assert said("Own.glorp_comm", project=table) == said("_root_.Own.glorp_comm") != ""
    assert said("pack_glorp") == "pack_glorp"
    assert said("dvd_mul_left", file=own) == "dvd_mul_left"
    assert said("far_glorp", project=table) == said("nobody_knows", project=table) == ""


def test_sources_name_the_lemma_of_the_project(root: Path) -> None:
    sources = Sources(Settings(sources=("library", "file")))
    uri = uri_of(root / "P" / "B.lean")
    goal = "a b : ℕ\n⊢ glorp a b = glorp b a"
    try:
        before = sources.fingerprint(B, uri)["project"]
        end = time.monotonic() + 300  # the indexing process has the lowest priority
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


def test_a_project_without_mathlib_gets_none_of_its_lemmas_and_tactics(
    root: Path, projects: Projects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Indexer, "want", lambda *_: None)
    (root / "P" / "Own.lean").write_text("theorem own_le (a : ℕ) : glorp a ≤ a := rfl\n")
    uri = uri_of(root / "P" / "B.lean")
    goal = "a b : ℕ\nh : a ≤ b\n⊢ glorp a ≤ b"
    sources = Sources(Settings(sources=("library", "portfolio")))
    index = LibraryIndex(paths.models_dir() / "llmstep-builtin.tactics")

    def offered(text: str) -> list[str]:
        wait_for(lambda: projects.at_hand(uri, text), lambda found: bool(found.edited))
        sources.gather(goal, text, uri=uri)
        return [tactic for tactic, _ in sources.gather(goal, text, uri=uri).propose()]

    def mathlib(tactics: list[str]) -> set[str]:
        names = {name for tactic in tactics for name in lemma_names(tactic)}
        return {name for name in names if index.has_name(name)} - {"a", "b", "h"}

    try:
        body = "\n\ntheorem use (a b : ℕ) (h : a ≤ b) : glorp a ≤ b := by\n  "
        without = offered(f"import P.Own{body}")
        assert mathlib(without) == set()
        assert any("own_le" in tactic for tactic in without)
        assert not {"linarith", "positivity"} & set(without)
        # `Pack.Inner` may import Mathlib: nobody has read it yet.
        perhaps = offered(f"import P.Own\nimport P.A{body}")
        assert mathlib(perhaps)
    finally:
        sources.close()


def test_of_a_library_on_disk_only_what_is_imported_is_named_in_steps(tmp_path: Path) -> None:
    path = tmp_path / "own.tactics"
    near = Statement("near_lemma", "theorem", "(a : ℕ)", "a ≤ a", "Lib.Near")
    far = Statement("far_lemma", "theorem", "(a : ℕ)", "a ≤ a", "Lib.Far")
    steps = [ProofStep("a : ℕ\n⊢ a ≤ a", f"apply {name}") for name in ("near_lemma", "far_lemma")]
    steps += [ProofStep("p : Prop\n⊢ p ∨ p", "left")] * 2  # what all goals have tells nothing
    write_index(path, steps, [near, far], fewest_rows=1)
    index = LibraryIndex(path)
    graph = {"Lib.Near": (), "Lib.Far": ()}
    imported = find_reach(read_header("import Lib.Near"), [graph])

    def offered(imported: Reach | None, text: str = "import Lib.Near\n") -> set[str]:
        evidence = Evidence(
            "b : ℕ\n⊢ b ≤ b", text, index, False, None, load_mixing(), imported=imported
        )
        assert evidence.runs_here("exact near_lemma _")
        assert evidence.runs_here("exact far_lemma _") == (imported is None or "far" in text)
        return {t for t, _ in evidence.propose() if t in ("apply near_lemma", "apply far_lemma")}

    assert offered(None) == {"apply near_lemma", "apply far_lemma"}
    assert offered(imported) == {"apply near_lemma"}
    # What the file itself calls so is its own.
    assert "apply far_lemma" in offered(
        imported, "import Lib.Near\ntheorem far_lemma : p := q\nexample : r := by\n  "
    )
