"""Read what a library states, and the names it declares, from files made of its source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from llmstep.lean_text.statements import Statement, StatementKind
from llmstep_workshop.data.rows import open_text, require_text, scan_objects
from llmstep_workshop.errors import TrainingDataError

_KINDS: tuple[StatementKind, ...] = get_args(StatementKind)
_BY_NAME: dict[str, StatementKind] = {str(kind): kind for kind in _KINDS}


def read_statements(path: Path) -> Iterator[Statement]:
    """The statements of a JSONL file, plain or gzip.

    Each has `name` and `kind`, and where known `file`, `binders` and `conclusion`.

    Raises:
        TrainingDataError: A line is no such object (names line and field).
    """
    for where, record in scan_objects(path):
        kind: StatementKind | None = _BY_NAME.get(str(record.get("kind")))
        if kind is None:
            raise TrainingDataError(
                f"{where}: field 'kind': expected one of {', '.join(_KINDS)}, "
                f"found {record.get('kind')!r:.40}",
                hint="Give each statement the keyword it is declared by.",
            )
        yield Statement(
            name=require_text(record, "name", where),
            kind=kind,
            binders=str(record.get("binders") or ""),
            conclusion=str(record.get("conclusion") or ""),
            module=str(record.get("file") or "").removesuffix(".lean").replace("/", "."),
        )


def read_names(path: Path) -> list[str]:
    """The names of a text file, plain or gzip, one a line.

    Raises:
        TrainingDataError: The file cannot be read.
    """
    try:
        with open_text(path) as stream:
            return [name for line in stream if (name := line.strip())]
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise TrainingDataError(
            f"{path}: cannot be read: {error}",
            hint="Check that the path is right and that the file is UTF-8 text, plain or gzip.",
        ) from error
