"""Where the HTTP server listens."""

from __future__ import annotations

import errno
from collections.abc import Mapping

import attrs

from llmstep import environment
from llmstep.backends.endpoint import is_loopback
from llmstep.config import Problem
from llmstep.errors import ConfigError

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 6000
_SHORTEST_TOKEN = 16


@attrs.frozen
class Address:
    """Where to listen: name or address of an interface, TCP port; port 0 takes a free one."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT

    @property
    def local(self) -> bool:
        """Whether only programs on this machine can connect."""
        return is_loopback(self.host)


def read_token(address: Address, environ: Mapping[str, str]) -> str:
    """The token that every request must bring, from ``LLMSTEP_HTTP_TOKEN``; empty asks for none.

    Raises:
        ConfigError: Other machines can connect and there is none, or a short one.
    """
    token = environ.get(environment.HTTP_TOKEN, "").strip()
    if not address.local and len(token) < _SHORTEST_TOKEN:
        raise ConfigError(
            f"{address.host} can be reached from other machines, so a token is required",
            hint=f"Set LLMSTEP_HTTP_TOKEN to {_SHORTEST_TOKEN} or more characters, which clients "
            "send as `Authorization: Bearer`; or listen on 127.0.0.1 and reach it by `ssh -L`.",
        )
    return token


def read_address(
    host: str | None, port: int | None, environ: Mapping[str, str]
) -> tuple[Address, tuple[Problem, ...]]:
    """Settle the address: from the command line, else ``LLMSTEP_HOST`` and ``LLMSTEP_PORT``.

    The variables are those of the first llmstep, which could not read its port: a variable is
    always text. A value that is no address or no port is told of and not taken.
    """
    problems: list[Problem] = []
    named_host = environ.get(environment.HTTP_HOST, "")
    named_port = environ.get(environment.HTTP_PORT, "")
    if host is None and named_host.strip():
        if "://" in named_host:
            # Its client takes a whole URL here when the server runs elsewhere.
            message = f"`LLMSTEP_HOST` must be a name or an address, not {named_host!r}"
            problems.append(Problem("host", "environment variable LLMSTEP_HOST", message))
        else:
            host = named_host.strip().strip("[]")
    if port is None and named_port.strip():
        try:
            port = int(named_port)
            if not 0 <= port <= 65_535:
                raise ValueError
        except ValueError:
            port = None
            message = f"`LLMSTEP_PORT` must be a number from 0 to 65535, not {named_port!r}"
            problems.append(Problem("port", "environment variable LLMSTEP_PORT", message))
    address = Address(host or DEFAULT_HOST, DEFAULT_PORT if port is None else port)
    return address, tuple(problems)


def explain_refusal(address: Address, error: OSError) -> ConfigError:
    """The error for an address that cannot be listened on, with what to do about it."""
    place = f"{address.host}:{address.port}"
    if error.errno == errno.EADDRINUSE:
        return ConfigError(
            f"{place} is taken by another program",
            hint="End that program, or choose another port with --port or LLMSTEP_PORT.",
        )
    return ConfigError(
        f"cannot listen at {place}: {error.strerror or error}",
        hint="Choose another --host and --port; ports below 1024 belong to the system.",
    )
