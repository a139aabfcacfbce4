"""``llmstep/suggest`` and ``llmstep/prepare``: next steps for a goal, streamed as they finish."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from llmstep.server.messages import (
    PREPARE,
    PROGRESS,
    SUGGEST,
    ProgressToken,
    parse_prepare,
    parse_suggest,
)
from llmstep.server.replies import progress_json, reply_json, writing_json

if TYPE_CHECKING:
    from llmstep.server.protocol import LLMStepProtocol
    from llmstep.server.session import Session

T = TypeVar("T")
logger = logging.getLogger(__name__)


def register(protocol: LLMStepProtocol, session: Session) -> None:
    """Add both handlers."""

    async def suggest(params: Any) -> dict[str, Any]:
        asked, token = parse_suggest(params)
        request = session.heed_flags(asked)
        logger.debug("suggest %r for %r", request.prefix, request.goals)
        loop = asyncio.get_running_loop()
        answered = False

        def report(describe: Callable[[ProgressToken, T], dict[str, Any]], what: T) -> None:
            # A candidate that was on its way when the request was answered comes too late: the
            # client may have given the token away.
            if token is not None and not answered:
                protocol.notify(PROGRESS, describe(token, what))

        def tell(describe: Callable[[ProgressToken, T], dict[str, Any]], what: T) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(report, describe, what)

        try:
            # A client that cancels, or is gone, cancels this coroutine: that withdraws it.
            reply = await session.service.suggest(
                request,
                on_suggestion=lambda suggestion: tell(progress_json, [suggestion]),
                asker=session.asker,
                on_writing=lambda progress: tell(writing_json, progress),
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
