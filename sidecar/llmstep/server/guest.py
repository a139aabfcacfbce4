"""A client of the engine: its protocol, its settings, and its share of the log."""

from __future__ import annotations

import contextvars
import logging
import time
from typing import TYPE_CHECKING, Any

from llmstep.logs import FORMAT, OWNER, ClientLogHandler, attach_owner, give_up_level
from llmstep.runtime.framing import Incoming
from llmstep.runtime.private import BYE, LOG, TOOK
from llmstep.server.server import LLMStepServer
from llmstep.server.session import Session

if TYPE_CHECKING:
    from llmstep.server.engine import Connection, Engine


class Guest:
    """One client, from its front's greeting to its end."""

    def __init__(self, greeting: dict[str, Any], wire: Connection, engine: Engine) -> None:
        self._wire = wire
        self._pid = greeting.get("pid")
        self._since = time.monotonic()
        self._owner = object()
        # Whatever is logged on behalf of this client carries its mark, on every thread.
        self._context = contextvars.copy_context()
        self._context.run(OWNER.set, self._owner)
        self._client_log, self._own_log = ClientLogHandler(), ClientLogHandler()
        self._own_log.setFormatter(logging.Formatter(FORMAT))
        for handler in (self._client_log, self._own_log):
            attach_owner(handler, self._owner)
        flags, environ, folder = (greeting.get(name) for name in ("flags", "environ", "cwd"))
        session = Session(
            flags if isinstance(flags, dict) else {},
            engine.services.open,
            environ if isinstance(environ, dict) else {},
            folder if isinstance(folder, str) else None,
            engine.services.release,
            self._owner,
        )
        self._server = LLMStepServer(
            session,
            wire,
            self._client_log,
            on_stop=lambda _code: wire.end(),
            on_settings=lambda settings: engine.keep_alive(settings.keep_alive),
            describe_engine=engine.describe,
        )
        self._protocol = self._server.protocol
        self._own_log.attach(lambda _level, text: self._protocol.notify(LOG, {"text": text}))

    def receive(self, message: Incoming) -> None:
        """Take one message of the client."""
        if isinstance(message, dict) and "id" in message and "method" in message:
            self._protocol.notify(TOOK, {"id": message["id"]})
        self._context.run(self._protocol.receive, message)

    def take_leave(self, late: bool) -> None:
        """The engine leaves: part when nothing is open, or, if late, withdraw what is."""
        if late:
            self._protocol.abandon()
        elif self._protocol.open_requests:
            return
        self._protocol.notify(BYE, {})
        self._wire.end()

    def close(self) -> None:
        """The front has gone."""
        self._protocol.abandon()
        self._server.close()
        for handler in (self._client_log, self._own_log):
            logging.getLogger().removeHandler(handler)
        give_up_level(self._owner)

    def describe(self) -> dict[str, Any]:
        """What ``llmstep ps`` shows of it."""
        return {
            "client": self._server.client,
            "frontPid": self._pid,
            "open": self._protocol.open_requests,
            "connectedSeconds": round(time.monotonic() - self._since, 1),
        }
