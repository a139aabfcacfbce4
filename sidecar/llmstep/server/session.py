"""What one client has: its settings, and the service that they open."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from llmstep.config import Settings, current_folder, resolve
from llmstep.errors import LLMStepError
from llmstep.first_version import Leftover, find_server
from llmstep.logs import set_level
from llmstep.server.messages import Handshake

if TYPE_CHECKING:
    from llmstep.service.question import (
        Asker,
        PrepareRequest,
        ServiceStatus,
        SuggestReply,
        SuggestRequest,
    )
    from llmstep.service.suggest import SuggestService
    from llmstep.sources.sources import Sources

_CLOSE_SECONDS = 0.3
# No answer waits longer to hear of a server of 2023; where nothing listens, it is known at once.
_OLD_SERVER_SECONDS = 1.0

logger = logging.getLogger(__name__)

T = TypeVar("T")
Request = TypeVar("Request", "SuggestRequest", "PrepareRequest")


class Session:
    """Settles the settings and opens the service.

    Args:
        flags: Settings from the command line; they win over what the client asks for.
        open_service: Makes the service from the settings; one of its own by default.
        environ: The client's environment variables, if it has others than this process.
        folder: The client's working folder, if it has another than this process.
        release_service: Takes back what ``open_service`` gave, if it is shared.
        log_owner: Marks what is logged on behalf of this client.

    Attributes:
        settings: The client's; the defaults before `begin`.
    """

    def __init__(
        self,
        flags: Mapping[str, Any],
        open_service: Callable[[Settings], SuggestService] | None = None,
        environ: Mapping[str, str] | None = None,
        folder: str | None = None,
        release_service: Callable[[SuggestService], None] | None = None,
        log_owner: object = None,
    ) -> None:
        self._flags = dict(flags)
        self._open_service = open_service or _open_service
        self._environ = os.environ if environ is None else environ
        self._folder = folder or current_folder()
        self._release_service = release_service
        self._log_owner = log_owner
        self.settings = Settings()
        self._service: SuggestService | None = None
        self._opening: asyncio.Handle | None = None
        self._problems: tuple[str, ...] = ()
        self._begun = 0.0
        self._old_server: Future[Leftover | None] = Future()

    @property
    def asker(self) -> Asker:
        """Who asks, and with which settings."""
        from llmstep.service.question import Asker

        return Asker(id(self), self.settings, folder=self._folder or "")

    @property
    def service(self) -> SuggestService:
        """The service; opened soon after `begin`, before which no request gets through."""
        if self._service is None:
            service = self._open_service(self.settings)
            service.start()
            self._service = service
        return self._service

    def begin(self, handshake: Handshake) -> None:
        """Settle the settings; once `initialize` is answered, begin to load the model.

        What is wrong with either is logged, and told to whoever asks for a suggestion; it does
        not keep the client from connecting.
        """
        resolved = resolve(
            self._flags,
            handshake.settings,
            self._environ,
            folder=self._folder,
            options_folder=handshake.folder,
        )
        self._folder = handshake.folder or self._folder
        self.settings = resolved.settings
        set_level(resolved.settings.log_level, self._log_owner)
        logger.info("connected to %s, protocol %s", handshake.client, handshake.protocol_version)
        if handshake.problem is not None:
            logger.warning("%s", handshake.problem)
        for problem in resolved.problems:
            logger.warning("not taken: %s", problem)
        told = [f"not taken: {problem}" for problem in resolved.problems]
        self._problems = (*([handshake.problem] if handshake.problem else []), *told)
        self._begun = time.monotonic()
        threading.Thread(target=self._find_old_server, name="llmstep-2023", daemon=True).start()
        # To import what a service is made of takes as long as all before it.
        self._opening = asyncio.get_running_loop().call_soon(lambda: self.service)

    async def suggest_quietly(self, request: SuggestRequest) -> SuggestReply | None:
        """Ask for steps that nobody has asked for: every other question goes first.

        Returns:
            The answer; ``None`` where there is none, for whatever reason.
        """
        from llmstep.backends.base import CancelToken

        asker = attrs.evolve(self.asker, background=True)
        try:
            return await self.service.suggest(request, CancelToken(), lambda _: None, asker)
        except LLMStepError as error:
            logger.debug("no step as grey text: %s", error.message)
            return None

    async def warnings(self) -> tuple[str, ...]:
        """What this client is told beside answers: settings not taken, a server of 2023."""
        left_s = self._begun + _OLD_SERVER_SECONDS - time.monotonic()
        if not self._old_server.done() and left_s > 0:
            await asyncio.wait({asyncio.wrap_future(self._old_server)}, timeout=left_s)
        left = self._old_server.result() if self._old_server.done() else None
        return (*self._problems, str(left)) if left is not None else self._problems

    def _find_old_server(self) -> None:
        found = None
        try:
            found = find_server(self._environ)
        finally:
            self._old_server.set_result(found)

    def status(self) -> ServiceStatus:
        """The service's state."""
        return self.service.status()

    def note_document(self, uri: str, text: str | None) -> None:
        """An editor opened or changed a document; ``None`` when it closed it."""
        if self._service is not None:
            self._service.note_document(uri, text)

    async def look_up(self, work: Callable[[Sources], T], key: str) -> T | None:
        """Do what reads text and asks the sources; see `Lookups.look_up`."""
        return await self.service.lookups.look_up(work, key, self.asker)

    def heed_flags(self, request: Request) -> Request:
        """The request, without a model of its own where ``--model`` chose the model for all."""
        if request.model is None or self._flags.get("model") is None:
            return request
        logger.info("the model was chosen with --model; the request's %r is left", request.model)
        return attrs.evolve(request, model=None)

    def close(self) -> None:
        """End the service's threads; does not wait for one that is stuck in native code."""
        if self._opening is not None:
            self._opening.cancel()
        service, self._service = self._service, None
        if service is None:
            return
        if self._release_service is not None:
            self._release_service(service)
            return
        closing = threading.Thread(target=service.close, name="llmstep-close", daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)


def _open_service(settings: Settings) -> SuggestService:
    from llmstep.service.suggest import SuggestService

    return SuggestService(settings)
