"""Answers that are known already, asked for on a thread of their own.

The cache lies on a disk that may be slow, locked or gone; the key of a question reads files too. A
question waits for it one second at most, and then goes on without.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

import attrs

from llmstep.backends.base import CancelToken
from llmstep.errors import CancelledError, LLMStepError
from llmstep.service.cache import SuggestionCache
from llmstep.service.scheduler import Scheduler
from llmstep.sources.ranking import Suggestion

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
        self._asked_since: float | None = None  # the call that did not come back in time
        self.hits = self.misses = 0

    async def look_up(self, make_key: Callable[[], str], prefix: str) -> Known:
        """The answer to a question, or the key to remember it under; that may read files."""
        if self._path is None or self._is_stuck():
            return Known()

        def ask() -> Known:
            key = make_key()
            found = Known(key, self._open().get(key, prefix))
            self._entries = self._open().count()
            return found

        future = self._submit(ask)
        if future is None:
            return Known()
        try:
            known = await asyncio.wait_for(asyncio.wrap_future(future), _PATIENCE_S)
        except TimeoutError:
            log.warning("the suggestion cache does not answer; going on without it")
            self._asked_since = time.monotonic()
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
        if self._path is None or not key or self._is_stuck():
            return

        def put() -> None:
            cache = self._open()
            cache.put(key, suggestions)
            self._entries = cache.count()

        self._submit(put)

    def count(self) -> int | None:
        """How many answers are kept, as far as can be told at once; ``None`` without a cache."""
        if self._path is None:
            return None
        if not self._is_stuck():

            def count() -> None:
                self._entries = self._open().count()

            future = self._submit(count)
            try:
                if future is not None:
                    future.result(_COUNT_PATIENCE_S)
            except TimeoutError:
                self._asked_since = time.monotonic()
        return self._entries

    def close(self) -> None:
        """Let go of the file, unless the thread hangs in it."""
        if self._path is not None and not self._is_stuck():
            future = self._submit(self._close)
            try:
                if future is not None:
                    future.result(_PATIENCE_S)
            except TimeoutError:
                log.debug("the suggestion cache was left open")
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

    def _submit(self, work: Callable[[], object]) -> Future | None:
        try:
            return self._thread.submit(work, CancelToken())
        except (CancelledError, RuntimeError):  # closed, or no more threads
            return None

    def _is_stuck(self) -> bool:
        """Whether a call has not come back yet; the cache is used again when it has."""
        if self._asked_since is not None and not self._thread.busy:
            self._asked_since = None
        return self._asked_since is not None
