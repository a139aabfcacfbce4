"""``llmstep/lemmas``: lemmas for a goal or for words, from file, project and library."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from llmstep.server.lemma_messages import lemmas_json, parse_lemmas
from llmstep.server.messages import LEMMAS

if TYPE_CHECKING:
    from llmstep.server.protocol import LLMStepProtocol
    from llmstep.server.session import Session


def register(protocol: LLMStepProtocol, session: Session) -> None:
    """Add the handler."""

    async def find(params: Any) -> dict[str, Any]:
        begin = time.monotonic()
        request = parse_lemmas(params)
        reply = await session.service.lookups.find_lemmas(request, session.asker)
        total_ms = (time.monotonic() - begin) * 1000
        return lemmas_json(reply, total_ms, await session.warnings())

    protocol.register(LEMMAS, find, notification=False)
