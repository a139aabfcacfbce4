from __future__ import annotations

import threading

import pytest

from llmstep.backends.base import CancelToken
from llmstep.errors import CancelledError, SupersededError
from llmstep.service.scheduler import Scheduler

WAIT_S = 20


@pytest.fixture
def scheduler():
    made = Scheduler()
    yield made
    made.close()


class Gate:
    """A job that runs until it is let go or cancelled."""

    def __init__(self) -> None:
        self.cancel = CancelToken()
        self.begun = threading.Event()
        self.go = threading.Event()
        self.saw_cancel = False

    def __call__(self) -> str:
        self.begun.set()
        while not self.go.wait(0.005):
            if self.cancel.is_set():
                self.saw_cancel = True
                return "stopped"
        return "done"


def test_jobs_run_one_at_a_time_in_their_order(scheduler: Scheduler) -> None:
    order: list[int] = []
    running: list[int] = []
    overlaps: list[int] = []

    def work(number: int) -> int:
        running.append(number)
        overlaps.append(len(running))
        order.append(number)
        running.remove(number)
        return number

    futures = [scheduler.submit(lambda i=i: work(i), CancelToken()) for i in range(20)]
    assert [future.result(WAIT_S) for future in futures] == list(range(20))
    assert order == list(range(20))
    assert set(overlaps) == {1}


def test_an_error_goes_to_the_asker_and_the_thread_goes_on(scheduler: Scheduler) -> None:
    def fail() -> None:
        raise KeyError("boom")

    with pytest.raises(KeyError):
        scheduler.submit(fail, CancelToken()).result(WAIT_S)
    assert scheduler.submit(lambda: 1, CancelToken()).result(WAIT_S) == 1


def test_a_queued_job_that_is_cancelled_never_begins(scheduler: Scheduler) -> None:
    gate, ran, cancel = Gate(), [], CancelToken()
    first = scheduler.submit(gate, gate.cancel)
    second = scheduler.submit(lambda: ran.append(1), cancel)
    cancel.cancel()
    gate.go.set()
    assert first.result(WAIT_S) == "done"
    with pytest.raises(CancelledError, match="was cancelled"):
        second.result(WAIT_S)
    assert ran == []


def test_a_newer_job_with_the_same_key_stops_the_running_one(scheduler: Scheduler) -> None:
    gate = Gate()
    first = scheduler.submit(gate, gate.cancel, key="line 3")
    assert gate.begun.wait(WAIT_S)
    second = scheduler.submit(lambda: "new", CancelToken(), key="line 3")
    assert second.result(WAIT_S) == "new"
    assert first.result(WAIT_S) == "stopped"
    assert gate.cancel.reason == "superseded"


def test_a_newer_job_with_the_same_key_replaces_the_queued_one(scheduler: Scheduler) -> None:
    gate = Gate()
    scheduler.submit(gate, gate.cancel)
    assert gate.begun.wait(WAIT_S)
    old = scheduler.submit(lambda: "old", CancelToken(), key=1)
    new = scheduler.submit(lambda: "new", CancelToken(), key=1)
    other = scheduler.submit(lambda: "other", CancelToken(), key=2)
    assert scheduler.queued == 2
    gate.go.set()
    with pytest.raises(SupersededError, match="newer request"):
        old.result(WAIT_S)
    assert new.result(WAIT_S) == "new"
    assert other.result(WAIT_S) == "other"


def test_background_work_gives_way(scheduler: Scheduler) -> None:
    gate = Gate()
    background = scheduler.submit(gate, gate.cancel, background=True)
    assert gate.begun.wait(WAIT_S)
    front = scheduler.submit(lambda: "front", CancelToken())
    assert front.result(WAIT_S) == "front"
    assert background.result(WAIT_S) == "stopped"


def test_foreground_jobs_overtake_queued_background_jobs(scheduler: Scheduler) -> None:
    gate, order = Gate(), []
    scheduler.submit(gate, gate.cancel)
    assert gate.begun.wait(WAIT_S)
    front = scheduler.submit(lambda: order.append("front"), CancelToken())
    back = scheduler.submit(lambda: order.append("back"), CancelToken(), background=True)
    gate.go.set()
    front.result(WAIT_S)
    back.result(WAIT_S)
    assert order == ["front", "back"]


def test_an_expired_deadline_still_lets_the_job_say_so(scheduler: Scheduler) -> None:
    cancel = CancelToken()
    cancel.expire_in(0)
    assert scheduler.submit(lambda: cancel.reason, cancel).result(WAIT_S) == "deadline"


def test_close_cancels_what_runs_and_refuses_what_comes() -> None:
    scheduler, gate = Scheduler(), Gate()
    scheduler.submit(gate, gate.cancel)
    assert gate.begun.wait(WAIT_S)
    assert scheduler.close(WAIT_S)
    assert gate.saw_cancel
    with pytest.raises(CancelledError, match="shutting down"):
        scheduler.submit(lambda: 1, CancelToken())


def test_a_deadline_sets_the_token() -> None:
    token = CancelToken()
    token.expire_in(1000)
    assert not token.is_set()
    token.expire_in(0)
    assert token.is_set()
    assert token.reason == "deadline"
    token.cancel("cancelled")
    assert token.reason == "deadline"
