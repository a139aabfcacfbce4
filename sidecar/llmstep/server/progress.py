"""Work-done progress: an editor shows that the model is being loaded, and when it is there."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.exceptions import JsonRpcException

if TYPE_CHECKING:
    from llmstep.server.server import LLMStepServer

_POLL_SECONDS = 0.1
# A small model is there before a progress bar would have been drawn.
_PATIENCE_SECONDS = 0.5


async def show_loading(server: LLMStepServer) -> None:
    """Show progress from now until the model is loaded or has failed to load.

    Only for clients with the capability ``window.workDoneProgress``.
    """
    await asyncio.sleep(_PATIENCE_SECONDS)
    if server.status().state != "loading":
        return
    token = f"llmstep/load/{uuid.uuid4()}"
    try:
        await server.work_done_progress.create_async(token)
    except JsonRpcException:  # the client does not want it after all
        return
    title = f"Loading {server.status().model}"
    server.work_done_progress.begin(token, types.WorkDoneProgressBegin(title=title))
    message = None
    try:
        while (status := server.status()).state == "loading":
            await asyncio.sleep(_POLL_SECONDS)
        message = "ready" if status.state == "ready" else status.error
    finally:
        server.work_done_progress.end(token, types.WorkDoneProgressEnd(message=message))
        del server.work_done_progress.tokens[token]
