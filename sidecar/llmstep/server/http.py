"""The protocol of the first llmstep over HTTP, for the clients that speak it.

``POST /`` with ``{"tactic_state": str, "prefix": str, "context": str}`` is answered by
``{"suggestions": [str, ...]}``: the best first, each with the prefix at its start. Source: the
``python/suggest.py`` and ``python/server.py`` of github.com/wellecks/llmstep at 88f4107. What
differs: an error has a true HTTP status and ``{"error": str, "hint": str}``, ``context`` may be
missing, and ``GET /`` tells which model answers.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import logging
import os
import select
import socket
import socketserver
import sys
import threading
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from llmstep import __version__
from llmstep.backends.base import CancelToken
from llmstep.config import resolve
from llmstep.errors import (
    CancelledError,
    DeadlineError,
    InvalidParamsError,
    LLMStepError,
    PromptTooLongError,
)
from llmstep.logs import close_logging, set_up_logging
from llmstep.prompts.goal import split_goals
from llmstep.server.address import Address, explain_refusal, read_address, read_token
from llmstep.server.http_checks import (
    RefusedError,
    TimedStream,
    check_caller,
    malformed,
    read_length,
)
from llmstep.service.question import Document, SuggestReply, SuggestRequest
from llmstep.service.suggest import SuggestService

_MOST_CONNECTIONS = 64
_SILENCE_SECONDS = 30.0
_POLL_SECONDS = 0.1
_STATUS: dict[type[LLMStepError], HTTPStatus] = {
    InvalidParamsError: HTTPStatus.BAD_REQUEST,
    PromptTooLongError: HTTPStatus.UNPROCESSABLE_ENTITY,
    DeadlineError: HTTPStatus.GATEWAY_TIMEOUT,
    CancelledError: HTTPStatus.CONFLICT,
}

logger = logging.getLogger(__name__)


def run_http_server(
    host: str | None, port: int | None, flags: Mapping[str, Any], log_file: Path | None
) -> None:
    """Serve until interrupted, at the address and with the settings of the command line if given.

    Raises:
        ConfigError: The address cannot be listened on.
        ModelNotFoundError: There is no such model.
    """
    resolved = resolve(flags)
    set_up_logging(resolved.settings.log_level, log_file)
    address, problems = read_address(host, port, os.environ)
    for problem in (*resolved.problems, *problems):
        logger.warning("not taken: %s", problem)
    token = read_token(address, os.environ)
    service = SuggestService(resolved.settings)
    try:
        with SuggestHTTPServer(address, service, token=token) as server:
            service.start()
            if not address.local:
                logger.warning(
                    "%s can be reached from other machines; what is sent can be read on the way",
                    server.url,
                )
            print(f"llmstep answers at {server.url}; end it with Ctrl-C", file=sys.stderr)
            server.serve_forever()
    except KeyboardInterrupt:
        logger.info("interrupted")
    finally:
        service.close()
        close_logging()


class SuggestHTTPServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Answers each connection on a thread of its own; the service takes the questions in turn.

    Not the standard library's ``HTTPServer``, which looks up its own name and may wait for that.

    Args:
        address: Where to listen.
        service: What answers.
        most_connections: How many are served at a time; the others are turned away.
        token: What every request must bring; empty asks for none.

    Raises:
        ConfigError: The address cannot be listened on.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    # On Windows this would let a second server take the port over.
    allow_reuse_address = not hasattr(socket, "SO_EXCLUSIVEADDRUSE")

    def __init__(
        self,
        address: Address,
        service: SuggestService,
        most_connections: int = _MOST_CONNECTIONS,
        token: str = "",
    ) -> None:
        self.address = address
        self.token = token
        self.service = service
        self.numbers = itertools.count(1)
        self._places = threading.BoundedSemaphore(most_connections)
        try:
            found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
            # A name may stand for both loopback addresses; clients try IPv4 in any case.
            family, *_, place = min(found, key=lambda entry: entry[0] != socket.AF_INET)
            self.address_family = family
            super().__init__((str(place[0]), int(place[1])), _Handler)
        except OSError as error:
            raise explain_refusal(address, error) from error

    @property
    def url(self) -> str:
        """Address that clients use."""
        host, port = self.server_address[:2]
        return f"http://[{host}]:{port}" if ":" in str(host) else f"http://{host}:{port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a connection; beyond the limit it is turned away at once."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
            return
        try:
            request.sendall(_busy_answer())
        except OSError as error:
            logger.debug("turned away and gone: %s", error)
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection and give its place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what ended a connection; a client that goes away is none of the user's business."""
        logger.debug("connection of %s ended", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: SuggestHTTPServer  # pyright: ignore[reportIncompatibleVariableOverride]
    protocol_version = "HTTP/1.1"
    server_version = f"llmstep/{__version__}"
    sys_version = ""
    timeout = _SILENCE_SECONDS

    def setup(self) -> None:
        """Read through a stream whose time limit holds for a whole request, not for each piece."""
        super().setup()
        self._stream = TimedStream(self.connection)
        self.rfile = io.BufferedReader(self._stream)

    def handle_one_request(self) -> None:
        """Answer one request; its time limit begins now."""
        self._stream.restart()
        try:
            super().handle_one_request()
        except RefusedError as refusal:
            self._refuse(refusal)

    def _check_caller(self) -> None:
        server = self.server
        check_caller(self.path, self.headers, local=server.address.local, token=server.token)

    def do_GET(self) -> None:
        """Tell which model answers."""
        self._check_caller()
        status = self.server.service.status()
        told = {"model": status.model, "state": status.state, "error": status.error}
        self._send(HTTPStatus.OK, {"llmstep": __version__, **told})

    def do_POST(self) -> None:
        """Answer one question."""
        self._check_caller()
        request = self._read_request()
        try:
            reply = asyncio.run(self._suggest(request))
        except LLMStepError as error:
            status = _STATUS.get(type(error), HTTPStatus.INTERNAL_SERVER_ERROR)
            logger.info("%s: %s", self.client_address[0], error.message)
            self._send(status, {"error": error.message, "hint": error.hint})
        except Exception:
            logger.exception("a request failed")
            error = {"error": "an error within llmstep", "hint": "See the log of `llmstep serve`."}
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, error)
        else:
            self._send(HTTPStatus.OK, {"suggestions": [s.tactic for s in reply.suggestions]})

    async def _suggest(self, request: SuggestRequest) -> SuggestReply:
        cancel = CancelToken()
        asking = asyncio.ensure_future(self.server.service.suggest(request, cancel))
        while not (await asyncio.wait({asking}, timeout=_POLL_SECONDS))[0]:
            if self._client_is_gone():
                cancel.cancel()
        return asking.result()

    def _client_is_gone(self) -> bool:
        try:
            readable, _, _ = select.select([self.connection], [], [], 0)
            return bool(readable) and self.connection.recv(1, socket.MSG_PEEK) == b""
        except (OSError, ValueError):
            return True

    def _read_request(self) -> SuggestRequest:
        length = read_length(self.headers)
        body = self.rfile.read(length)
        if len(body) < length:
            raise malformed("the request ended before its Content-Length")
        try:
            values = json.loads(body)
        except (ValueError, RecursionError):
            raise malformed("the request is no JSON") from None
        if not isinstance(values, dict):
            raise malformed("the request is no JSON object")
        if "tactic_state" not in values:
            raise malformed("`tactic_state` is missing")
        state, prefix, context = (
            _read_text(values, name) for name in ("tactic_state", "prefix", "context")
        )
        # Two clients may ask at the same place of different files, so each document is another.
        document = Document(f"http:{next(self.server.numbers)}", context) if context else None
        return SuggestRequest(tuple(split_goals(state)), prefix, document)

    def _refuse(self, refusal: RefusedError) -> None:
        # What is left of the request was not read: the connection cannot be used again.
        self.close_connection = True
        self._send(refusal.status, {"error": str(refusal), "hint": refusal.hint})

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what the base class refuses (a bad request line, a method) in JSON as well."""
        status = HTTPStatus(code)
        if status is HTTPStatus.NOT_IMPLEMENTED:
            status = HTTPStatus.METHOD_NOT_ALLOWED
        self._refuse(RefusedError(status, message or status.phrase, "Send a POST request to `/`."))

    def _send(self, status: HTTPStatus, value: Mapping[str, Any]) -> None:
        data = json.dumps(value).encode()
        self.connection.settimeout(_SILENCE_SECONDS)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, POST")
        if status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", "Bearer")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log requests at debug level: their path and status only."""
        logger.debug("%s %s", self.client_address[0], format % args)


def _busy_answer() -> bytes:
    body = json.dumps({"error": "too many connections", "hint": "Ask again in a second."}).encode()
    head = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1"
    return f"{head}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


def _read_text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name, "")
    if not isinstance(value, str):
        raise malformed(f"`{name}` must be text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise malformed(f"`{name}` has half a surrogate pair") from None
    return value
