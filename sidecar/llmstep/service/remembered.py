"""Answers that are known already, asked for on a thread of their own.

The cache lies on a disk that may be slow, locked or gone; the key of a question reads files too. A
question waits for it one second at most, and then goes on without.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

import attrs

from llmstep.backends.base import CancelToken
from llmstep.errors import CancelledError, LLMStepError
from llmstep.service.cache import SuggestionCache
from llmstep.service.scheduler import Scheduler
from llmstep.sources.ranking import Suggestion

T = TypeVar("T")

_PATIENCE_S = 1.0
_COUNT_PATIENCE_S = 0.25

log = logging.getLogger(__name__)


@attrs.frozen
class Known:
    """The key of a question, empty if nothing can be remembered under it; its answer if known."""

    key: str = ""
    suggestions: tuple[Suggestion, ...] | None = None


class RememberedAnswers:
    """The cache behind a thread that may hang without harm.

    Args:
        path: The cache's file; ``None`` remembers nothing.
        most_bytes: Most bytes the answers may take.
    """

    def __init__(self, path: Path | None, most_bytes: int) -> None:
        self._path = path
        self._most_bytes = most_bytes
        self._cache: SuggestionCache | None = None
        self._thread = Scheduler("llmstep-cache")
        self._entries = 0
        self._overdue = False  # a call has not come back in time
        self.hits = self.misses = 0

    async def look_up(self, make_key: Callable[[], str], prefix: str) -> Known:
        """The answer to a question, or the key to remember it under; that may read files."""

        def ask() -> Known:
            key = make_key()
            return Known(key, self._open().get(key, prefix))

        future = self._submit(ask)
        if future is None:
            return Known()
        try:
            known = await asyncio.wait_for(asyncio.wrap_future(future), _PATIENCE_S)
        except TimeoutError:
            log.warning("the suggestion cache does not answer; going on without it")
            self._overdue = True
            return Known()
        except LLMStepError as error:
            # A file of the model cannot be read: whoever loads it says so better.
            log.debug("no key for the cache: %s", error.message)
            return Known()
        if known.suggestions is None:
            self.misses += 1
        else:
            self.hits += 1
        return known

    def remember(self, key: str, suggestions: Sequence[Suggestion]) -> None:
        """Keep an answer, in the background."""
        if key:
            self._submit(lambda: self._open().put(key, suggestions))

    def count(self) -> int | None:
        """How many answers are kept, as far as can be told at once; ``None`` without a cache."""
        if self._path is None:
            return None

        def count() -> None:
            self._entries = self._open().count()

        self._wait(self._submit(count), _COUNT_PATIENCE_S)
        return self._entries

    def close(self) -> None:
        """Let go of the file, unless the thread hangs in it."""
        self._wait(self._submit(self._close), _PATIENCE_S)
        self._thread.close(0.1)

    def _close(self) -> None:
        cache, self._cache = self._cache, None
        if cache is not None:
            cache.close()

    def _open(self) -> SuggestionCache:
        if self._cache is None:
            assert self._path is not None
            self._cache = SuggestionCache(self._path, self._most_bytes)
        return self._cache

    def _submit(self, work: Callable[[], T]) -> Future[T] | None:
        """Begin a call; ``None`` without a cache, and while one does not come back."""
        self._overdue = self._overdue and self._thread.busy
        if self._path is None or self._overdue:
            return None
        try:
            return self._thread.submit(work, CancelToken())
        except (CancelledError, RuntimeError):  # closed, or no more threads
            return None

    def _wait(self, future: Future[None] | None, patience_s: float) -> None:
        try:
            if future is not None:
                future.result(patience_s)
        except TimeoutError:
            self._overdue = True
            log.debug("the suggestion cache does not answer")
