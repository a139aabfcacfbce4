"""Finds models by name, off the event loop: their files may lie on a disk that does not answer."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import attrs

from llmstep.config import Settings
from llmstep.errors import LLMStepError, ModelNotFoundError
from llmstep.service.model_setup import ModelSetup, find_setup
from llmstep.setting_kinds import place_model

# A small model is there in a moment; a larger one is not waited for where others can answer.
_SMALL_BYTES = 200 << 20
_PATIENCE_SMALL_S = 10.0
_PATIENCE_S = 2.0
_MOST_RUNNING = 64

T = TypeVar("T")


class Errands:
    """Slow calls, each on a daemon thread of its own: one that hangs holds up nobody else.

    A pool of threads would fill up with calls that never return (a dead network drive). Here such
    a call costs one thread, and whoever asks for the same thing meanwhile waits for the same call.
    """

    def __init__(self, most_running: int = _MOST_RUNNING) -> None:
        self._most_running = most_running
        self._running: dict[Hashable, Future[Any]] = {}
        self._lock = threading.Lock()

    def begin(self, key: Hashable, work: Callable[[], T]) -> Future[T]:
        """Begin a call, or join the one that runs under the same key.

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
        result, problem = None, None
        try:
            result = work()
        except BaseException as error:
            problem = error
        with self._lock:
            del self._running[key]
        if problem is not None:
            future.set_exception(problem)
        else:
            future.set_result(result)


# One for the whole process: how many calls hang counts over all clients.
_errands = Errands()


@attrs.frozen
class Found:
    """A model that was found; its load is waited for so long where other sources can answer."""

    setup: ModelSetup
    patience_s: float = _PATIENCE_S


class ModelFinder:
    """Finds the models of one set of settings; the one they name is looked for once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._default: Found | None = None
        self.error: LLMStepError | None = None

    @property
    def default(self) -> ModelSetup | None:
        """The model of the settings, once it is found."""
        return self._default.setup if self._default else None

    def begin(self, name: str | None, folder: str = "") -> Future[Found]:
        """Begin to look for a model, seen from a folder; the settings' for ``None``.

        Raises:
            LLMStepError: Too many look-ups hang.
        """
        if name is None and self._default is not None:
            known: Future[Found] = Future()
            known.set_result(self._default)
            return known
        settings = self._settings

        def find() -> Found:
            return _find(settings, place_model(name, folder) if name and folder else name)

        find_it = self._find_default if name is None else find
        return _errands.begin((settings, name, folder), find_it)

    async def find(self, name: str | None, patience_s: float | None, folder: str = "") -> Found:
        """Find a model, as `begin` does; without patience for as long as it takes.

        Raises:
            ModelNotFoundError: No card and no file answers to the name, or the disk does not.
            LLMStepError: The model cannot be run.
        """
        future = asyncio.wrap_future(self.begin(name, folder))
        try:
            return await asyncio.wait_for(future, patience_s)
        except TimeoutError:
            raise self.explain_silence(name) from None

    def explain_silence(self, name: str | None) -> ModelNotFoundError:
        """What to say of a look-up that does not come back."""
        return ModelNotFoundError(
            f"the disk does not answer where the model {name or self._settings.model!r} "
            "is looked for",
            hint="Is a network drive disconnected? Choose a model on a disk of this machine.",
        )

    def _find_default(self) -> Found:
        try:
            self._default = _find(self._settings, None)
        except LLMStepError as error:
            self.error = error
            raise
        self.error = None
        return self._default


def _find(settings: Settings, name: str | None) -> Found:
    setup = find_setup(settings, name)
    path = setup.options.path
    small = path is not None and _is_small(path)
    return Found(setup, _PATIENCE_SMALL_S if small else _PATIENCE_S)


def _is_small(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size <= _SMALL_BYTES
    except OSError:
        return False
