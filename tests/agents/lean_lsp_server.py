"""Stands in for lean-lsp-mcp: one tool with the name, arguments and answer of its documentation.

https://github.com/oOo0oOo/lean-lsp-mcp/blob/main/docs/tools.md, `lean_multi_attempt`.
"""

from __future__ import annotations

from typing import Annotated

from mcp.server.mcpserver import MCPServer
from pydantic import BaseModel, Field

server: MCPServer = MCPServer("lean-lsp")


class AttemptResult(BaseModel):
    snippet: str
    goals: list[str] = []
    timed_out: bool = False


class MultiAttemptResult(BaseModel):
    items: list[AttemptResult] = []


@server.tool()
async def lean_multi_attempt(
    file_path: str,
    line: Annotated[int, Field(ge=1)],
    snippets: list[str],
    column: Annotated[int | None, Field(ge=1)] = None,
) -> MultiAttemptResult:
    """Try multiple tactics without modifying file."""
    return MultiAttemptResult(items=[AttemptResult(snippet=snippet) for snippet in snippets])


if __name__ == "__main__":
    server.run("stdio")
