"""Forwards frames, and answers for the engine where it cannot."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from llmstep.errors import REQUEST_FAILED
from llmstep.front.documents import OpenDocuments
from llmstep.front.link import Caller, Link, NoEngineError
from llmstep.runtime.channel import ChannelError
from llmstep.runtime.framing import FrameDecoder, Malformed, dump, encode_frame, is_id
from llmstep.runtime.notes import read_death
from llmstep.runtime.private import BYE, LOG, PREFIX, TOOK
from llmstep.runtime.stdio import OutputPump

_OWN_ID = "llmstep-front/initialize"
_MOST_UNSENT_BYTES = 128 << 20
_FLOOD_BYTES, _WAIT_S, _MOST_WAITS = 8 << 20, 0.05, 100
# No flag of this kind on Windows: there everything goes through the pump's thread.
_NOW = getattr(socket, "MSG_DONTWAIT", 0)
# Deaths in a row after which also a request is answered that no engine has taken in.
_MOST_RESENT = 3
_CHUNK_BYTES = 1 << 16
# How long a front waits for the watcher to write down what became of the engine.
_NOTE_S = 1.0
_POLL_S = 0.02
# Engines that died of themselves within that time delay the next start: 0, 0.5, 1, 2, 4 s.
_RECENT_S = 60.0
_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 4.0


class Front:
    """One client on one side, the user's engine on the other.

    Args:
        caller: Greets engines on behalf of the client.
        link: The first engine.
        write: Queues bytes for the client.
        on_log: Takes the lines of the engine's log that belong to this client.
        watch: Told the process id that `initialize` names.
    """

    def __init__(
        self,
        caller: Caller,
        link: Link,
        write: Callable[[bytes], None],
        on_log: Callable[[str], None],
        watch: Callable[[int], None],
    ) -> None:
        self._caller = caller
        self._main_place = link.place
        self._write = write
        self._on_log = on_log
        self._watch = watch
        self._lock = threading.RLock()
        self._link: Link | None = None
        self._output: OutputPump | None = None  # to the engine
        self._connecting = False
        self._waiting: deque[bytes] = deque()
        # Every open request by its id, twice if it came twice.
        self._open: dict[object, list[bytes]] = {}
        self._initialize: bytes = b""
        self._welcomed = False
        self._shut_down = False
        self._deaths: list[float] = []
        self._heard_at = time.monotonic()
        self._taken: set[object] = set()  # ids of what the engine has begun
        self._resent = 0  # deaths in a row that cost no request
        self._documents = OpenDocuments()
        self.exit_code: int | None = None
        self._attach(link)

    @property
    def silent_s(self) -> float:
        """Seconds since the client said something; 0 while it waits for an answer."""
        return 0.0 if self._open else time.monotonic() - self._heard_at

    # From the client -------------------------------------------------------------------------

    def receive(self, message: dict[str, object] | Malformed, body: bytes) -> None:
        """Take one message of the client."""
        self._heard_at = time.monotonic()
        if isinstance(message, Malformed):
            self._write(error_frame(None, message.code, message.message, message.hint))
            return
        method, identifier = message.get("method"), message.get("id")
        with self._lock:
            if method == "exit":
                self.exit_code = 0 if self._shut_down else 1
                return
            if isinstance(method, str) and is_id(identifier):
                self._open.setdefault(identifier, []).append(body)
                if method == "shutdown":
                    self._shut_down = True
            if method == "initialize" and not self._initialize:
                self._initialize = body
                params = message.get("params")
                pid = params.get("processId") if isinstance(params, dict) else None
                if isinstance(pid, int) and not isinstance(pid, bool) and pid > 0:
                    self._watch(pid)
            elif isinstance(method, str) and method.startswith("textDocument/did"):
                self._documents.note(method, message.get("params"), body)
            self._send(body)

    def _send(self, body: bytes) -> None:
        """Forward to the engine, or keep it until there is one. Under the lock."""
        if self._output is None:
            self._waiting.append(body)
            self._connect_soon()
        else:
            self._output.write(encode_frame(body))

    # From the engine -------------------------------------------------------------------------

    def _attach(self, link: Link) -> None:
        """Speak with an engine from now on. Under the lock."""
        self._link = link
        # An engine that does not read must not keep the end of the client from being seen.
        writer = _SocketWriter(link)
        self._output = OutputPump(
            writer, lambda _: link.close(), _MOST_UNSENT_BYTES, writer.write_now
        )
        self._output.start()
        bodies: list[bytes] = []
        if self._welcomed:
            message = json.loads(self._initialize)
            message["id"] = _OWN_ID
            bodies.append(json.dumps(message).encode())
            bodies.append(b'{"jsonrpc":"2.0","method":"initialized","params":{}}')
            bodies += self._documents.replay()
        bodies += self._waiting
        self._waiting.clear()
        reader = threading.Thread(target=self._read, args=(link,), name="front-engine", daemon=True)
        reader.start()
        for body in bodies:
            self._send(body)

    def _read(self, link: Link) -> None:
        decoder = FrameDecoder()
        said_bye = False
        try:
            for message in link.channel.early:
                said_bye |= self._take(message, dump(message))
            while chunk := link.channel.socket.recv(_CHUNK_BYTES):
                for message, body in decoder.feed_with_bodies(chunk):
                    if not isinstance(message, Malformed):
                        said_bye |= self._take(message, body)
        except OSError:
            pass
        link.close()
        self._lose(link, said_bye)

    def _take(self, message: dict[str, object], body: bytes) -> bool:
        """Take one message of the engine; whether it was its last."""
        method = message.get("method")
        if isinstance(method, str) and method.startswith(PREFIX):
            params = message.get("params")
            if method == LOG and isinstance(params, dict):
                self._on_log(str(params.get("text")))
            elif method == TOOK and isinstance(params, dict) and is_id(params.get("id")):
                self._taken.add(params["id"])
            return method == BYE
        identifier = message.get("id")
        with self._lock:
            if method is None and identifier is not None:
                if identifier == _OWN_ID:
                    return False
                bodies = self._open.get(identifier)
                if not bodies:
                    return False  # it was answered in the engine's place
                bodies.pop(0)
                if not bodies:
                    del self._open[identifier]
                    self._taken.discard(identifier)
                self._resent = 0
                if self._initialize and not self._welcomed:
                    self._note_welcome(identifier, message.get("result"))
            self._write(encode_frame(body))
        return False

    def _note_welcome(self, identifier: object, result: object) -> None:
        """The engine has answered; if that was to `initialize`, remember what was agreed."""
        if json.loads(self._initialize).get("id") != identifier:
            return
        if not isinstance(result, dict):
            self._initialize = b""  # refused: the client may try again
            return
        self._welcomed = True
        capabilities = result.get("capabilities")
        if isinstance(capabilities, dict):
            self._documents.encoding = str(capabilities.get("positionEncoding"))

    # Without an engine -----------------------------------------------------------------------

    def _lose(self, link: Link, said_bye: bool) -> None:
        """The engine has gone: answer what it has left open."""
        if self.exit_code is not None:
            return
        cause, own_fault = "", False
        if not said_bye:
            cause, own_fault = self._ask_after(link)
        with self._lock:
            if self._link is not link:
                return
            self._link = self._output = None
            if own_fault:
                self._deaths.append(time.monotonic())
            if not said_bye:
                message = f"the engine has ended: {cause}"
                hint = "Ask again; it is started anew. `llmstep logs` shows more."
                self._resent += 1
                self._answer_open(message, hint, only_taken=self._resent <= _MOST_RESENT)
                self._on_log(f"llmstep: {message}")
            # What it has not taken in has not harmed it: that is for the next one.
            self._taken.clear()
            self._waiting.extend(body for bodies in self._open.values() for body in bodies)
            if self._waiting:
                self._connect_soon()

    def _answer_open(self, message: str, hint: str, *, only_taken: bool) -> None:
        """Answer what is open with an error. Under the lock."""
        for identifier, bodies in list(self._open.items()):
            if only_taken and (identifier not in self._taken or bodies[0] is self._initialize):
                continue
            for _ in bodies:
                self._write(error_frame(identifier, REQUEST_FAILED, message, hint))
            del self._open[identifier]
        if not self._welcomed and not self._open:
            self._initialize = b""

    def _ask_after(self, link: Link) -> tuple[str, bool]:
        """What ended the engine, as its watcher has seen it; and whether it was its own fault."""
        deadline = time.monotonic() + _NOTE_S
        while time.monotonic() < deadline:
            death = read_death(link.place.death)
            if death is not None and death.pid == link.pid:
                return death.cause, death.own_fault
            time.sleep(_POLL_S)
        return "nobody saw what ended it", False

    def _delay(self) -> float:
        """Seconds to wait before an engine is started again."""
        now = time.monotonic()
        self._deaths = [at for at in self._deaths if now - at < _RECENT_S]
        count = len(self._deaths)
        return min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2 ** (count - 2)) if count > 1 else 0.0

    def _connect_soon(self) -> None:
        """Find or start an engine in the background. Under the lock."""
        if self._connecting:
            return
        self._connecting = True
        threading.Thread(target=self._connect, name="front-start", daemon=True).start()

    def _connect(self) -> None:
        time.sleep(self._delay())
        try:
            link = self._caller.link(self._main_place)
        except (NoEngineError, ChannelError, OSError) as error:
            self._refuse(f"the engine cannot be started: {error}")
            return
        with self._lock:
            self._connecting = False
            self._attach(link)

    def _refuse(self, message: str) -> None:
        """Answer what waits for an engine that cannot be had."""
        hint = "Run `llmstep doctor`, or start the sidecar with `llmstep serve --in-process`."
        with self._lock:
            self._connecting = False
            self._waiting.clear()
            self._answer_open(message, hint, only_taken=False)
        self._on_log(f"llmstep: {message}")

    def make_room(self) -> None:
        """Wait while the engine has much to take: then the client's pipe fills up, not memory."""
        for _ in range(_MOST_WAITS):
            output = self._output
            if output is None or output.waiting_bytes < _FLOOD_BYTES:
                return
            output.flush(_WAIT_S)

    def leave(self) -> None:
        """The client has gone: let the engine know."""
        with self._lock:
            if self._link is not None:
                self._link.close()


class _SocketWriter:
    """A socket as a stream that a pump can write to."""

    def __init__(self, link: Link) -> None:
        self._socket = link.channel.socket

    def write(self, data: memoryview) -> int:
        """Write some of it; returns how much."""
        return self._socket.send(data)

    def write_now(self, data: memoryview) -> int:
        """Write what goes without waiting; returns how much."""
        if not _NOW:
            return 0
        try:
            return self._socket.send(data, _NOW)
        except BlockingIOError:
            return 0


def read_client(front: Front, chunks: Iterable[bytes]) -> int:
    """Take what the client sends until it leaves; returns the exit code."""
    decoder = FrameDecoder()
    for chunk in chunks:
        for message, body in decoder.feed_with_bodies(chunk):
            front.receive(message, body)
            front.make_room()
            if front.exit_code is not None:
                return front.exit_code
    return 0


def error_frame(identifier: object, code: int, message: str, hint: str) -> bytes:
    """An answer that says what went wrong."""
    error = {"code": code, "message": message, "data": {"hint": hint}}
    return encode_frame(dump({"jsonrpc": "2.0", "id": identifier, "error": error}))


def report(text: str) -> None:
    """Write a line for humans to stderr."""
    try:
        sys.stderr.write(text.rstrip("\n") + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass
