"""What a proof can name; `declarations` finds it in a file, an index keeps it as text."""

from __future__ import annotations

from typing import Literal, get_args

import attrs

StatementKind = Literal[
    "theorem", "lemma", "def", "abbrev", "instance", "axiom", "field", "constructor"
]
_KINDS: tuple[StatementKind, ...] = get_args(StatementKind)
_BETWEEN = "\x1f"


@attrs.frozen
class Statement:
    """Something that a proof can name.

    Attributes:
        name: Full name, as `#check` takes it where no namespace is open; empty for what has none.
        kind: The keyword it was declared by, or what it is part of.
        binders: What it takes, as bracketed groups with one blank between them, the section
            variables it uses in front.
        conclusion: What it says behind its colon; of a definition with a short body the equation
            `name arguments = body`. White space is one blank, comments are left out.
        module: Name of the module, such as ``Mathlib.Order.Basic``; empty for the file at hand.
        line: Its line in the file, from 0 on.
        private: Whether only its own file can name it.
        protected: Whether its last namespace has to be written even where that is open.
    """

    name: str
    kind: StatementKind
    binders: str
    conclusion: str
    module: str = ""
    line: int = 0
    private: bool = False
    protected: bool = False


def pack_statement(statement: Statement) -> str:
    """The statement as one line of text, without its module."""
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
