"""Where an OpenAI-compatible server is: its address, and the key for it.

Everything comes from the environment, so that no key ever stands in a file, an argument or a log:

- ``LLMSTEP_OPENAI_BASE_URL``: address of the API, e.g. ``http://127.0.0.1:8000/v1``.
- ``LLMSTEP_OPENAI_API_KEY``, else ``OPENAI_API_KEY``: sent as ``Authorization: Bearer``.
- ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY``, ``NO_PROXY`` (or the platform's settings), as
  httpx reads them; never for this machine.
"""

from __future__ import annotations

import ipaddress
import os
import urllib.request
from collections.abc import Mapping
from urllib.parse import SplitResult, unquote, urlsplit

import attrs

from llmstep.environment import OPENAI_KEY, OPENAI_URL
from llmstep.errors import ConfigError

KEY_VARIABLES = (OPENAI_KEY, "OPENAI_API_KEY")

_URL_HINT = f"Set {OPENAI_URL} to the server's address, e.g. http://127.0.0.1:8000/v1."
_PORTS = {"http": 80, "https": 443}
# What a server was told to listen on is no address to ask, but is copied: this machine is meant.
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@attrs.frozen
class Endpoint:
    """An OpenAI-compatible API.

    Attributes:
        host: Name or address of the server, an IPv6 address without brackets.
        base_path: Path before ``/completions``, without a slash at its end.
        key: Secret that is sent as bearer token.
    """

    scheme: str
    host: str
    port: int
    base_path: str = ""
    key: str | None = attrs.field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The base URL, without the port where it is the usual one; it holds no secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.base_path}"

    @property
    def exposed(self) -> bool:
        """Whether goals, file text and the key cross a network that others can read."""
        return self.scheme == "http" and not is_loopback(self.host)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no message may repeat: the key, and the passwords of the proxies."""
        logins = (urlsplit(proxy).password for proxy in urllib.request.getproxies().values())
        passwords = [unquote(password) for password in logins if password]
        return tuple(secret for secret in (self.key, *passwords) if secret)

    def headers(self) -> dict[str, str]:
        """The headers every request carries."""
        headers = {"Accept": "text/event-stream, application/json", "User-Agent": "llmstep"}
        return headers | ({"Authorization": f"Bearer {self.key}"} if self.key else {})


def read_endpoint(environ: Mapping[str, str] | None = None) -> Endpoint:
    """Read the endpoint from the environment, by default the process's.

    Raises:
        ConfigError: The address is missing or no address, or the key cannot stand in a header.
    """
    values = os.environ if environ is None else environ
    text = values.get(OPENAI_URL, "").strip()
    if not text:
        raise ConfigError(f"{OPENAI_URL} is not set", hint=_URL_HINT)
    url, host, port = _split(text)
    if url.username or url.password:
        raise ConfigError(
            f"{OPENAI_URL} holds a user name or a password",
            hint=f"Take it out of the address and set {KEY_VARIABLES[0]} instead.",
        )
    host = _EVERYWHERE.get(host, host)
    return Endpoint(url.scheme.lower(), host, port, url.path.rstrip("/"), _read_key(values))


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
        raise ConfigError(f"{OPENAI_URL} is no address: {error}", hint=_URL_HINT) from None
    scheme = url.scheme.lower()
    if scheme not in _PORTS or not host:
        raise ConfigError(
            f"{OPENAI_URL} must begin with http:// or https:// and name a host", hint=_URL_HINT
        )
    if url.query or url.fragment:
        raise ConfigError(f"{OPENAI_URL} must end with the path, without ? or #", hint=_URL_HINT)
    if not f"{host}{url.path}".isascii() or any(c <= " " for c in f"{host}{url.path}"):
        raise ConfigError(f"{OPENAI_URL} has characters no address can have", hint=_URL_HINT)
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
