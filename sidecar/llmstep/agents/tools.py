"""The tools and resources of ``llmstep mcp``.

All tools only read: nothing is written, no port is opened, and no file is read outside the project
that the client named at the start.
"""

from __future__ import annotations

import asyncio
import functools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, ParamSpec

import attrs
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import BaseModel, Field

from llmstep import __version__
from llmstep.agents.answers import (
    Lemmas,
    Proofs,
    Status,
    Steps,
    read_lemmas,
    read_proofs,
    read_steps,
)
from llmstep.agents.sidecar_client import AsyncSidecarClient
from llmstep.config import MAX_CANDIDATES
from llmstep.errors import InvalidParamsError, LLMStepError
from llmstep.prompts.goal import split_goals
from llmstep.service.card import ModelCard
from llmstep.service.catalog import locate, read_catalog
from llmstep.service.lookups import MAX_LEMMAS
from llmstep.service.question import MAX_PROOFS, MAX_TIMEOUT_MS

P = ParamSpec("P")

_LONGEST_WAIT_S = 600
_ASK_AGAIN_S = 0.5

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
    """The MCP server; without a project no file path is taken."""

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
    @telling
    async def suggest_tactics(
        goal: Goal,
        ctx: Context[Any, Any],
        prefix: Annotated[str, Field(description="Every suggestion starts with this text")] = "",
        file_before: FileBefore = "",
        file_path: FilePath = "",
        n: Annotated[int, Field(description="How many", ge=1, le=MAX_CANDIDATES)] = 8,
    ) -> Annotated[CallToolResult, Steps]:
        """Suggest next tactics for a Lean 4 goal, the likeliest first; not yet checked by Lean."""
        document = describe_document(project, file_path, file_before)
        params = {"goals": split_goals(goal), "prefix": prefix, "n": n, **document}
        found: list[str] = []
        reports = Reports(ctx)

        def show(value: dict[str, Any]) -> None:
            found.extend(item["tactic"] for item in value["suggestions"])
            reports.add(min(len(found), n), n, found[-1])

        reply = await client.request("llmstep/suggest", params, show)
        await reports.finish()
        return answer(read_steps(reply))

    @server.tool(annotations=_reads("Search lemmas"))
    @telling
    async def search_lemmas(
        ctx: Context[Any, Any],
        goal: Annotated[str, Field(description="A goal as Lean prints it; or give `text`")] = "",
        text: Annotated[
            str,
            Field(
                description="In place of a goal: a name or half of one (`add_comm`), a formula "
                "(`_ * (_ + _) = _`), or English words"
            ),
        ] = "",
        k: Annotated[int, Field(description="How many", ge=1, le=MAX_LEMMAS)] = 10,
        file_before: FileBefore = "",
        file_path: FilePath = "",
        wait_s: Annotated[
            float,
            Field(
                description="Seconds to wait for the project and its packages to be indexed, "
                "which happens once",
                ge=0,
                le=_LONGEST_WAIT_S,
            ),
        ] = 20,
    ) -> Annotated[CallToolResult, Lemmas]:
        """Find lemmas of the file, the project and the libraries on disk; offline.

        Give a goal to find what helps to prove it, or words, a formula or a name. Each lemma comes
        with its name as it must be written, its statement, and for a goal a step with it.
        """
        question = {"goal": goal} if goal else {"text": text}
        document = describe_document(project, file_path, file_before)
        params = {**question, "k": k, **document}
        reports = Reports(ctx)
        begin = time.monotonic()
        reply = await client.request("llmstep/lemmas", params)
        while reply.get("pending") and (waited := time.monotonic() - begin) < wait_s:
            reports.add(waited, wait_s, f"reading {', '.join(reply['pending'])}")
            await asyncio.sleep(_ASK_AGAIN_S)
            reply = await client.request("llmstep/lemmas", params)
        await reports.finish()
        return answer(read_lemmas(reply))

    @server.tool(annotations=_reads("Prove a goal"))
    @telling
    async def prove(
        goal: Goal,
        ctx: Context[Any, Any],
        hint: Annotated[str, Field(description="Words for the model, such as a plan")] = "",
        file_before: FileBefore = "",
        file_path: FilePath = "",
        n: Annotated[int, Field(description="How many proofs", ge=1, le=MAX_PROOFS)] = 1,
        failed: Annotated[
            str, Field(description="A proof that was tried before; give Lean's `error` with it")
        ] = "",
        error: Annotated[str, Field(description="What Lean said of it")] = "",
        model: Annotated[
            str, Field(description="Id of a model that writes proofs; empty for the setting's")
        ] = "",
        timeout_s: Annotated[float, Field(ge=1, le=MAX_TIMEOUT_MS / 1000)] = 120,
    ) -> Annotated[CallToolResult, Proofs]:
        """Let a local model write whole proofs of a Lean 4 goal; not yet checked by Lean.

        Only some models write whole proofs: where the one at hand does not, the error names some
        that do (`error.models`) and how to get them (`error.hint`).
        """
        params = {
            "goals": split_goals(goal),
            "prefix": "",
            "mode": "proof",
            "n": n,
            "hint": hint,
            "timeoutMs": round(timeout_s * 1000),
            **({"attempt": {"text": failed, "error": error}} if failed else {}),
            **({"model": model} if model else {}),
            **describe_document(project, file_path, file_before),
        }
        reports = Reports(ctx)
        tokens: dict[int, int] = {}

        def show(value: dict[str, Any]) -> None:
            tokens[value["proof"]] = value["tokens"]
            total = sum(tokens.values())
            reports.add(total, None, f"{value['stage']}, {total} tokens")

        reply = await client.request("llmstep/suggest", params, show)
        await reports.finish()
        return answer(read_proofs(reply))

    @server.tool(annotations=_reads("Status of the sidecar"))
    @telling
    async def status() -> Annotated[CallToolResult, Status]:
        """Tell which model is loaded, what the sources know so far, and the last error."""
        return answer(Status(status=await client.request("llmstep/status", {})))

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


def answer(result: BaseModel) -> CallToolResult:
    """A result as text, and as the fields that the tool's schema describes."""
    return CallToolResult(
        content=[TextContent(type="text", text=result.model_dump_json(indent=1))],
        structured_content=result.model_dump(mode="json"),
    )


def telling(tool: Callable[P, Awaitable[CallToolResult]]) -> Callable[P, Awaitable[CallToolResult]]:
    """Let errors that are meant for the user reach the agent with their cure."""

    @functools.wraps(tool)
    async def told(*args: P.args, **kwargs: P.kwargs) -> CallToolResult:
        try:
            return await tool(*args, **kwargs)
        except LLMStepError as error:
            fields = {"message": error.message, "hint": error.hint, **error.details}
            return CallToolResult(
                content=[TextContent(type="text", text=f"{error.message}\n{error.hint}")],
                structured_content={"error": fields},
                is_error=True,
            )

    return told


def describe_document(project: Path | None, file_path: str, text_before: str) -> dict[str, Any]:
    """The wire's ``document`` field; nothing where there is neither a project nor a text.

    The file is named, never opened; it lies inside the project, and need not exist.

    Raises:
        InvalidParamsError: There is no project, or the path leads out of it.
    """
    if not file_path:
        uri = (project / "Goal.lean").as_uri() if project else "untitled:goal"
        known = project is not None or text_before
        return {"document": {"uri": uri, "textBefore": text_before}} if known else {}
    if project is None:
        raise InvalidParamsError(
            "file_path was given, but this server knows no project",
            hint="Start it in the project's folder, or as `llmstep mcp --project FOLDER`.",
        )
    try:
        path = (project / file_path).resolve()
        inside = path.is_relative_to(project)
    except (OSError, ValueError) as error:
        raise InvalidParamsError(
            f"file_path is no path: {error}", hint="Give the path of a file of the project."
        ) from error
    if not inside:
        raise InvalidParamsError(
            f"file_path leads out of the project {project}: {file_path}",
            hint="Only files of the project that was named at the start count.",
        )
    return {"document": {"uri": path.as_uri(), "textBefore": text_before}}


class Reports:
    """Progress of one call, sent in its order while the work goes on."""

    def __init__(self, ctx: Context[Any, Any]) -> None:
        self._ctx = ctx
        self._last: asyncio.Task[None] | None = None

    def add(self, done: float, total: float | None, message: str) -> None:
        """Report how far the work is."""
        self._last = asyncio.ensure_future(self._send(self._last, done, total, message))

    async def finish(self) -> None:
        """Wait until all has been sent: none comes after the answer."""
        if self._last is not None:
            await self._last

    async def _send(
        self, before: asyncio.Task[None] | None, done: float, total: float | None, message: str
    ) -> None:
        if before is not None:
            await before
        await self._ctx.report_progress(done, total, message)


def describe_card(card: ModelCard) -> dict[str, Any]:
    """A model card as JSON can hold it, with ``present`` for whether its file is here."""
    fields = attrs.asdict(card, filter=lambda _, value: value not in (None, "", ()))
    return {**fields, "present": locate(card) is not None}


def _reads(title: str) -> ToolAnnotations:
    return ToolAnnotations(
        title=title,
        read_only_hint=True,
        destructive_hint=False,
        idempotent_hint=True,
        open_world_hint=False,
    )
