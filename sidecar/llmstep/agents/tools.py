"""The tools and resources of ``llmstep mcp``.

All tools only read: nothing is written, no port is opened, and no file is read outside the project
that the client named at the start.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, Any

import attrs
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import Field

from llmstep import __version__
from llmstep.agents.answers import Status, Steps, read_steps
from llmstep.agents.sidecar_client import AsyncSidecarClient
from llmstep.config import MAX_CANDIDATES
from llmstep.errors import LLMStepError
from llmstep.prompts.goal import split_goals
from llmstep.service.card import ModelCard
from llmstep.service.catalog import locate, read_catalog

_INSTRUCTIONS = """\
Next steps and lemmas for Lean 4 proofs, from a model and libraries on this machine; works offline.
Give the goal as Lean prints it, with its hypotheses and ⊢. Nothing here has been checked by Lean:
pass `tactics` on to a tool that runs them (lean_multi_attempt of lean-lsp-mcp takes them as its
`snippets`) and keep what runs."""

Goal = Annotated[
    str,
    Field(
        description="The goal as Lean's infoview prints it: hypotheses, one a line, then ⊢ and the "
        "target. Of several goals the first is the one to work on."
    ),
]
FileBefore = Annotated[
    str, Field(description="The Lean file's text up to the goal: its imports and own lemmas count")
]
FilePath = Annotated[
    str,
    Field(
        description="Path of that file inside the project, absolute or relative to the project; "
        "names the project whose other files count. The file itself is not opened."
    ),
]


def make_server(client: AsyncSidecarClient, project: Path | None) -> MCPServer:
    """The MCP server.

    Args:
        client: Answers the questions.
        project: Folder of the Lean project that the client named; without one no file path is
            taken.
    """

    @asynccontextmanager
    async def live(_server: MCPServer) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await client.close()

    server: MCPServer = MCPServer(
        "llmstep",
        title="llmstep",
        instructions=_INSTRUCTIONS,
        version=__version__,
        lifespan=live,
        log_level="WARNING",
    )

    @server.tool(annotations=_reads("Suggest tactics"))
    async def suggest_tactics(
        goal: Goal,
        ctx: Context[Any, Any],
        prefix: Annotated[str, Field(description="Every suggestion starts with this text")] = "",
        file_before: FileBefore = "",
        file_path: FilePath = "",
        n: Annotated[int, Field(description="How many", ge=1, le=MAX_CANDIDATES)] = 8,
    ) -> Steps:
        """Suggest next tactics for a Lean 4 goal, the likeliest first; not yet checked by Lean."""
        document = describe_document(project, file_path, file_before)
        params = {"goals": split_goals(goal), "prefix": prefix, "n": n, **document}
        found: list[str] = []
        reports: list[asyncio.Task[None]] = []

        def show(value: dict[str, Any]) -> None:
            found.extend(item["tactic"] for item in value["suggestions"])
            report = ctx.report_progress(min(len(found), n), n, found[-1])
            reports.append(asyncio.ensure_future(report))

        with _telling():
            answer = await client.request("llmstep/suggest", params, show)
        await asyncio.gather(*reports)
        return read_steps(answer)

    @server.tool(annotations=_reads("Status of the sidecar"))
    async def status() -> Status:
        """Tell which model is loaded, what the sources know so far, and the last error."""
        with _telling():
            return Status(status=await client.request("llmstep/status", {}))

    @server.resource(
        "llmstep://models", title="Models", mime_type="application/json", name="models"
    )
    def models() -> str:
        """Every model card: what is known of each model, and whether its file is here."""
        return json.dumps([describe_card(card) for card in read_catalog().cards], indent=1)

    @server.resource(
        "llmstep://status", title="Status", mime_type="application/json", name="status"
    )
    async def state() -> str:
        """The sidecar's state, as the tool ``status`` tells it."""
        return json.dumps(await client.request("llmstep/status", {}), ensure_ascii=False, indent=1)

    return server


def describe_document(project: Path | None, file_path: str, text_before: str) -> dict[str, Any]:
    """The wire's ``document`` field for a file of the project, or nothing where there is no text.

    Args:
        project: Folder of the project.
        file_path: Path of the file, inside the project; it need not exist and is not opened.
        text_before: The file up to the goal.

    Raises:
        ToolError: There is no project, or the path leads out of it.
    """
    if not file_path:
        uri = (project / "Goal.lean").as_uri() if project else "untitled:goal"
        return {"document": {"uri": uri, "textBefore": text_before}} if text_before else {}
    if project is None:
        raise ToolError(
            "file_path was given, but this server knows no project: start it in the project's "
            "folder, or as `llmstep mcp --project FOLDER`"
        )
    try:
        path = (project / file_path).resolve()
        inside = path.is_relative_to(project)
    except (OSError, ValueError) as error:
        raise ToolError(f"file_path is no path: {error}") from error
    if not inside:
        raise ToolError(f"file_path leads out of the project {project}: {file_path}")
    return {"document": {"uri": path.as_uri(), "textBefore": text_before}}


def describe_card(card: ModelCard) -> dict[str, Any]:
    """A model card as JSON can hold it, with ``present`` for whether its file is here."""
    fields = attrs.asdict(card, filter=lambda _, value: value not in (None, "", ()))
    return {**fields, "present": locate(card) is not None}


@contextmanager
def _telling() -> Iterator[None]:
    """Errors that are meant for the user reach the agent with their cure."""
    try:
        yield
    except LLMStepError as error:
        raise ToolError(f"{error.message}\n{error.hint}") from error


def _reads(title: str) -> ToolAnnotations:
    return ToolAnnotations(
        title=title,
        read_only_hint=True,
        destructive_hint=False,
        idempotent_hint=True,
        open_world_hint=False,
    )
