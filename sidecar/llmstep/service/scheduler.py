"""One inference thread and the queue before it.

A model is used by one thread only (llama.cpp contexts are not thread-safe). Foreground jobs run in
the order they came; a newer job with the same key takes the older one's place, queued or running.
Background jobs (prefilling a prompt nobody asked for yet) run only while nothing else waits and
give way at their next step when something does.
"""

from __future__ import annotations

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


@attrs.define(eq=False)
class _Job:
    work: Callable[[], Any]
    cancel: CancelToken
    key: Hashable | None
    background: bool
    future: Future[Any] = attrs.Factory(Future)


class Scheduler:
    """Runs jobs one at a time on its own daemon thread."""

    def __init__(self, name: str = "llmstep-inference") -> None:
        self._jobs: deque[_Job] = deque()
        self._running: _Job | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(
        self,
        work: Callable[[], T],
        cancel: CancelToken,
        *,
        key: Hashable | None = None,
        background: bool = False,
    ) -> Future[T]:
        """Queue a job.

        Args:
            work: Called on the inference thread; it should watch ``cancel``.
            cancel: Set by the caller to withdraw the job; a job that has not begun by then never
                does.
            key: Jobs with equal keys are versions of one question; the newest wins.
            background: Whether the job gives way to all others.

        Returns:
            The job's result; :class:`CancelledError` if it was withdrawn before it began.
        """
        job = _Job(work, cancel, key, background)
        with self._changed:
            if self._closed:
                raise CancelledError("the server is shutting down")
            for other in self._pending():
                same = key is not None and other.key == key
                if same or (other.background and not background):
                    other.cancel.cancel(SUPERSEDED)
            self._jobs.append(job)
            self._changed.notify()
        return job.future

    def _pending(self) -> list[_Job]:
        return [*self._jobs, *([self._running] if self._running else [])]

    @property
    def queued(self) -> int:
        """Number of jobs that wait, the running one not counted."""
        with self._changed:
            return sum(not job.cancel.is_set() for job in self._jobs)

    @property
    def busy(self) -> bool:
        """Whether a job is running now."""
        return self._running is not None

    def close(self, timeout_s: float = 1.0) -> bool:
        """Withdraw all jobs and end the thread.

        Returns:
            Whether the thread ended in time; one that is stuck in native code does not.
        """
        with self._changed:
            self._closed = True
            for job in self._pending():
                job.cancel.cancel()
            self._changed.notify()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _next(self) -> _Job | None:
        with self._changed:
            self._running = None
            while not self._jobs:
                if self._closed:
                    return None
                self._changed.wait()
            foreground = (job for job in self._jobs if not job.background)
            job = next(foreground, self._jobs[0])
            self._jobs.remove(job)
            self._running = job
            return job

    def _run(self) -> None:
        while (job := self._next()) is not None:
            if not job.future.set_running_or_notify_cancel():
                continue
            if job.cancel.is_set() and job.cancel.reason != "deadline":
                job.future.set_exception(cancellation(job.cancel))
                continue
            try:
                result = job.work()
            except BaseException as error:
                # Whatever a model library throws belongs to the one who asked, not to this thread.
                job.future.set_exception(error)
            else:
                job.future.set_result(result)


def cancellation(cancel: CancelToken) -> CancelledError:
    """The error that says why a set token was set."""
    if cancel.reason == SUPERSEDED:
        return SupersededError("a newer request took the place of this one")
    return CancelledError("the request was cancelled")
