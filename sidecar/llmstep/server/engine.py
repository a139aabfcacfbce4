"""The engine: one process for all clients of a user, each behind a front of its own."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import json
import logging
import os
import signal
import time
from typing import TYPE_CHECKING, Any

from llmstep.logs import set_up_engine_logging
from llmstep.runtime.channel import UNIX, ChannelError, Listener, challenge, check_peer
from llmstep.runtime.framing import FrameDecoder, Malformed, encode_frame
from llmstep.runtime.identity import NO_BACKTRACE, Identity
from llmstep.runtime.notes import Casualties, WorkMark
from llmstep.runtime.place import EnginePlace
from llmstep.server.guest import Guest
from llmstep.server.services import Services

if TYPE_CHECKING:
    from llmstep.service.resident import ResidentModels

_MOST_UNREAD_BYTES = 16 << 20
_GREETING_S = 10.0
_TICK_S = 1.0
_LEAVE_S = 10.0
# Models stay beside each other while they take less than this share of the machine's memory.
_MEMORY_SHARE = 0.25
_DEFAULT_KEEP_ALIVE_S = 900.0
# A question makes tens of thousands of small objects, which end with it. Python's own threshold of
# 700 has them looked through, all that is kept among them, dozens of times.
_GARBAGE_THRESHOLD = 50_000

logger = logging.getLogger(__name__)


def run_engine(listener: Listener, place: EnginePlace) -> None:
    """Serve until nobody needs this engine any more."""
    os.environ.setdefault(NO_BACKTRACE, "1")
    faulthandler.enable()
    set_up_engine_logging()
    gc.set_threshold(_GARBAGE_THRESHOLD)
    engine = Engine(listener, place)
    loop = asyncio.new_event_loop()
    for name in ("SIGTERM", "SIGINT"):
        if hasattr(signal, name) and os.name == "posix":
            loop.add_signal_handler(getattr(signal, name), engine.leave, name)
    loop.run_until_complete(engine.serve())
    # Not the interpreter's own way out: a thread may be stuck in native code.
    os._exit(0)


class Engine:
    """Takes connections, and knows when to leave."""

    def __init__(self, listener: Listener, place: EnginePlace) -> None:
        self._listener = listener
        self._identity = Identity.own()
        self.services = Services(lambda: _make_models(place))
        self._guests: set[Guest] = set()
        self._begun = time.monotonic()
        self._last_seen = time.monotonic()
        self._keep_alive_s = _DEFAULT_KEEP_ALIVE_S
        self._leaving_since: float | None = None
        self._done = asyncio.Event()

    @property
    def key(self) -> bytes:
        """What a loopback client must know."""
        return self._listener.key

    async def serve(self) -> None:
        """Serve until nobody has been connected for as long as the engine is kept alive."""
        loop = asyncio.get_running_loop()
        make = loop.create_unix_server if UNIX else loop.create_server
        server = await make(lambda: Connection(self), sock=self._listener.socket)
        logger.info("listening as process %s", os.getpid())
        ticking = asyncio.ensure_future(self._tick())
        await self._done.wait()
        ticking.cancel()
        server.close()
        await asyncio.to_thread(self.services.close)

    def greet(self, hello: dict[str, Any]) -> dict[str, Any]:
        """The answer to a front's greeting: whether this engine can serve it."""
        caller = Identity.from_json(hello)
        if self._leaving_since is not None:
            return {"refused": "leaving"}
        if self._identity.is_outdated_by(caller):
            logger.info("version %s takes over", caller.version)
            self.leave("a newer version")
            return {"refused": "older"}
        if not self._identity.can_serve(caller):
            return {"refused": "unable"}
        return {"welcome": True, "pid": os.getpid(), "version": self._identity.version}

    def add(self, guest: Guest) -> None:
        """A front is served from now on."""
        self._guests.add(guest)

    def remove(self, guest: Guest) -> None:
        """A front has gone."""
        self._guests.discard(guest)
        self._last_seen = time.monotonic()

    def keep_alive(self, minutes: float) -> None:
        """How long the last client wants the engine to stay."""
        self._keep_alive_s = minutes * 60

    def leave(self, reason: str) -> None:
        """Listen no more; end when what runs is answered."""
        if self._leaving_since is None:
            logger.info("leaving: %s", reason)
            self._leaving_since = time.monotonic()
            self._listener.forget()
        self._take_leave()

    def describe(self) -> dict[str, Any]:
        """What ``llmstep ps`` and the status show."""
        # Here as below, because a client waits for the answer to its `initialize` first.
        from llmstep.backends.machine_memory import resident_bytes

        models = self.services.models
        return {
            "pid": os.getpid(),
            "version": self._identity.version,
            "location": self._identity.location.partition(os.pathsep)[2],
            "upSeconds": round(time.monotonic() - self._begun, 1),
            "rssBytes": resident_bytes(),
            "keepAliveMinutes": round(self._keep_alive_s / 60, 3),
            "connections": [guest.describe() for guest in self._guests],
            "models": [
                {
                    "model": model.model,
                    "backend": model.backend,
                    "state": model.state,
                    "idleSeconds": round(model.idle_s, 1),
                }
                for model in models.list_models()
            ],
            "queue": {"running": models.running, "waiting": models.waiting},
        }

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(min(_TICK_S, max(0.05, self._keep_alive_s / 4)))
            if self._leaving_since is not None:
                self._take_leave()
                continue
            try:
                self.services.close_unused(self._keep_alive_s)
            except Exception:  # say, files that were replaced under it; it must still end
                logger.exception("what is not used could not be closed")
            if not self._listener.is_there:
                self.leave("its socket is gone: nobody could find it")
                continue
            idle = time.monotonic() - self._last_seen
            if not self._guests and idle >= self._keep_alive_s:
                self.leave(f"nobody was connected for {idle:.0f} s")

    def _take_leave(self) -> None:
        late = time.monotonic() - (self._leaving_since or 0) > _LEAVE_S
        for guest in list(self._guests):
            guest.take_leave(late)
        if not self._guests:
            self._done.set()


def _make_models(place: EnginePlace) -> ResidentModels:
    from llmstep.backends.machine_memory import whole_memory
    from llmstep.service.casualty_guard import CasualtyGuard
    from llmstep.service.resident import ResidentModels

    guard = CasualtyGuard(WorkMark(place.work), Casualties(place.casualties))
    return ResidentModels(int(whole_memory() * _MEMORY_SHARE), guard)


class Connection(asyncio.Protocol):
    """One front: first its greeting, then its client's messages."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._decoder = FrameDecoder()
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._guest: Guest | None = None
        self._proof = ""
        self._greeting: asyncio.TimerHandle | None = None

    # asyncio's side ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A front has connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if UNIX:
            try:
                check_peer(transport.get_extra_info("socket"))
            except (ChannelError, OSError) as error:
                logger.warning("a connection was refused: %s", error)
                transport.abort()
                return
        self._greeting = self._loop.call_later(_GREETING_S, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Cut the front's bytes into messages and take each."""
        for message in self._decoder.feed(data):
            if self._guest is not None:
                self._guest.receive(message)
            elif isinstance(message, Malformed):
                self.end()
                return
            else:
                self._meet(message)

    def connection_lost(self, exc: Exception | None) -> None:
        """The front has gone: nobody waits for what it has asked."""
        if self._greeting is not None:
            self._greeting.cancel()
        if self._guest is not None:
            self._guest.close()
            self._engine.remove(self._guest)

    # The greeting --------------------------------------------------------------------------

    def _meet(self, message: dict[str, Any]) -> None:
        if self._engine.key and not self._is_proved(message):
            return
        if isinstance(hello := message.get("hello"), dict):
            self._welcome(message, hello)
        elif (control := message.get("control")) == "describe":
            self._send(self._engine.describe())
        elif control == "stop":
            self._send({"pid": os.getpid()})
            self._engine.leave("`llmstep stop`")
        elif "proof" not in message:
            self.end()

    def _is_proved(self, message: dict[str, Any]) -> bool:
        """Whether a loopback client has shown that it knows the key."""
        if self._proof == "given":
            return True
        if isinstance(nonce := message.get("challenge"), str) and not self._proof:
            self._proof = os.urandom(16).hex()
            answer = challenge(nonce, "engine", self._engine.key)
            self._send({"proof": answer, "challenge": self._proof})
        elif self._proof and message.get("proof") == challenge(
            self._proof, "front", self._engine.key
        ):
            self._proof = "given"
        else:
            self.end()
        return False

    def _welcome(self, message: dict[str, Any], hello: dict[str, Any]) -> None:
        try:
            answer = self._engine.greet(hello)
        except ValueError as error:
            answer = {"refused": str(error)}
        self._send(answer)
        if "welcome" not in answer:
            self.end()
            return
        if self._greeting is not None:
            self._greeting.cancel()
        self._guest = Guest(message, self, self._engine)
        self._engine.add(self._guest)

    # The client ----------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Queue one frame (any thread)."""
        try:
            if asyncio.get_running_loop() is self._loop:
                self._write(data)
                return
        except RuntimeError:
            pass
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._write, data)

    def _write(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(data)
        if transport.get_write_buffer_size() > _MOST_UNREAD_BYTES:
            logger.warning("a client has left %d bytes unread", transport.get_write_buffer_size())
            transport.abort()

    def _send(self, message: dict[str, Any]) -> None:
        self._write(encode_frame(json.dumps(message).encode()))

    def end(self) -> None:
        """End the connection once everything is sent."""
        if self._transport is not None:
            self._transport.close()
