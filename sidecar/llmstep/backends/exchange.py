"""One HTTP request whose answer can be given up at any moment.

The blocking calls run on a thread of their own; whoever waits for the answer looks at its cancel
token many times a second, and closing the exchange shuts the socket, so that the server notices.
"""

from __future__ import annotations

import contextlib
import http.client
import queue
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping

import attrs

from llmstep.backends.base import CancelToken
from llmstep.backends.endpoint import Endpoint

_POLL_SECONDS = 0.01
_MOST_QUEUED = 1024
MAX_LINE = 1 << 20
MAX_BODY = 8 << 20


class ExchangeError(Exception):
    """The server could not be reached, or the connection broke.

    Attributes:
        reached: Whether the server had begun to answer.
    """

    def __init__(self, message: str, *, reached: bool) -> None:
        super().__init__(message)
        self.reached = reached


@attrs.frozen
class Head:
    """Status and headers of an answer.

    Attributes:
        status: HTTP status code.
        reason: Its text.
        headers: Header values by lower-case name.
    """

    status: int
    reason: str
    headers: Mapping[str, str]


class Exchange:
    """A request that was sent, and its answer as it comes in. Use as a context manager.

    Args:
        endpoint: The server.
        path: Path below the endpoint's base path, with a slash first.
        body: JSON to post; ``None`` asks with GET.
        timeout_s: Longest wait for each piece of the answer.
        connect_s: Longest wait for the connection.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        path: str,
        body: bytes | None = None,
        *,
        timeout_s: float,
        connect_s: float = 10.0,
    ) -> None:
        self._endpoint = endpoint
        self._path = path
        self._body = body
        self._timeout_s = timeout_s
        self._connect_s = connect_s
        self._items: queue.Queue[Head | bytes | ExchangeError | None] = queue.Queue(_MOST_QUEUED)
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        threading.Thread(target=self._run, name="llmstep-http", daemon=True).start()

    def __enter__(self) -> Exchange:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def head(self, cancel: CancelToken) -> Head | None:
        """Wait for status and headers; ``None`` if the token was set first.

        Raises:
            ExchangeError: The server could not be reached or broke off.
        """
        item = self._next(cancel)
        assert not isinstance(item, bytes)
        return item

    def lines(self, cancel: CancelToken) -> Iterator[bytes]:
        """The body's lines as they come in, line ends included; ends early on the token.

        Raises:
            ExchangeError: The connection broke, or a line is longer than 1 MiB.
        """
        while (item := self._next(cancel)) is not None:
            assert isinstance(item, bytes)
            yield item

    def read(self, cancel: CancelToken) -> bytes:
        """The whole rest of the body, at most 8 MiB of it."""
        parts: list[bytes] = []
        size = 0
        for line in self.lines(cancel):
            parts.append(line)
            size += len(line)
            if size > MAX_BODY:
                raise ExchangeError("its answer is longer than 8 MiB", reached=True)
        return b"".join(parts)

    def close(self) -> None:
        """Give up the answer and shut the connection, also one that is being read from."""
        with self._lock:
            self._closed.set()
            if self._socket is not None:
                # Closing would wait for the thread that reads; shutting down wakes it. Not the
                # method of an SSL socket, which takes its state from under the reader's feet.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _next(self, cancel: CancelToken) -> Head | bytes | None:
        while not cancel.is_set():
            try:
                item = self._items.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if isinstance(item, ExchangeError):
                raise item
            return item
        return None

    def _put(self, item: Head | bytes | ExchangeError | None) -> bool:
        while not self._closed.is_set():
            try:
                self._items.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def _run(self) -> None:
        reached = False
        timeout_s = self._connect_s
        try:
            with contextlib.closing(self._endpoint.connect(timeout_s)) as connection:
                connection.connect()
                if not self._own(connection.sock):
                    return
                timeout_s = self._timeout_s
                connection.sock.settimeout(timeout_s)
                with contextlib.closing(self._send(connection)) as response:
                    reached = True
                    names = {name.lower(): value for name, value in response.getheaders()}
                    self._put(Head(response.status, response.reason, names))
                    self._read_lines(response)
            self._put(None)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._put(ExchangeError(explain(error, timeout_s), reached=reached))

    def _own(self, connected: socket.socket) -> bool:
        with self._lock:
            # Kept here because http.client forgets the socket of an answer that ends with it.
            self._socket = connected
            return not self._closed.is_set()

    def _send(self, connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
        headers = self._endpoint.headers()
        if self._body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(
            "GET" if self._body is None else "POST",
            self._endpoint.target(self._path),
            body=self._body,
            headers=headers,
        )
        return connection.getresponse()

    def _read_lines(self, response: http.client.HTTPResponse) -> None:
        while line := response.readline(MAX_LINE + 1):
            if len(line) > MAX_LINE:
                raise ValueError("it sent a line of more than 1 MiB")
            if not self._put(line):
                return


def explain(error: Exception, timeout_s: float) -> str:
    """Say what a failed connection means, as the end of a sentence that names the server."""
    if isinstance(error, TimeoutError):
        return f"it sent nothing for {timeout_s:g} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate was not accepted: {error.verify_message}"
    if isinstance(error, socket.gaierror):
        return "its name is not known (no network, or a typing error)"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens at that address"
    if isinstance(error, (http.client.IncompleteRead, ConnectionError)):
        return "it closed the connection before its answer was complete"
    if isinstance(error, http.client.HTTPException):
        return f"what it sent is no HTTP answer ({type(error).__name__})"
    return str(error) or type(error).__name__
