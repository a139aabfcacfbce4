"""Where an OpenAI-compatible server is: its address, the key for it, and the proxy on the way.

Everything comes from the environment, so that no key ever stands in a file, an argument or a log:

- ``LLMSTEP_OPENAI_BASE_URL``: address of the API, e.g. ``http://127.0.0.1:8000/v1``.
- ``LLMSTEP_OPENAI_API_KEY``, else ``OPENAI_API_KEY``: sent as ``Authorization: Bearer``.
- ``HTTP_PROXY``, ``HTTPS_PROXY``, ``NO_PROXY`` (or the platform's settings): as everywhere else.
"""

from __future__ import annotations

import base64
import http.client
import ipaddress
import os
import ssl
import urllib.request
from collections.abc import Mapping
from urllib.parse import SplitResult, unquote, urlsplit

import attrs

from llmstep.errors import ConfigError

URL_VARIABLE = "LLMSTEP_OPENAI_BASE_URL"
KEY_VARIABLES = ("LLMSTEP_OPENAI_API_KEY", "OPENAI_API_KEY")

_URL_HINT = f"Set {URL_VARIABLE} to the server's address, e.g. http://127.0.0.1:8000/v1."
_PORTS = {"http": 80, "https": 443}


@attrs.frozen
class Proxy:
    """An HTTP proxy.

    Attributes:
        host: Its name or address.
        port: Its port.
        authorization: Value of ``Proxy-Authorization``; ``None`` if it asks for none.
    """

    host: str
    port: int
    authorization: str | None = attrs.field(default=None, repr=False)


@attrs.frozen
class Endpoint:
    """An OpenAI-compatible API.

    Attributes:
        scheme: ``http`` or ``https``.
        host: Name or address of the server, an IPv6 address without brackets.
        port: Its port.
        base_path: Path before ``/completions``, without a slash at its end.
        key: Secret that is sent as bearer token.
        proxy: Proxy on the way to it.
    """

    scheme: str
    host: str
    port: int
    base_path: str = ""
    key: str | None = attrs.field(default=None, repr=False)
    proxy: Proxy | None = None

    @property
    def origin(self) -> str:
        """Scheme, host and port as in a URL; the port only where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    @property
    def url(self) -> str:
        """The base URL, for messages: it holds no secret."""
        return self.origin + self.base_path

    @property
    def exposed(self) -> bool:
        """Whether goals, file text and the key cross a network that others can read."""
        return self.scheme == "http" and not is_loopback(self.host)

    def connect(self, timeout_s: float) -> http.client.HTTPConnection:
        """A connection to the server or its proxy, not yet opened.

        Args:
            timeout_s: Longest wait for the connection, then for each piece of the answer.
        """
        first = self.proxy or self
        if self.scheme == "http":
            return http.client.HTTPConnection(first.host, first.port, timeout=timeout_s)
        connection = http.client.HTTPSConnection(
            first.host, first.port, timeout=timeout_s, context=ssl.create_default_context()
        )
        if self.proxy is not None:
            connection.set_tunnel(self.host, self.port, self._proxy_headers())
        return connection

    def target(self, path: str) -> str:
        """What the request line names: a proxy for plain HTTP wants the whole URL."""
        whole = self.proxy is not None and self.scheme == "http"
        return (self.origin if whole else "") + self.base_path + path

    def headers(self) -> dict[str, str]:
        """The headers every request carries."""
        headers = {"Accept": "text/event-stream, application/json", "User-Agent": "llmstep"}
        if self.key is not None:
            headers["Authorization"] = f"Bearer {self.key}"
        if self.proxy is not None and self.scheme == "http":
            headers |= self._proxy_headers()
            headers["Host"] = self.origin.partition("://")[2]
        return headers

    def _proxy_headers(self) -> dict[str, str]:
        value = self.proxy.authorization if self.proxy else None
        return {"Proxy-Authorization": value} if value else {}


def read_endpoint(environ: Mapping[str, str] | None = None) -> Endpoint:
    """Read the endpoint from the environment.

    Args:
        environ: Environment variables; the process's by default. The proxies always come from the
            process's environment or the platform.

    Raises:
        ConfigError: The address is missing or no address, or the key cannot stand in a header.
    """
    values = os.environ if environ is None else environ
    text = values.get(URL_VARIABLE, "").strip()
    if not text:
        raise ConfigError(f"{URL_VARIABLE} is not set", hint=_URL_HINT)
    url, host, port = _split(text)
    if url.username or url.password:
        raise ConfigError(
            f"{URL_VARIABLE} holds a user name or a password",
            hint=f"Take it out of the address and set {KEY_VARIABLES[0]} instead.",
        )
    key = _read_key(values)
    scheme = url.scheme.lower()
    proxy = _find_proxy(scheme, host)
    return Endpoint(scheme, host, port, url.path.rstrip("/"), key, proxy)


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _split(text: str) -> tuple[SplitResult, str, int]:
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError as error:
        raise ConfigError(f"{URL_VARIABLE} is no address: {error}", hint=_URL_HINT) from None
    scheme = url.scheme.lower()
    if scheme not in _PORTS or not host:
        raise ConfigError(
            f"{URL_VARIABLE} must begin with http:// or https:// and name a host", hint=_URL_HINT
        )
    if url.query or url.fragment:
        raise ConfigError(f"{URL_VARIABLE} must end with the path, without ? or #", hint=_URL_HINT)
    if not f"{host}{url.path}".isascii() or any(c <= " " for c in f"{host}{url.path}"):
        raise ConfigError(f"{URL_VARIABLE} has characters no address can have", hint=_URL_HINT)
    return url, host, _PORTS[scheme] if port is None else port


def _read_key(values: Mapping[str, str]) -> str | None:
    for name in KEY_VARIABLES:
        key = values.get(name, "").strip()
        if not key:
            continue
        if not key.isascii() or not key.isprintable() or " " in key:
            raise ConfigError(
                f"{name} has characters that no key can have",
                hint="Copy the key again, without quotes, blanks or line breaks.",
            )
        return key
    return None


def _find_proxy(scheme: str, host: str) -> Proxy | None:
    # A proxy cannot reach this machine's own loopback, whatever NO_PROXY says.
    if is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    text = urllib.request.getproxies().get(scheme)
    if not text:
        return None
    try:
        url = urlsplit(text if "://" in text else f"http://{text}")
        proxy_host, port = url.hostname, url.port
    except ValueError:
        proxy_host, port = None, None
        url = None
    if url is None or not proxy_host or url.scheme.lower() != "http":
        raise ConfigError(
            f"the {scheme} proxy of the environment is no http:// address",
            hint=f"Correct {scheme.upper()}_PROXY, or add {host} to NO_PROXY.",
        )
    authorization = None
    if url.username is not None:
        login = f"{unquote(url.username)}:{unquote(url.password or '')}"
        authorization = "Basic " + base64.b64encode(login.encode()).decode("ascii")
    return Proxy(proxy_host, 80 if port is None else port, authorization)
