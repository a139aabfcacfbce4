"""A client of the sidecar: starts `llmstep serve`, asks, and ends it.

Standard library only, and none of the server's own code: what is tried here is what a client
written by somebody else would meet.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import queue
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import IO, Any

from llmstep.errors import LLMStepError

PROTOCOL_VERSION = 1
# How long an error waits for the process to end and for what it wrote last.
_LAST_WORDS_S = 2.0


class HandshakeError(LLMStepError):
    """The sidecar did not start, did not answer in time, or answered with an error."""

    default_hint = "Run `llmstep serve --model builtin -v` in a terminal and read what it prints."


@dataclasses.dataclass(frozen=True)
class Conversation:
    """What came out of one conversation.

    Attributes:
        model: Name of the model that answered.
        suggestions: Tactics, best first.
        start_ms: Milliseconds from spawning to the reply to ``initialize``.
        suggest_ms: Milliseconds from the question to its reply, loading the model included.
        silent: Why the model did not answer and the other sources did; empty if it did.
    """

    model: str
    suggestions: tuple[str, ...]
    start_ms: float
    suggest_ms: float
    silent: str = ""


def converse(command: Sequence[str], goal: str, timeout_s: float = 120.0) -> Conversation:
    """Start a sidecar, ask about one goal, and end it; ``timeout_s`` is for each reply.

    Raises:
        HandshakeError: Something did not go as it should; the message says what.
    """
    started = time.monotonic()
    with SidecarClient(command) as sidecar:
        sidecar.initialize(timeout_s)
        start_ms = (time.monotonic() - started) * 1000
        asked = time.monotonic()
        answer = sidecar.request("llmstep/suggest", {"goals": [goal], "prefix": ""}, timeout_s)
        suggest_ms = (time.monotonic() - asked) * 1000
        sidecar.shut_down(timeout_s)
    try:
        return Conversation(
            model=str(answer["model"]),
            suggestions=tuple(str(item["tactic"]) for item in answer["suggestions"]),
            start_ms=start_ms,
            suggest_ms=suggest_ms,
            silent=str((answer.get("partial") or {}).get("reason", "")),
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise HandshakeError(f"the sidecar's answer lacks a field: {error}") from error


class SidecarClient:
    """The process, with its output read on threads so that no wait is without end."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str] | None = None) -> None:
        self._command = list(command)
        # The disk cache would answer in the model's place, and most questions here are no real
        # ones; a caller that wants it says so.
        self._environ = {"LLMSTEP_CACHE": "false", **(environ or {})}
        self._ids = 0
        self._replies: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._stderr: deque[str] = deque(maxlen=20)

    def __enter__(self) -> SidecarClient:
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **self._environ},
            )
        except OSError as error:
            raise HandshakeError(f"{self._command[0]} cannot be started: {error}") from error
        _start_reader(self._process.stdout, self._read_messages)
        self._stderr_reader = _start_reader(self._process.stderr, self._read_stderr)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._process.stdin:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    @property
    def pid(self) -> int:
        """Process id of the sidecar."""
        return self._process.pid

    def initialize(self, timeout_s: float) -> None:
        """Open the conversation."""
        params = {
            "processId": os.getpid(),
            "rootUri": None,
            "capabilities": {},
            "initializationOptions": {"protocolVersion": PROTOCOL_VERSION, "client": "llmstep"},
        }
        self.request("initialize", params, timeout_s)
        self.notify("initialized", {})

    def shut_down(self, timeout_s: float) -> None:
        """End the conversation and wait for the process to end by itself."""
        self.request("shutdown", None, timeout_s)
        with contextlib.suppress(HandshakeError):
            # One that has ended already is told of by its exit code.
            self.notify("exit", None)
        self.wait(10)

    def request(self, method: str, params: Any, timeout_s: float) -> dict[str, Any]:
        """Send a request and wait for its reply.

        Raises:
            HandshakeError: No reply in time, an error reply, or the process has ended.
        """
        self._ids += 1
        self._send({"jsonrpc": "2.0", "id": self._ids, "method": method, "params": params})
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                reply = self._replies.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise self._error(f"no reply to {method} within {timeout_s:g} s") from None
            if reply is None:
                raise self._error(f"the sidecar ended before it replied to {method}")
            if reply.get("id") != self._ids or "method" in reply:
                continue
            if "error" in reply:
                error = reply["error"]
                hint = (error.get("data") or {}).get("hint")
                raise HandshakeError(f"{method} failed: {error.get('message')}", hint=hint)
            return reply.get("result") or {}

    def notify(self, method: str, params: Any) -> None:
        """Send a notification."""
        self._send({"jsonrpc": "2.0", "method": method, "params": params})

    def wait(self, timeout_s: float) -> None:
        """Wait for the process to end by itself.

        Raises:
            HandshakeError: It did not, or ended with an error.
        """
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise self._error(f"the sidecar still ran {timeout_s:g} s after `exit`") from None
        if code != 0:
            raise self._error(f"the sidecar ended with exit code {code}")

    def _send(self, message: dict[str, Any]) -> None:
        if message["params"] is None:
            del message["params"]
        body = json.dumps(message).encode()
        if self._process.stdin is None:
            raise RuntimeError("the sidecar's stdin is no pipe")
        try:
            self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            self._process.stdin.flush()
        except OSError:
            raise self._error(f"the sidecar ended before {message['method']}") from None

    def _error(self, message: str) -> HandshakeError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_LAST_WORDS_S)
            # The end of its output can be seen before what it wrote to stderr has been read.
            self._stderr_reader.join(_LAST_WORDS_S)
        last = " | ".join(list(self._stderr)[-3:])
        return HandshakeError(f"{message}; it wrote: {last}" if last else message)

    def _read_messages(self, stream: IO[bytes]) -> None:
        # Whatever is wrong with the bytes, the waiting side must hear that no more will come.
        try:
            while (message := _read_message(stream)) is not None:
                self._replies.put(message)
        except (OSError, ValueError) as error:
            self._stderr.append(f"(not a frame: {error})")
        self._replies.put(None)

    def _read_stderr(self, stream: IO[bytes]) -> None:
        for line in stream:
            self._stderr.append(line.decode("utf-8", "replace").rstrip())


def _start_reader(stream: IO[bytes] | None, target: Any) -> threading.Thread:
    reader = threading.Thread(target=target, args=(stream,), daemon=True)
    reader.start()
    return reader


def _read_message(stream: IO[bytes]) -> dict[str, Any] | None:
    """Read one frame; ``None`` at the end of the stream. Raises ``ValueError`` on a bad one."""
    length = None
    while True:
        line = stream.readline()
        if not line:
            return None
        if line in (b"\r\n", b"\n"):
            break
        name, colon, value = line.partition(b":")
        if not colon:
            raise ValueError(f"header line {line[:80]!r}")
        if name.strip().lower() == b"content-length":
            length = int(value)
    if length is None:
        raise ValueError("no Content-Length")
    message = json.loads(stream.read(length))
    if not isinstance(message, dict):
        raise ValueError("a message that is no object")
    return message
