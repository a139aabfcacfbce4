"""The life of the sidecar process: claimed streams in, an exit code out."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import Any, NoReturn

from llmstep.config import resolve
from llmstep.logs import ClientLogHandler, close_logging, set_up_logging
from llmstep.runtime.framing import Incoming
from llmstep.runtime.stdio import InputPump, OutputPump, pipe_writer
from llmstep.server.server import LLMStepServer
from llmstep.server.session import Session

_FLUSH_SECONDS = 0.2
_STUCK_SECONDS = 2.0
_INTERRUPTED = 130

logger = logging.getLogger(__name__)


def run_server(
    reader: FileIO, writer: FileIO, flags: Mapping[str, Any], log_file: Path | None
) -> NoReturn:
    """Serve one client on these streams, then end the process."""
    client_log = set_up_logging(resolve(flags).settings.log_level, log_file)
    # Not asyncio.run: on its way out it waits for every thread and task, and one of them may be
    # stuck in native code.
    loop = asyncio.new_event_loop()
    session = Session(flags)
    code = _INTERRUPTED
    try:
        code = loop.run_until_complete(_serve(session, client_log, reader, writer))
    except KeyboardInterrupt:
        logger.info("interrupted")
    except Exception:
        code = 1
        logger.exception("the server failed")
    session.close()
    close_logging()
    os._exit(code)


async def _serve(
    session: Session, client_log: ClientLogHandler, reader: FileIO, writer: FileIO
) -> int:
    """Speak with the client until it leaves.

    Returns:
        The process's exit code: 0 after ``shutdown`` or when the client closes its end, 1 for an
        ``exit`` without ``shutdown`` and for a client that does not read.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def stop(code: int) -> None:
        if not ended.done():  # the first call wins
            ended.set_result(code)

    def do_soon(work: Callable[..., None], *arguments: Any) -> None:
        # The loop may be closed already: then there is nothing left to do.
        if not loop.is_closed():
            loop.call_soon_threadsafe(work, *arguments)

    def give_up(reason: str) -> None:
        logger.error("giving up: %s", reason)
        do_soon(stop, 1)

    output = OutputPump(writer, give_up, write_now=pipe_writer(writer))
    server = LLMStepServer(session, output, client_log, on_stop=stop)

    def receive(batch: Sequence[Incoming]) -> None:
        try:
            for message in batch:
                server.protocol.receive(message)
        finally:
            pump.acknowledge()

    def end() -> None:
        do_soon(stop, 0)
        _end_when_stuck()

    pump = InputPump(reader, lambda batch: do_soon(receive, batch), end)
    output.start()
    pump.start()
    code = await ended
    output.flush(_FLUSH_SECONDS)
    output.close()
    return code


def _end_when_stuck() -> None:
    """End the process if the event loop does not end it soon after the client has gone."""
    timer = threading.Timer(_STUCK_SECONDS, os._exit, [1])
    timer.daemon = True
    timer.start()
