"""What is left of the first llmstep (2023) on a machine, and what to write now.

It had a server that one started by hand and named in environment variables. Whoever comes from
there must be told: a variable that is silently left aside looks as if the remote model answered.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping

import attrs

from llmstep.environment import FIRST_SERVER, HTTP_HOST, HTTP_PORT, OPENAI_URL

DEFAULT_PORT = 6000
_PROBE_S = 0.3
_NOW = (
    "let vLLM or llama-server serve the model there, then set "
    f"{OPENAI_URL}=http://.../v1 and LLMSTEP_MODEL=openai (docs/gpu.md)"
)


@attrs.frozen
class Leftover:
    """Something of the first llmstep, and what to write or do now."""

    name: str
    found: str
    cure: str

    def __str__(self) -> str:
        return f"{self.found}; {self.cure}"


def find_leftovers(environ: Mapping[str, str]) -> list[Leftover]:
    """Variables of the first llmstep that do nothing now, or something else."""
    found: list[Leftover] = []
    server = environ.get(FIRST_SERVER, "").strip()
    host = environ.get(HTTP_HOST, "").strip()
    is_url = "://" in host
    # Whoever names a server of today has moved already.
    moved = bool(environ.get(OPENAI_URL, "").strip())
    if server:
        found.append(
            Leftover(
                FIRST_SERVER,
                f"{FIRST_SERVER}={server} belongs to the first llmstep and chooses nothing now: "
                "the model that answers runs on this machine",
                f"unset it; for a model at a server {_NOW}",
            )
        )
    if is_url and not moved:
        found.append(
            Leftover(
                HTTP_HOST,
                f"{HTTP_HOST}={host} named a server of the first llmstep, which is not asked: "
                "the model that answers runs on this machine",
                f"unset it; {_NOW}",
            )
        )
    return found


def find_server(environ: Mapping[str, str]) -> Leftover | None:
    """A server of the first llmstep that runs on this machine, where it used to listen.

    It is known by how it refuses a GET: Python's plain HTTP server with a POST handler alone. A
    port that nothing listens at answers at once; a silent one is given up after a moment.
    """
    port_text = environ.get(HTTP_PORT, "").strip()
    port = int(port_text) if port_text.isdecimal() and int(port_text) < 65_536 else DEFAULT_PORT
    reply = b""
    # Whatever answers there is somebody else's program: no answer of it is an error of ours.
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", port), _PROBE_S) as connection,
    ):
        connection.settimeout(_PROBE_S)
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while len(reply) < 2048 and (piece := connection.recv(2048)):
            reply += piece
    head = reply.partition(b"\r\n\r\n")[0]
    if b" 501 " not in head.partition(b"\r\n")[0] or b"Server: BaseHTTP/" not in head:
        return None
    return Leftover(
        "server.py",
        f"a server of the first llmstep seems to run at 127.0.0.1:{port}; it is not asked",
        "end it to have its memory back: Lean starts what it needs by itself; its model is one of "
        "`llmstep models list`",
    )
