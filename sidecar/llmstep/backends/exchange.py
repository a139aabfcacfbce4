"""One HTTP request whose answer can be given up at any moment, with httpx.

The request runs as a task of an event loop of its own; whoever waits looks at the cancel token many
times a second, and cancelling the task closes the connection, so that the server notices.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from llmstep.backends.base import CancelToken
from llmstep.backends.endpoint import Endpoint, is_loopback
from llmstep.errors import BackendUnavailableError, ConfigError
from llmstep.paths import install_command
from llmstep.redaction import hide_secrets

if TYPE_CHECKING:
    import httpx

_CONNECT_SECONDS = 10.0
_POLL_SECONDS = 0.02
MAX_BODY = 8 << 20


class ExchangeError(Exception):
    """The server could not be reached, the connection broke, or it sent no end of text."""


# Takes an answer whose body is still to come, and returns what takes each piece of that: ``True``
# ends the answer.
Receiver = Callable[["httpx.Response"], Callable[[bytes], bool]]


def exchange(
    endpoint: Endpoint,
    path: str,
    body: Mapping[str, Any] | None,
    receive: Receiver,
    cancel: CancelToken,
    *,
    timeout_s: float,
) -> bool:
    """Send one request and hand over its answer as it comes in, on the caller's thread.

    Args:
        endpoint: The server.
        path: Path below the endpoint's base path, with a slash first.
        body: JSON to post; ``None`` asks with GET.
        receive: What it raises comes through.
        cancel: Ends the request, and closes the connection at once.
        timeout_s: Longest wait for each piece of the answer.

    Returns:
        Whether the answer came to its end; ``False`` if the token was set first.

    Raises:
        ExchangeError: The server could not be reached or broke off.
        ConfigError: The proxy of the environment cannot be used.
        BackendUnavailableError: httpx is not installed.
    """
    httpx = _load_httpx()
    # Not asyncio.run: on its way out it would wait for a look-up of the server's name that hangs.
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(
            _watch(_send(endpoint, path, body, receive, timeout_s), cancel)
        )
    except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError) as error:
        told = hide_secrets(explain(error, timeout_s), endpoint.secrets)
        raise ExchangeError(told) from None
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _watch(work: Any, cancel: CancelToken) -> bool:
    task = asyncio.ensure_future(work)
    while not task.done():
        if cancel.is_set():
            task.cancel()
        await asyncio.wait({task}, timeout=_POLL_SECONDS)
    if task.cancelled():
        return False
    task.result()
    return True


async def _send(
    endpoint: Endpoint,
    path: str,
    body: Mapping[str, Any] | None,
    receive: Receiver,
    timeout_s: float,
) -> None:
    async with open_client(endpoint, timeout_s) as client:
        request = client.build_request(
            "GET" if body is None else "POST", endpoint.url + path, json=body
        )
        response = await client.send(request, stream=True)
        try:
            take = receive(response)
            size = 0
            async for piece in response.aiter_bytes():
                size += len(piece)
                if take(piece):
                    return
                if size > MAX_BODY:
                    raise ExchangeError("its answer is longer than 8 MiB")
        finally:
            await response.aclose()


def open_client(endpoint: Endpoint, timeout_s: float) -> httpx.AsyncClient:
    """A client for the server, with the environment's proxy unless the server is this machine.

    Raises:
        ConfigError: The proxy cannot be used; names its variable.
    """
    httpx = _load_httpx()
    here = is_loopback(endpoint.host)
    try:
        return httpx.AsyncClient(
            headers=endpoint.headers(),
            timeout=httpx.Timeout(timeout_s, connect=_CONNECT_SECONDS),
            # A proxy cannot reach this machine's own loopback, whatever NO_PROXY says.
            trust_env=not here,
            verify=_ssl_context() if endpoint.scheme == "https" or not here else False,
        )
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        told = hide_secrets(str(error), endpoint.secrets)
        raise ConfigError(
            f"the {endpoint.scheme} proxy of the environment cannot be used: {told}",
            hint=f"Correct {endpoint.scheme.upper()}_PROXY or ALL_PROXY, or add {endpoint.host} to "
            "NO_PROXY; for a SOCKS proxy install socksio.",
        ) from None


@functools.cache
def _ssl_context() -> ssl.SSLContext:
    """The certificates, read once: reading them takes longer than many an answer."""
    return _load_httpx().create_ssl_context()


def _load_httpx() -> Any:
    try:
        import httpx
    except ImportError as error:
        raise BackendUnavailableError(
            "a model behind a server needs the library httpx, which is not installed",
            hint=f"Run `{install_command('openai')}`.",
        ) from error
    for name in ("httpx", "httpcore"):
        # They log headers, and with them what a server repeats of the key.
        logging.getLogger(name).setLevel(logging.WARNING)
    return httpx


def explain(error: BaseException, timeout_s: float) -> str:
    """Say what a failed connection means, as the end of a sentence that names the server."""
    httpx = _load_httpx()
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) and cause not in causes:
        causes.append(cause)
    words = " ".join(map(str, causes))
    if isinstance(error, (httpx.ConnectTimeout, httpx.PoolTimeout)):
        return f"it could not be reached within {_CONNECT_SECONDS:g} s"
    if isinstance(error, (httpx.TimeoutException, TimeoutError)):
        return f"it sent nothing for {timeout_s:g} s"
    if isinstance(error, httpx.ProxyError):
        return f"the proxy of the environment refused: {error}"
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate was not accepted: {cause.verify_message}"
        if isinstance(cause, socket.gaierror):
            return "its name is not known (no network, or a typing error)"
        if isinstance(cause, ConnectionRefusedError):
            return "nothing listens at that address"
    if "CERTIFICATE_VERIFY_FAILED" in words:
        return f"its certificate was not accepted: {error}"
    if isinstance(error, httpx.ConnectError):
        # Several addresses of one name were tried, and the library keeps the last failure alone.
        return "nothing listens at that address" if "attempts failed" in words else str(error)
    if isinstance(error, httpx.RemoteProtocolError) and re.search("illegal|malformed", words):
        return "what it sent is no HTTP answer"
    if isinstance(error, (httpx.RemoteProtocolError, httpx.NetworkError, ConnectionError)):
        return "it closed the connection before its answer was complete"
    return str(error) or type(error).__name__
