"""``llmstep serve``: the sidecar itself, JSON-RPC on stdin and stdout."""

from __future__ import annotations

from pathlib import Path

import click


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
def serve(model: str | None, log_file: Path | None, verbose: int) -> None:
    """Speak JSON-RPC on stdin and stdout, as the Lean package and editors expect it.

    Everything for humans goes to stderr. The process ends when stdin does.
    """
    from llmstep.server.stdio import claim_stdio

    # Before anything else is imported: a library that prints must not reach the client.
    reader, writer = claim_stdio()

    from llmstep.server.process import run_server

    level = (None, "info", "debug")[min(verbose, 2)]
    run_server(reader, writer, {"model": model, "log_level": level}, log_file)
