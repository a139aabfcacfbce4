"""One question on its way, and the places in files that questions stand at."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

import attrs

from llmstep.backends.base import CancelToken
from llmstep.service.collector import Collector, OnSuggestion
from llmstep.service.question import Asker, SuggestRequest
from llmstep.service.scheduler import SUPERSEDED, Joint, Scheduler, cancellation

if TYPE_CHECKING:
    from llmstep.service.proofs import OnWritingProgress

T = TypeVar("T")


@attrs.define(eq=False)
class Ask:
    """One question on its way.

    Attributes:
        token: Withdraws it.
        begin: `time.monotonic` at its start.
        collector: What has been found, from the moment that the other sources have spoken.
        stage: What it waits for; stands in the error if its time runs out.
    """

    request: SuggestRequest
    asker: Asker
    token: CancelToken
    on_suggestion: OnSuggestion | None
    on_writing: OnWritingProgress | None
    begin: float
    timeout_s: float
    collector: Collector | None = None
    stage: str = ""

    @property
    def elapsed_ms(self) -> float:
        """Milliseconds since its start."""
        return (time.monotonic() - self.begin) * 1000

    def submit(self, queue: Scheduler, work: Callable[[], T] | Joint) -> Future[T]:
        """Have something done for this question, in its turn."""
        asker = self.asker
        return queue.submit(work, self.token, client=asker.client, background=asker.background)

    def check(self) -> None:
        """Go no further with a question that was withdrawn."""
        if self.token.is_set() and self.token.reason != "deadline":
            raise cancellation(self.token)


class Places:
    """Where in which file questions stand: two of one client at one place are versions of one."""

    def __init__(self) -> None:
        self._tokens: dict[Hashable, CancelToken] = {}
        self._lock = threading.Lock()

    def take(self, ask: Ask) -> Hashable | None:
        """Take the place of an older question of this client, here in this file."""
        document = ask.request.document
        if document is None:
            return None
        text = document.text_before
        column = len(text) - text.rfind("\n")
        # What nobody has asked for takes the place of no question.
        asker = (ask.asker.client, ask.asker.background)
        place = (*asker, document.uri, text.count("\n"), column)
        with self._lock:
            older = self._tokens.get(place)
            if older is not None:
                older.cancel(SUPERSEDED)
            self._tokens[place] = ask.token
        return place

    def give(self, place: Hashable | None, token: CancelToken) -> None:
        """The question at a place is answered."""
        with self._lock:
            if place is not None and self._tokens.get(place) is token:
                del self._tokens[place]

    def cancel_all(self) -> None:
        """Withdraw the questions at all places."""
        with self._lock:
            for token in self._tokens.values():
                token.cancel()
