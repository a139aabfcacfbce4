"""One thread and the queue before it.

A model is used by one thread only (llama.cpp contexts are not thread-safe). Foreground jobs run one
after the other, the clients taking turns; a newer job with the same key takes the older one's
place, queued or running. Background jobs (prefilling a prompt nobody asked for yet) run only while
nothing else waits and give way at their next step when something does.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar

import attrs

from llmstep.backends.base import CancelToken
from llmstep.errors import CancelledError, SupersededError

T = TypeVar("T")

SUPERSEDED = "superseded"


@attrs.frozen(eq=False)
class Joint:
    """Work that may be done together with other work of its kind.

    Attributes:
        key: Work with equal keys can go together.
        item: What distinguishes this piece of work.
        run: Does several at once; takes their items, and returns for each its result, or the
            error it ended with.
    """

    key: Hashable
    item: Any
    run: Callable[[list[Any]], list[Any]]


@attrs.define(eq=False)
class _Job:
    work: Callable[[], Any] | Joint
    cancel: CancelToken
    key: Hashable | None
    background: bool
    client: Hashable | None
    future: Future[Any] = attrs.Factory(Future)
    # What is logged in the job belongs to the client who asks.
    context: contextvars.Context = attrs.Factory(contextvars.copy_context)


class Scheduler:
    """Runs jobs one at a time on its own daemon thread, which begins with the first one."""

    def __init__(self, name: str = "llmstep-inference") -> None:
        self._jobs: deque[_Job] = deque()
        self._running: list[_Job] = []
        self._changed = threading.Condition()
        self._closed = False
        self._turns = 0
        self._served: dict[Hashable | None, int] = {}  # the turn each client had last
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._begun = False

    def submit(
        self,
        work: Callable[[], T] | Joint,
        cancel: CancelToken,
        *,
        key: Hashable | None = None,
        background: bool = False,
        client: Hashable | None = None,
    ) -> Future[T]:
        """Queue a job.

        Args:
            work: Called on the scheduler's thread; it should watch ``cancel``. What is joint work
                is done together with another that waits.
            cancel: Set by the caller to withdraw the job; a job that has not begun by then never
                does.
            key: Jobs with equal keys are versions of one question; the newest wins.
            background: Whether the job gives way to all others.
            client: Who asks: the one who has waited longest for a turn is served first.

        Returns:
            The job's result; :class:`CancelledError` if it was withdrawn before it began.
        """
        job = _Job(work, cancel, key, background, client)
        with self._changed:
            if self._closed:
                raise CancelledError("the server is shutting down")
            for other in (*self._jobs, *self._running):
                same = key is not None and other.key == key
                if same or (other.background and not background):
                    other.cancel.cancel(SUPERSEDED)
            self._jobs.append(job)
            if not self._begun:
                self._begun = True
                self._thread.start()
            self._changed.notify()
        return job.future

    def do_meanwhile(
        self, work: Callable[[CancelToken], object], *, key: Hashable | None = None
    ) -> None:
        """Queue what nobody waits for; its token is set once there is something else to do."""
        cancel = CancelToken()
        self.submit(lambda: work(cancel), cancel, key=key, background=True)

    @property
    def queued(self) -> int:
        """Number of jobs that wait, the running one not counted."""
        with self._changed:
            return sum(not job.cancel.is_set() for job in self._jobs)

    @property
    def busy(self) -> bool:
        """Whether a job is running now."""
        return bool(self._running)

    @property
    def overdue_s(self) -> float:
        """Seconds since the running job was told to stop; 0 if it was not."""
        return min((job.cancel.set_for_s for job in list(self._running)), default=0.0)

    def close(self, timeout_s: float = 1.0) -> bool:
        """Withdraw all jobs and end the thread.

        Returns:
            Whether the thread ended in time; one that is stuck in native code does not.
        """
        with self._changed:
            self._closed = True
            for job in (*self._jobs, *self._running):
                job.cancel.cancel()
            self._changed.notify()
        if not self._begun:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _next(self) -> list[_Job]:
        """The jobs to do now, mostly one; none at the end."""
        with self._changed:
            self._running = []
            while not self._jobs:
                if self._closed:
                    return []
                self._served.clear()
                self._changed.wait()
            first = self._choose(lambda job: not job.background) or self._jobs[0]
            chosen = [first]
            self._jobs.remove(first)
            if isinstance(joint := first.work, Joint):
                other = self._choose(
                    lambda job: (
                        isinstance(job.work, Joint)
                        and job.work.key == joint.key
                        and not (job.background or job.cancel.is_set())
                    )
                )
                if other is not None:
                    chosen.append(other)
                    self._jobs.remove(other)
            self._running = chosen
            return chosen

    def _choose(self, fits: Callable[[_Job], bool]) -> _Job | None:
        """Of the jobs that fit, the oldest of the client whose last turn is longest ago."""
        fitting = [job for job in self._jobs if fits(job)]
        if not fitting:
            return None
        job = min(fitting, key=lambda job: self._served.get(job.client, 0))
        self._turns += 1
        self._served[job.client] = self._turns
        return job

    def _run(self) -> None:
        while jobs := self._next():
            jobs = [job for job in jobs if _begins(job)]
            if not jobs:
                continue
            try:
                outcomes = _do(jobs)
            except BaseException as error:
                # Whatever a model library throws belongs to the one who asked, not to this thread.
                outcomes = [error] * len(jobs)
            for job, outcome in zip(jobs, outcomes, strict=True):
                if isinstance(outcome, BaseException):
                    job.future.set_exception(outcome)
                else:
                    job.future.set_result(outcome)


def _begins(job: _Job) -> bool:
    """Whether a job is still wanted; the future of one that was withdrawn gets its error."""
    if not job.future.set_running_or_notify_cancel():
        return False
    if job.cancel.is_set() and job.cancel.reason != "deadline":
        job.future.set_exception(cancellation(job.cancel))
        return False
    return True


def _do(jobs: list[_Job]) -> list[Any]:
    first = jobs[0]
    if isinstance(joint := first.work, Joint):
        items = [job.work.item for job in jobs if isinstance(job.work, Joint)]
        return first.context.run(joint.run, items)
    return [first.context.run(first.work)]


def cancellation(cancel: CancelToken) -> CancelledError:
    """The error that says why a set token was set."""
    if cancel.reason == SUPERSEDED:
        return SupersededError("a newer request took the place of this one")
    return CancelledError("the request was cancelled")
