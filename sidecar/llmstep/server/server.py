"""The language server: one client on one pair of streams, one engine behind it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from io import FileIO
from typing import Any, TypeVar

import attrs
import psutil

from llmstep.config import Settings, resolve
from llmstep.errors import LLMStepError
from llmstep.logs import ClientLogHandler, set_level
from llmstep.server.features import pull, status, suggest
from llmstep.server.framing import Incoming
from llmstep.server.messages import LOG_MESSAGE, Handshake
from llmstep.server.protocol import LLMStepProtocol, Writer
from llmstep.server.stdio import InputPump, OutputPump
from llmstep.service.question import PrepareRequest, ServiceStatus, SuggestRequest
from llmstep.service.suggest import SuggestService

_CLOSE_SECONDS = 0.3
_FLUSH_SECONDS = 0.2

logger = logging.getLogger(__name__)

Request = TypeVar("Request", SuggestRequest, PrepareRequest)

# Levels of `logging` to MessageType of the LSP: error, warning, info, log.
_MESSAGE_TYPES = ((logging.ERROR, 1), (logging.WARNING, 2), (logging.INFO, 3), (logging.NOTSET, 4))


class LLMStepServer:
    """Wires the protocol to the engine.

    Args:
        flags: Settings from the command line; they win over what the client asks for.
        client_log: Where log records wait until the client can take them.
        open_service: Makes the engine from the settings; tests put another one in.
        on_input_end: Called in another thread when the client has closed its end.
    """

    def __init__(
        self,
        flags: Mapping[str, Any] | None = None,
        client_log: ClientLogHandler | None = None,
        open_service: Callable[[Settings], SuggestService] = SuggestService,
        on_input_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._flags = dict(flags or {})
        self._client_log = client_log
        self._open_service = open_service
        self._on_input_end = on_input_end
        self._settings = Settings()
        self._service: SuggestService | None = None
        self._protocol: LLMStepProtocol | None = None
        self._ended: asyncio.Future[int] | None = None

    def connect(self, writer: Writer) -> LLMStepProtocol:
        """Make the protocol of the one client this server has."""
        protocol = LLMStepProtocol(self, writer)
        for feature in (suggest, status, pull):
            feature.register(protocol, self)
        self._protocol = protocol
        return protocol

    @property
    def service(self) -> SuggestService:
        """The engine; there from `begin` on, before which no request gets through.

        Raises:
            LLMStepError: There is no such model. Each use tries again: by then it may be there.
        """
        if self._service is None:
            service = self._open_service(self._settings)
            service.start()
            self._service = service
        return self._service

    def begin(self, handshake: Handshake) -> None:
        """Settle the settings and begin to load the model in the background.

        What is wrong with either is logged, and told to whoever asks for a suggestion; it does
        not keep the client from connecting.
        """
        resolved = resolve(self._flags, handshake.settings)
        self._settings = resolved.settings
        set_level(resolved.settings.log_level)
        logger.info("connected to %s, protocol %s", handshake.client, handshake.protocol_version)
        if handshake.problem is not None:
            logger.warning("%s", handshake.problem)
        for problem in resolved.problems:
            logger.warning("not taken: %s", problem)
        if (error := self.status().error) is not None:
            logger.warning("%s", error)

    def status(self) -> ServiceStatus:
        """The engine's state, also when there is none because there is no model."""
        try:
            return self.service.status()
        except LLMStepError as error:
            return ServiceStatus(
                model=self._settings.model,
                backend="",
                state="failed",
                error=f"{error.message} {error.hint}",
                load_ms=0.0,
                context_tokens=None,
                rss_bytes=psutil.Process().memory_info().rss,
                running=0,
                waiting=0,
                cache_entries=None,
                cache_hits=0,
                cache_misses=0,
            )

    def heed_flags(self, request: Request) -> Request:
        """The request as it counts: where ``--model`` chose the model, no request changes it."""
        if request.model is None or self._flags.get("model") is None:
            return request
        logger.info("the model was chosen with --model; the request's %r is left", request.model)
        return attrs.evolve(request, model=None)

    def greet(self) -> None:
        """The client is ready to be spoken to: hand it the log."""
        if self._client_log is not None:
            self._client_log.attach(self._log_to_client)

    def _log_to_client(self, level: int, text: str) -> None:
        if self._protocol is not None:
            kind = next(kind for least, kind in _MESSAGE_TYPES if level >= least)
            self._protocol.notify(LOG_MESSAGE, {"type": kind, "message": text})

    def stop(self, code: int) -> None:
        """End `serve` with this exit code; the first call wins. On the event loop."""
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(code)

    async def serve(self, reader: FileIO, writer: FileIO) -> int:
        """Speak with the client until it leaves.

        Returns:
            The process's exit code: 0 after ``shutdown`` or when the client closes its end, 1 for
            an ``exit`` without ``shutdown`` and for a client that does not read.
        """
        loop = asyncio.get_running_loop()
        self._ended = loop.create_future()

        def stop_soon(code: int) -> None:
            # The loop may be closed already: then there is nothing left to stop.
            if not loop.is_closed():
                loop.call_soon_threadsafe(self.stop, code)

        def give_up(reason: str) -> None:
            logger.error("giving up: %s", reason)
            stop_soon(1)

        output = OutputPump(writer, give_up)
        protocol = self.connect(output)

        def receive(batch: Sequence[Incoming]) -> None:
            try:
                for message in batch:
                    protocol.receive(message)
            finally:
                pump.acknowledge()

        def deliver(batch: Sequence[Incoming]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(receive, batch)

        def end() -> None:
            stop_soon(0)
            self._on_input_end()

        pump = InputPump(reader, deliver, end)
        output.start()
        pump.start()
        code = await self._ended
        output.flush(_FLUSH_SECONDS)
        output.close()
        return code

    def close(self) -> None:
        """End the engine's threads; does not wait for one that is stuck in native code."""
        service, self._service = self._service, None
        if service is None:
            return
        closing = threading.Thread(target=service.close, name="llmstep-close", daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)
