"""A statement as one line of text, and back."""

from __future__ import annotations

from typing import get_args

from llmstep.lean_text.statements import Statement, StatementKind

_KINDS: tuple[StatementKind, ...] = get_args(StatementKind)
_BETWEEN = "\x1f"


def pack_statement(statement: Statement) -> str:
    """The statement as text, without its module."""
    marks = ("p" if statement.private else "") + ("o" if statement.protected else "")
    parts = (
        statement.name,
        f"{_KINDS.index(statement.kind)}{marks}",
        str(statement.line or ""),
        statement.binders,
        statement.conclusion,
    )
    return _BETWEEN.join(part.replace(_BETWEEN, " ") for part in parts)


def packed_name(text: str) -> str:
    """The name in a text that `pack_statement` has written, without unpacking the rest."""
    return text.partition(_BETWEEN)[0]


def unpack_statement(text: str, module: str) -> Statement:
    """The statement of a text.

    Raises:
        ValueError: The text is none that `pack_statement` writes.
    """
    name, kind, line, binders, conclusion = text.split(_BETWEEN)
    number = int(kind.rstrip("po"))
    if number >= len(_KINDS):
        raise ValueError(f"there is no kind {number}")
    return Statement(
        name,
        _KINDS[number],
        binders,
        conclusion,
        module,
        int(line or 0),
        private="p" in kind,
        protected="o" in kind,
    )
