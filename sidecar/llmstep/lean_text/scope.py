"""What a file's text says of names at its end: which namespaces are open, what it has declared."""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs

from llmstep.lean_text.commands import scope_commands, split_commands
from llmstep.lean_text.lexer import WORD_PATTERN, scan_tokens
from llmstep.lean_text.vocabulary import DECLARATIONS

_NAMESPACE = re.compile(rf"\bnamespace\s+({WORD_PATTERN})")
# `open scoped` opens notation alone; names in brackets, or behind `hiding` and `renaming`, are no
# namespaces.
_OPEN = re.compile(rf"\bopen((?:\s+(?!in\b|hiding\b|renaming\b|scoped\b){WORD_PATTERN})+)(\s*\()?")
_DECLARING = rf"(?:{'|'.join(DECLARATIONS)})\b"
_DECLARED = re.compile(rf"\b{_DECLARING}\s+(?!{_DECLARING})({WORD_PATTERN})")


@attrs.frozen
class NameScope:
    """What decides how a name is written at the end of a text.

    Attributes:
        opened: Full names of the open namespaces.
        declared: Names that the text declares, as they are written there.
    """

    opened: frozenset[str] = frozenset()
    declared: frozenset[str] = frozenset()


def read_name_scope(text_before: str) -> NameScope:
    """Read what is in scope at the end of a text.

    A declaration is inside the namespaces of its own name, too. The text is read by its keywords,
    as in `context`; it need not be correct Lean.
    """
    commands = split_commands(text_before)
    if not commands:
        return NameScope()
    opened: set[str] = set()
    inside = ""
    for command in scope_commands(commands, len(commands) - 1):
        if entered := _NAMESPACE.search(command.line) if command.keyword == "namespace" else None:
            inside = _join(inside, entered[1])
            opened.update(_outer(inside))
        elif command.keyword == "open":
            opened.update(_opened(command.line, inside))
    last = text_before[commands[-1].start :].partition(":=")[0]
    last = "".join(token.text for token in scan_tokens(last) if token.kind != "comment")
    opened.update(_opened(last, inside))  # `open ... in` before a declaration
    if own := _DECLARED.search(last):
        opened.update(_outer(_join(inside, own[1]).rpartition(".")[0]))
    declared = _DECLARED.findall(text_before[: commands[-1].start])
    return NameScope(frozenset(opened), frozenset(declared))


def _opened(line: str, inside: str) -> Iterator[str]:
    """What the `open` commands of a line open: names are looked up from the inside out."""
    for found in _OPEN.finditer(line):
        if found[2]:
            continue
        for name in found[1].split():
            yield name
            yield from (_join(outer, name) for outer in _outer(inside))


def _outer(name: str) -> Iterator[str]:
    """A namespace and those around it."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def _join(outer: str, name: str) -> str:
    return f"{outer}.{name}" if outer else name
