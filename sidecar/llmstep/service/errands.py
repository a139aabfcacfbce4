"""Slow calls, each on a thread of its own: a path that hangs holds up nobody but who asked for it.

A pool of threads would fill up with calls that never return (a dead network drive), and then no
other call would begin. Here a call that hangs costs one thread, and whoever asks for the same thing
meanwhile waits for the same call.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar

from llmstep.errors import LLMStepError

T = TypeVar("T")

_MOST_RUNNING = 64


class Errands:
    """Runs calls beside each other on daemon threads.

    Args:
        most_running: How many may run at a time; beyond that a new one is refused.
    """

    def __init__(self, most_running: int = _MOST_RUNNING) -> None:
        self._most_running = most_running
        self._running: dict[Hashable, Future[Any]] = {}
        self._lock = threading.Lock()

    def begin(self, key: Hashable, work: Callable[[], T]) -> Future[T]:
        """Begin a call, or join the one that runs under the same key.

        Args:
            key: What is asked for; calls under one key must give the same.
            work: The call.

        Raises:
            LLMStepError: Too many calls have not returned.
        """
        with self._lock:
            future = self._running.get(key)
            if future is not None:
                return future
            if len(self._running) >= self._most_running:
                raise LLMStepError(
                    f"{len(self._running)} look-ups have not come back from the disk",
                    hint="A path that models are looked for at does not answer: a network drive, "
                    "say. `llmstep doctor` names the paths.",
                )
            future = Future()
            future.set_running_or_notify_cancel()  # who no longer waits does not end it
            self._running[key] = future
        thread = threading.Thread(
            target=contextvars.copy_context().run,
            args=(self._run, key, future, work),
            name="llmstep-errand",
            daemon=True,
        )
        try:
            thread.start()
        except RuntimeError:
            # The system gives no more threads: slower, but it can still be done here.
            self._run(key, future, work)
        return future

    def _run(self, key: Hashable, future: Future[Any], work: Callable[[], Any]) -> None:
        try:
            result = work()
        except BaseException as error:
            self._forget(key)
            future.set_exception(error)
        else:
            self._forget(key)
            future.set_result(result)

    def _forget(self, key: Hashable) -> None:
        with self._lock:
            del self._running[key]
