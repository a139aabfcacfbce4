"""``llmstep/suggest`` and ``llmstep/prepare``: next steps for a goal, streamed as they finish."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from llmstep.server.messages import PREPARE, PROGRESS, SUGGEST, parse_prepare, parse_suggest
from llmstep.server.replies import progress_json, reply_json, writing_json

if TYPE_CHECKING:
    from llmstep.server.protocol import LLMStepProtocol
    from llmstep.server.session import Session
    from llmstep.service.question import WritingProgress
    from llmstep.sources.ranking import Suggestion

logger = logging.getLogger(__name__)


def register(protocol: LLMStepProtocol, session: Session) -> None:
    """Add both handlers."""

    async def suggest(params: Any) -> dict[str, Any]:
        asked, token = parse_suggest(params)
        request = session.heed_flags(asked)
        logger.debug("suggest %r for %r", request.prefix, request.goals)
        loop = asyncio.get_running_loop()
        answered = False

        def send_progress(suggestion: Suggestion) -> None:
            # A candidate that was on its way when the request was answered comes too late: the
            # client may have given the token away.
            if token is not None and not answered:
                protocol.notify(PROGRESS, progress_json(token, [suggestion]))

        def hand_over(suggestion: Suggestion) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(send_progress, suggestion)

        def send_writing(progress: WritingProgress) -> None:
            if token is not None and not answered:
                protocol.notify(PROGRESS, writing_json(token, progress))

        def tell(progress: WritingProgress) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(send_writing, progress)

        try:
            # A client that cancels, or is gone, cancels this coroutine: that withdraws it.
            reply = await session.service.suggest(
                request, on_suggestion=hand_over, asker=session.asker, on_writing=tell
            )
        finally:
            answered = True
        logger.debug("suggested %r", reply.suggestions)
        return reply_json(reply, await session.warnings())

    async def prepare(params: Any) -> None:
        request = session.heed_flags(parse_prepare(params))
        await session.service.prepare(request, session.asker)

    protocol.register(SUGGEST, suggest, notification=False)
    protocol.register(PREPARE, prepare, notification=True)
