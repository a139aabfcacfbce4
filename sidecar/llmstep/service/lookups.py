"""Questions that no model is asked: lemmas for a goal or for words, and what editors complete.

They have a thread of their own, so that no suggestion waits behind one.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import TypeVar

import attrs

from llmstep.backends.base import CancelToken
from llmstep.errors import DeadlineError, InvalidParamsError, SupersededError
from llmstep.prompts.goal import clean_text
from llmstep.service.question import (
    MAX_TIMEOUT_MS,
    Asker,
    Document,
    Partial,
    check_range,
    check_unicode,
)
from llmstep.service.scheduler import Scheduler
from llmstep.sources.premise_source import FoundLemmas
from llmstep.sources.sources import Sources
from llmstep.sources.text_query import LONGEST_TEXT

MAX_LEMMAS = 50
DEFAULT_LEMMAS = 10
_TIMEOUT_MS = 20_000
# An editor shows what other servers have by then.
_EDITOR_MS = 2_000
_NOBODY = Asker()

T = TypeVar("T")


@attrs.frozen
class LemmaRequest:
    """A question for lemmas.

    Attributes:
        goal: A printed goal; exactly one of goal and text is there.
        text: A name or half of one, a formula, or words.
        document: The file around the question: its own lemmas, its project, its open namespaces.
        k: How many at most; a few if ``None``.
        timeout_ms: Time for the whole request; some seconds if ``None``.
    """

    goal: str | None = attrs.field(
        default=None, converter=lambda goal: clean_text(goal) if goal is not None else None
    )
    text: str | None = None
    document: Document | None = None
    k: int | None = None
    timeout_ms: int | None = None

    def check(self) -> None:
        """Raise :class:`InvalidParamsError`, naming the field, if a value is impossible."""
        given = [value for value in (self.goal, self.text) if value is not None]
        if len(given) != 1 or not given[0].strip():
            raise InvalidParamsError(
                "one of `goal` and `text` must be given, and not be empty",
                hint="Send a goal as Lean prints it, or words, a formula or a name as `text`.",
            )
        before = self.document.text_before if self.document else ""
        for name, text in (("goal", self.goal), ("text", self.text), ("document", before)):
            check_unicode(name, text or "")
        if self.text is not None and len(self.text) > LONGEST_TEXT:
            raise InvalidParamsError(
                f"`text` must have {LONGEST_TEXT} characters at most, not {len(self.text)}",
                hint="Send a goal as `goal`, a file as `document`.",
            )
        check_range("k", self.k, MAX_LEMMAS)
        check_range("timeoutMs", self.timeout_ms, MAX_TIMEOUT_MS)


@attrs.frozen
class LemmaReply:
    """What was found, the best first; ``partial`` where something could not be looked through."""

    found: FoundLemmas
    partial: Partial | None = None


class Lookups:
    """Answers from the sources alone."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._thread = Scheduler("llmstep-lookups")

    async def find_lemmas(self, request: LemmaRequest, asker: Asker = _NOBODY) -> LemmaReply:
        """Find lemmas; cancelling the coroutine withdraws the question.

        Raises:
            InvalidParamsError: A field has an impossible value.
            DeadlineError: Time ran out.
        """
        request.check()
        document = request.document
        find = functools.partial(
            self._sources.find_lemmas,
            goal=request.goal or "",
            text=request.text or "",
            count=request.k or DEFAULT_LEMMAS,
            text_before=document.text_before if document else "",
            uri=document.uri if document else "",
        )
        found = await self._ask(find, asker, request.timeout_ms)
        return LemmaReply(found, self._explain(found))

    async def look_up(
        self, work: Callable[[Sources], T], key: str, asker: Asker = _NOBODY
    ) -> T | None:
        """Do what reads text and asks the sources, for an editor; cancelling withdraws it.

        ``None`` comes where it took too long, or a newer question of the client with this key came.
        """
        try:
            place = (key, asker.client)
            return await self._ask(lambda: work(self._sources), asker, _EDITOR_MS, place)
        except (DeadlineError, SupersededError):
            return None

    def close(self) -> None:
        """Withdraw what waits, and end the thread."""
        self._thread.close(0.2)

    async def _ask(
        self,
        work: Callable[[], T],
        asker: Asker,
        timeout_ms: int | None,
        key: tuple[object, ...] | None = None,
    ) -> T:
        token = CancelToken()
        timeout_s = (timeout_ms or _TIMEOUT_MS) / 1000
        future = self._thread.submit(work, token, key=key, client=asker.client)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), timeout_s)
        except TimeoutError:
            raise DeadlineError(
                f"the lemmas were not looked through within {timeout_s:g} s",
                hint="Is the `library` of the settings on a disk that does not answer?",
            ) from None
        finally:
            token.cancel()

    def _explain(self, found: FoundLemmas) -> Partial | None:
        if not self._sources.searched:
            return Partial(
                "the setting `sources` leaves out file and library",
                "Add `library` and `file` to `sources`.",
            )
        if found.missing:
            return Partial(
                f"not read yet: {', '.join(found.missing)}",
                "They are read in the background; ask again in a moment.",
            )
        return None
