"""``llmstep mcp``: the sidecar as tools for agents, over the Model Context Protocol."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The Lean project whose lemmas count; by default the one this folder lies in.",
)
@click.option("--model", help="Model id, or path of a .gguf file.")
def mcp(project: Path | None, model: str | None) -> None:
    """Serve tools for agents on stdin and stdout: the Model Context Protocol.

    The tools only read. Nothing is sent anywhere, no port is opened. docs/agents.md shows how to
    register it with Claude Code, Codex and others.
    """
    import importlib.util

    from llmstep.errors import BackendUnavailableError
    from llmstep.paths import install_command

    if importlib.util.find_spec("mcp") is None:
        raise BackendUnavailableError(
            "`llmstep mcp` needs the MCP library, which is not installed",
            hint=f"Install the extra: {install_command('mcp')}",
        )
    from llmstep.agents.sidecar_client import AsyncSidecarClient
    from llmstep.agents.tools import make_server

    root = project or find_project(Path.cwd())
    client = AsyncSidecarClient(options={"model": model} if model else None)
    make_server(client, root.resolve() if root else None).run("stdio")


def find_project(folder: Path) -> Path | None:
    """The folder of the Lean project that a folder lies in; ``None`` without one."""
    from llmstep.sources.lake_project import find_root

    return find_root(folder / "any.lean")
