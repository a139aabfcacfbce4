"""Refuses work of which earlier engines have died, so that this one lives."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from llmstep.errors import LLMStepError
from llmstep.runtime.notes import Casualties, WorkMark


class CasualtyGuard:
    """Marks what is being done, and refuses what two engines have died of."""

    def __init__(self, mark: WorkMark | None = None, deaths: Casualties | None = None) -> None:
        self._mark = mark
        self._deaths = deaths

    @contextmanager
    def watch(self, kind: str, *parts: object, whole: bool = True) -> Iterator[None]:
        """Do some work that may end the process.

        Args:
            kind: What it is, for the error.
            parts: What makes it this work and no other.
            whole: Whether it is done behind this; what was done in part may still end an engine.

        Raises:
            LLMStepError: Two engines have died of it, one after the other.
        """
        work = f"{kind}:{hashlib.sha256(repr(parts).encode('utf-8', 'replace')).hexdigest()[:24]}"
        if self._deaths is not None and (cause := self._deaths.cause(work)) is not None:
            raise LLMStepError(
                f"{kind} has ended the engine twice: {cause}",
                hint="It is not tried again for a day. `llmstep logs` shows more; another model or "
                "a fresh copy of its file may help. To try all the same: `llmstep stop --forget`.",
            )
        thread = threading.get_ident()
        if self._mark is not None:
            self._mark.begin(thread, work)
        try:
            yield
        finally:
            if self._mark is not None:
                self._mark.end(thread)
        if self._deaths is not None and whole:
            self._deaths.forgive(work)
