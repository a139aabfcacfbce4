from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import psutil
import pytest

from llmstep_workshop.errors import LeanProjectError
from llmstep_workshop.evaluation.lean_project import LeanProject
from llmstep_workshop.lean_runner import LeanMessage, LeanRun

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the stand-in for lake is a script")


def wait_for(path: Path) -> list[int]:
    """The numbers in a file, as soon as they are there."""
    for _ in range(1200):
        if path.exists() and len(words := path.read_text(encoding="utf-8").split()) == 2:
            return [int(word) for word in words]
        time.sleep(0.05)
    raise AssertionError(f"{path} was not written")


def assert_gone(pids: list[int]) -> None:
    alive = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    _, alive = psutil.wait_procs(alive, timeout=60)
    assert not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]


def test_messages_and_other_output_are_told_apart(project_folder: Path) -> None:
    project = LeanProject(project_folder)
    run = project.run("theorem t : x := by\n  llmsearch\n", "T", 60, os.environ)
    assert run.code == 0
    assert not run.timed_out
    assert [message.severity for message in run.messages] == ["error", "information"]
    assert run.messages[1].line == 2
    assert run.output == "some tool's own output"


def test_the_first_error_at_or_below_a_line() -> None:
    messages = (LeanMessage("error", 1, "a"), LeanMessage("warning", 2, "b"),
                LeanMessage("error", 3, "c"))  # fmt: skip
    run = LeanRun(messages, 1, 0.0)
    assert (run.first_error(), run.first_error(2), run.first_error(4)) == ("a", "c", "")


def test_time_out_kills_all_that_was_started(project_folder: Path) -> None:
    project = LeanProject(project_folder)
    run = project.run("-- slow child", "T", 3, os.environ)
    assert run.timed_out
    assert run.code is None
    assert_gone(wait_for(project_folder / "child.pid"))


def test_stopping_kills_what_runs_and_starts_no_more(project_folder: Path) -> None:
    project = LeanProject(project_folder)
    runs: list[LeanRun] = []
    thread = threading.Thread(
        target=lambda: runs.append(project.run("-- slow child", "T", 600, os.environ))
    )
    thread.start()
    pids = wait_for(project_folder / "child.pid")
    project.stop()
    thread.join(60)
    assert_gone(pids)
    assert runs[0].code not in (0, None)
    with pytest.raises(LeanProjectError, match="stopped"):
        project.run("x", "T", 60, os.environ)


def test_what_is_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LeanProjectError, match="no lakefile"):
        LeanProject(tmp_path)
    (tmp_path / "lakefile.toml").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LeanProjectError, match="no `lake`"):
        LeanProject(tmp_path)


def test_a_project_without_llmstep(project_folder: Path) -> None:
    project = LeanProject(project_folder)
    project.require_llmstep(os.environ)
    (project_folder / "unbuilt").touch()
    with pytest.raises(LeanProjectError, match="unknown module prefix") as caught:
        project.require_llmstep(os.environ)
    assert "lake update" in caught.value.hint


def test_lake_that_cannot_start(project_folder: Path) -> None:
    project = LeanProject(project_folder)
    (project_folder / "lake").write_bytes(b"\x7fELF no program")
    with pytest.raises(LeanProjectError, match="cannot be started"):
        project.run("x", "T", 60, os.environ)
