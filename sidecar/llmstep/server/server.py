"""The language server: one client, one service behind it.

`initialize` is answered first: what questions need is imported behind the answer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from llmstep import __version__
from llmstep.config import Settings
from llmstep.errors import InvalidParamsError
from llmstep.logs import ClientLogHandler
from llmstep.server.messages import LOG_MESSAGE, PROTOCOL_VERSION, STATUS, parse_handshake
from llmstep.server.protocol import LLMStepProtocol, Writer
from llmstep.server.session import Session

if TYPE_CHECKING:
    from llmstep.server.editor import Editor

# Levels of `logging` to MessageType of the LSP: error, warning, info, log.
_MESSAGE_TYPES = ((logging.ERROR, 1), (logging.WARNING, 2), (logging.INFO, 3), (logging.NOTSET, 4))


class LLMStepServer:
    """Wires the protocol to one client's session.

    Args:
        session: The client's settings and service.
        writer: Where frames for the client go.
        client_log: Where log records wait until the client can take them.
        on_stop: Called with the exit code when the client says `exit`.
        on_settings: Told the client's settings.
        describe_engine: What the engine says of itself, if it is one for many.
    """

    def __init__(
        self,
        session: Session,
        writer: Writer,
        client_log: ClientLogHandler | None = None,
        *,
        on_stop: Callable[[int], None] = lambda _: None,
        on_settings: Callable[[Settings], None] = lambda _: None,
        describe_engine: Callable[[], dict[str, Any]] | None = None,
    ) -> None:
        self._session = session
        self._client_log = client_log
        self.stop = on_stop
        self._on_settings = on_settings
        self._describe_engine = describe_engine
        self.client = ""
        self.protocol = LLMStepProtocol(self, writer)
        self._editor: Editor | None = None

    def register_features(self) -> None:
        """Add the handlers of all that is asked after `initialize`."""
        from llmstep.server.features import lemmas, pull, suggest
        from llmstep.server.replies import status_json

        suggest.register(self.protocol, self._session)
        lemmas.register(self.protocol, self._session)
        pull.register(self.protocol)

        def status(_params: Any) -> dict[str, Any]:
            engine = self._describe_engine() if self._describe_engine is not None else None
            return status_json(self._session.status(), engine)

        self.protocol.register(STATUS, status, notification=False)

    def initialize(self, params: Any) -> dict[str, Any]:
        """Take the client in; an editor brings in the LSP."""
        if not isinstance(params, dict):
            raise InvalidParamsError("params of initialize must be an object")
        handshake = parse_handshake(params)
        capabilities: dict[str, Any] = {"positionEncoding": "utf-16"}
        if handshake.is_editor:
            from llmstep.server.editor import Editor

            self._editor = Editor(self.protocol, self._session)
            capabilities = self._editor.initialize(params)
            self.protocol.extension = self._editor
        capabilities["experimental"] = {"llmstep": {"protocolVersion": PROTOCOL_VERSION}}
        self.client = handshake.client
        self._session.begin(handshake)
        self._on_settings(self._session.settings)
        return {
            "capabilities": capabilities,
            "serverInfo": {"name": "llmstep", "version": __version__},
        }

    def greet(self) -> None:
        """The client is ready to be spoken to: hand it the log."""
        if self._client_log is not None:
            self._client_log.attach(self._log_to_client)
        if self._editor is not None:
            self._editor.greet()

    def _log_to_client(self, level: int, text: str) -> None:
        kind = next(kind for least, kind in _MESSAGE_TYPES if level >= least)
        self.protocol.notify(LOG_MESSAGE, {"type": kind, "message": text})

    def close(self) -> None:
        """End the service's threads; does not wait for one that is stuck in native code."""
        self._session.close()
