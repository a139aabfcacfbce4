"""The file that an agent's question stands in: named, never opened, and inside the project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llmstep.errors import InvalidParamsError


def describe_document(project: Path | None, file_path: str, text_before: str) -> dict[str, Any]:
    """The wire's ``document`` field; nothing where there is neither a project nor a text.

    Args:
        project: Folder of the project that the client named.
        file_path: Path of the file, inside the project; it need not exist and is not opened.
        text_before: The file up to the goal.

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
