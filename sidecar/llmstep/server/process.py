"""The life of the sidecar process: claimed streams in, an exit code out."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import Any, NoReturn

from llmstep.config import resolve
from llmstep.logs import close_logging, set_up_logging
from llmstep.server.server import LLMStepServer

_STUCK_SECONDS = 2.0
_INTERRUPTED = 130

logger = logging.getLogger(__name__)


def run_server(
    reader: FileIO, writer: FileIO, flags: Mapping[str, Any], log_file: Path | None
) -> NoReturn:
    """Serve one client on these streams, then end the process."""
    client_log = set_up_logging(resolve(flags).settings.log_level, log_file)
    server = LLMStepServer(flags, client_log, on_input_end=_end_when_stuck)
    code = _INTERRUPTED
    try:
        # Not asyncio.run: on its way out it waits for every thread and task, and one of them may
        # be stuck in native code.
        loop = asyncio.new_event_loop()
        code = loop.run_until_complete(server.serve(reader, writer))
    except KeyboardInterrupt:
        logger.info("interrupted")
    except Exception:
        code = 1
        logger.exception("the server failed")
    server.close()
    close_logging()
    os._exit(code)


def _end_when_stuck() -> None:
    """End the process if the event loop does not end it soon after the client has gone."""
    timer = threading.Timer(_STUCK_SECONDS, os._exit, [1])
    timer.daemon = True
    timer.start()
