"""Who may ask over HTTP, and in which form: what is looked at before a request's body is read."""

from __future__ import annotations

import hmac
import io
import socket
import time
from email.message import Message
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from llmstep.backends.endpoint import is_loopback

MOST_BYTES = 16 << 20
# For one whole request, from the wait for its first byte to the last of its body.
REQUEST_SECONDS = 60.0


class RefusedError(Exception):
    """A request that is answered by an error."""

    def __init__(self, status: HTTPStatus, message: str, hint: str) -> None:
        super().__init__(message)
        self.status = status
        self.hint = hint


class TimedStream(io.RawIOBase):
    """Reads from a connection until a point in time, however slowly its bytes drip in."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__()
        self._connection = connection
        self._until = 0.0
        self.restart()

    def restart(self, seconds: float = REQUEST_SECONDS) -> None:
        """Begin the next request's time."""
        self._until = time.monotonic() + seconds

    def readable(self) -> bool:
        """Always true."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what there is; `TimeoutError` when the time is over."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the request took too long to arrive")
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


def malformed(message: str) -> RefusedError:
    """The refusal of a request that does not follow this protocol."""
    hint = 'Send {"tactic_state": "...", "prefix": "...", "context": "..."} as JSON.'
    return RefusedError(HTTPStatus.BAD_REQUEST, message, hint)


def check_caller(target: str, headers: Message, *, local: bool, token: str) -> None:
    """Refuse requests of web pages, and requests without the token where there is one.

    A page can reach this machine under a host name of its own (DNS rebinding), so that name is
    looked at as well as the page's origin.

    Args:
        target: What the request line names.
        headers: The request's headers.
        local: Whether only this machine can connect.
        token: What ``Authorization: Bearer`` must bring; empty asks for nothing.

    Raises:
        RefusedError: The request is ambiguous (two proxies would read it in two ways), comes from
            elsewhere, or brings no token.
    """
    for name in ("Host", "Origin", "Content-Length", "Transfer-Encoding", "Authorization"):
        if len(headers.get_all(name, [])) > 1:
            raise malformed(f"there are several {name} headers")
    if "Content-Length" in headers and "Transfer-Encoding" in headers:
        raise malformed("there are both Content-Length and Transfer-Encoding")
    named = headers.get("Host", "localhost")
    if "@" in named or not target.startswith(("/", "*")):
        raise malformed("the request names its server in an odd way")
    host, origin = _host_of(f"//{named}"), headers.get("Origin")
    stranger = origin is not None and not is_loopback(_host_of(origin))
    if stranger or (local and not is_loopback(host)):
        raise RefusedError(
            HTTPStatus.FORBIDDEN,
            f"requests of {origin if stranger else host} are not answered",
            "Ask by the name localhost.",
        )
    kind, _, given = headers.get("Authorization", "").partition(" ")
    known = kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())
    if token and not known:
        raise RefusedError(
            HTTPStatus.UNAUTHORIZED,
            "the token is missing or wrong",
            "Send `Authorization: Bearer` and the value of LLMSTEP_HTTP_TOKEN.",
        )


def read_length(headers: Message) -> int:
    """The length of the body in bytes.

    Raises:
        RefusedError: It is missing, none, or more than is taken.
    """
    told = headers.get("Content-Length")
    if told is None:
        raise RefusedError(
            HTTPStatus.LENGTH_REQUIRED, "Content-Length is missing", "Send it with the request."
        )
    if not (told.isascii() and told.isdigit()):
        raise malformed(f"Content-Length is {told[:40]!r}")
    if len(told) > 12 or int(told) > MOST_BYTES:
        raise RefusedError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"the request has {told[:40]} bytes, at most {MOST_BYTES} are taken",
            "Send less of the file as `context`.",
        )
    return int(told)


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
