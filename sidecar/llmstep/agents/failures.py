"""Errors as tools tell them: in words for the model, and in fields for the program around it."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import ParamSpec

from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel

from llmstep.errors import LLMStepError

P = ParamSpec("P")


def answer(result: BaseModel) -> CallToolResult:
    """A result as text, and as the fields that the tool's schema describes."""
    return CallToolResult(
        content=[TextContent(type="text", text=result.model_dump_json(indent=1))],
        structured_content=result.model_dump(mode="json"),
    )


def telling(
    tool: Callable[P, Awaitable[CallToolResult]],
) -> Callable[P, Awaitable[CallToolResult]]:
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
