"""What an engine leaves behind."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

import llmstep.runtime.notes
from llmstep.errors import LLMStepError
from llmstep.runtime.notes import (
    Casualties,
    Death,
    WorkMark,
    explain_end,
    read_death,
    read_work,
    write_death,
)
from llmstep.service.casualty_guard import CasualtyGuard


@pytest.mark.parametrize(
    ("status", "words", "own_fault"),
    [
        (3, "exit code 3", True),
        (-signal.SIGKILL, "it was killed (SIGKILL)", False),
        (-signal.SIGTERM, "it was killed (SIGTERM)", False),
        (-signal.SIGSEGV, "SIGSEGV: native code", True),
        (-signal.SIGBUS, "SIGBUS: a mapped file", True),
        (-200, "signal 200", True),
    ],
)
def test_each_end_has_its_words(tmp_path: Path, status: int, words: str, own_fault: bool) -> None:
    cause, fault = explain_end(status, str(tmp_path / "none.log"), 0, 10**9)
    assert words in cause
    assert fault is own_fault


def test_the_assertion_stands_first_and_an_older_engines_does_not(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_text("GGML_ASSERT(old) failed\n")
    start = log.stat().st_size
    with log.open("a") as file:
        file.write("noise\nsrc/x.cpp:7: GGML_ASSERT(new) failed\n#37 _start ()\n")
    cause, _ = explain_end(-signal.SIGABRT, str(log), start, 10**9)
    assert cause == "src/x.cpp:7: GGML_ASSERT(new) failed (SIGABRT)"


def test_memory_that_ran_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llmstep.runtime.notes, "count_memory_kills", lambda: 5)
    cause, own_fault = explain_end(-signal.SIGKILL, str(tmp_path / "x"), 0, 4)
    assert "memory ran out" in cause
    assert own_fault


def test_a_death_can_be_read_and_nonsense_cannot(tmp_path: Path) -> None:
    path = str(tmp_path / "death")
    assert read_death(path) is None
    write_death(path, Death(7, "SIGBUS", 1.5, True))
    death = read_death(path)
    assert death is not None
    assert vars(death) == {"pid": 7, "cause": "SIGBUS", "at": 1.5, "own_fault": True}
    for text in ("", "[]", '{"pid": "x"}', "[" * 100_000):
        Path(path).write_text(text)
        assert read_death(path) is None


def test_what_it_was_at_outlives_it(tmp_path: Path) -> None:
    path = str(tmp_path / "work")
    mark = WorkMark(path)
    mark.begin(1, "load")
    mark.begin(1, "ask")
    mark.begin(2, "other")
    assert sorted(read_work(path)) == ["ask", "load", "other"]
    mark.end(1)
    mark.end(2)
    assert read_work(path) == ["load"]
    mark.end(1)
    mark.end(1)
    assert read_work(path) == []


def test_two_deaths_in_a_row_are_enough(tmp_path: Path) -> None:
    path = str(tmp_path / "casualties")

    def guard() -> CasualtyGuard:
        return CasualtyGuard(WorkMark(str(tmp_path / "work")), Casualties(path))

    def die() -> None:
        with guard().watch("this request", "a"):
            Casualties(path).add(read_work(str(tmp_path / "work")), "SIGABRT")
            raise SystemExit  # what comes after it is not done

    for _ in range(2):
        with pytest.raises(SystemExit):
            die()
    with pytest.raises(LLMStepError, match="this request has ended the engine twice: SIGABRT"):
        die()
    with guard().watch("this request", "b"):
        pass


def test_a_success_between_two_deaths_forgives(tmp_path: Path) -> None:
    path = str(tmp_path / "casualties")
    Casualties(path).add(["w"], "x")
    Casualties(path).forgive("w")
    Casualties(path).add(["w"], "x")
    assert Casualties(path).cause("w") is None
    Casualties(path).add(["w"], "x")
    assert Casualties(path).cause("w") == "x"


def test_a_clock_that_was_set_back_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "casualties")
    for _ in range(2):
        Casualties(path).add(["w"], "x")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 3600)
    assert Casualties(path).cause("w") == "x"
    # Years off, either way: what is remembered for ever would be worse than what is forgotten.
    monkeypatch.setattr(time, "time", lambda: now - 10**8)
    assert Casualties(path).cause("w") is None
