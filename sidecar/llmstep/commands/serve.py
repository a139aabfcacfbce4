"""``llmstep serve``: the sidecar itself, JSON-RPC on stdin and stdout."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from llmstep import environment


@click.command()
@click.option("--model", help="Model id, or path of a .gguf file.")
@click.option(
    "--log-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the log to this file too.",
)
@click.option(
    "-v",
    "--verbose",
    count=True,
    help="Log more: -v what happens, -vv also goals and file text.",
)
@click.option(
    "--http", is_flag=True, help="Speak the first llmstep's HTTP protocol, for its clients."
)
@click.option(
    "--in-process",
    is_flag=True,
    help="Be the whole sidecar, and share no engine with other clients (LLMSTEP_IN_PROCESS).",
)
@click.option("--host", help="With --http: where to listen (LLMSTEP_HOST, else 127.0.0.1).")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    help="With --http: the port (LLMSTEP_PORT, else 6000; 0 takes a free one).",
)
def serve(
    model: str | None,
    log_file: Path | None,
    verbose: int,
    http: bool,
    in_process: bool,
    host: str | None,
    port: int | None,
) -> None:
    """Speak JSON-RPC on stdin and stdout, as the Lean package and editors expect it.

    Everything for humans goes to stderr. The process ends when stdin does. The model is in the
    user's one engine, which this starts if need be; `llmstep ps` shows it.
    """
    level = (None, "info", "debug")[min(verbose, 2)]
    flags = {"model": model, "log_level": level}
    if http:
        from llmstep.server.http import run_http_server

        run_http_server(host, port, flags, log_file)
        return
    if host is not None or port is not None:
        raise click.UsageError("--host and --port go with --http")

    if not (in_process or os.environ.get(environment.IN_PROCESS)):
        from llmstep.front.serve import serve as serve_front

        serve_front({"model": model, "log_file": log_file and str(log_file), "verbose": verbose})
        return
    if sys.stdin is not None and sys.stdin.isatty():
        click.echo(
            "Waiting for a client on stdin; Lean and editors start this. Ctrl-D ends it.", err=True
        )

    from llmstep.runtime.stdio import claim_stdio

    # Before anything else is imported: a library that prints must not reach the client.
    reader, writer = claim_stdio()

    from llmstep.server.process import run_server

    run_server(reader, writer, flags, log_file)
