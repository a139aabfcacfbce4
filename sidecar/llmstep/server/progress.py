"""Work-done progress: an editor shows that the model is being loaded, and when it is there."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.exceptions import JsonRpcException

if TYPE_CHECKING:
    from pygls.lsp.server import LanguageServer

    from llmstep.service.question import ServiceStatus

_POLL_SECONDS = 0.1
# A small model is there before a progress bar would have been drawn.
_PATIENCE_SECONDS = 0.5
# Indexing takes minutes; a look at it costs little, but not nothing.
_INDEX_POLL_SECONDS = 2.0


async def show_loading(editor: LanguageServer, ask_status: Callable[[], ServiceStatus]) -> None:
    """Show progress from now until the model is loaded or has failed to load.

    Args:
        editor: The client; it must have the capability ``window.workDoneProgress``.
        ask_status: Tells the service's state now.
    """
    await asyncio.sleep(_PATIENCE_SECONDS)
    if ask_status().state != "loading":
        return
    token = f"llmstep/load/{uuid.uuid4()}"
    try:
        await editor.work_done_progress.create_async(token)
    except JsonRpcException:  # the client does not want it after all
        return
    title = f"Loading {ask_status().model}"
    editor.work_done_progress.begin(token, types.WorkDoneProgressBegin(title=title))
    message = None
    try:
        while (status := ask_status()).state == "loading":
            await asyncio.sleep(_POLL_SECONDS)
        message = "ready" if status.state == "ready" else status.error
    finally:
        editor.work_done_progress.end(token, types.WorkDoneProgressEnd(message=message))
        del editor.work_done_progress.tokens[token]


async def show_indexing(editor: LanguageServer, ask_status: Callable[[], ServiceStatus]) -> None:
    """Show progress whenever packages or the project's files are being read; never returns."""
    while True:
        await asyncio.sleep(_INDEX_POLL_SECONDS)
        if not _being_read(ask_status()):
            continue
        token = f"llmstep/index/{uuid.uuid4()}"
        try:
            await editor.work_done_progress.create_async(token)
        except JsonRpcException:
            return
        begin = types.WorkDoneProgressBegin(title="Reading lemmas", percentage=0)
        editor.work_done_progress.begin(token, begin)
        try:
            while reading := _being_read(ask_status()):
                name, done, total = reading
                report = types.WorkDoneProgressReport(
                    message=f"{name}: {done:,} of {total:,} files",
                    percentage=min(100, done * 100 // total) if total else 0,
                )
                editor.work_done_progress.report(token, report)
                await asyncio.sleep(_INDEX_POLL_SECONDS)
        finally:
            editor.work_done_progress.end(token, types.WorkDoneProgressEnd())
            del editor.work_done_progress.tokens[token]


def _being_read(status: ServiceStatus) -> tuple[str, int, int] | None:
    """What is being read, with the numbers of files that have been and that there are."""
    for project in status.projects:
        for index in project.indexes:
            if index.state == "reading" and index.done < index.total:
                return index.name, index.done, index.total
    return None
