"""Rows put back into the project that they are from: each with its file, as it is on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs

from llmstep.lean_text.document import LeanDocument
from llmstep.sources.lake_project import find_root
from llmstep.sources.lean_files import decode, read_regular
from llmstep.sources.library_builder import IndexingError, Target, build_library
from llmstep_workshop.data.rows import Row
from llmstep_workshop.errors import TrainingDataError


def place_rows(
    rows: Sequence[tuple[int, Row]], project: Path
) -> tuple[tuple[tuple[int, Row], ...], int]:
    """Give each row whose declaration stands in a file of the project that file and its text.

    The text goes up to the beginning of the declaration's proof, so that nothing of what is to be
    suggested stands in it.

    Args:
        rows: Numbered rows; `file` is counted from the project's folder.
        project: The folder.

    Returns:
        The rows, and how many were placed; the others stay as they were.
    """
    documents: dict[Path, LeanDocument | None] = {}
    placed: list[tuple[int, Row]] = []
    count = 0
    root = project.resolve()
    for number, row in rows:
        path = root / row.file
        text = None
        if row.file and row.decl and path.is_relative_to(root):
            if path not in documents:
                documents[path] = _read(path)
            document = documents[path]
            text = _text_before(document, row.decl) if document is not None else None
        if text is not None:
            count += 1
            row = attrs.evolve(row, context=text, file=str(path))
        placed.append((number, row))
    return tuple(placed), count


def index_project(project: Path) -> None:
    """Read what the project's own files state, so that all answers know it.

    Steps of proofs are left out: those of the rows are among them.

    Raises:
        TrainingDataError: It is no project, or its index cannot be built.
    """
    root = find_root(project.resolve() / "lakefile")
    if root is None:
        raise TrainingDataError(
            f"{project} is no Lake project", hint="Name the folder with the lakefile."
        )
    try:
        build_library(Target.of_project(root), lambda *_: None, lambda _: None, steps=False)
    except IndexingError as error:
        raise TrainingDataError(str(error), hint="Mend that, and try again.") from error


def _read(path: Path) -> LeanDocument | None:
    try:
        return LeanDocument(decode(read_regular(path)))
    except OSError:
        return None


def _text_before(document: LeanDocument, declaration: str) -> str | None:
    for found, start in document.declared_at():
        if found.statement.name == declaration:
            at = document.text.find(":=", start)
            end = start if at < 0 else at
            return f"{document.text[:end]}:= by\n  "
    return None
