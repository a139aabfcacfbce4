"""What stands around the cursor in a Lean file, as far as its text alone can tell.

A second language server never sees the tactic state; these few shapes are what it can recognise.
"""

from __future__ import annotations

import re

import attrs

from llmstep.lean_text.blocks import BlockPlace, read_blocks
from llmstep.lean_text.document import read_document
from llmstep.lean_text.late_pattern import late_pattern
from llmstep.lean_text.lexer import comment_end
from llmstep.lean_text.vocabulary import symbols

# Comments, the character literal '"', and strings.
_NON_CODE = late_pattern(r'--[^\n]*|/-|\'\\?"\'|"(?:\\.|[^"\\])*(?P<closed>")?', re.DOTALL)
_ENDS_IN_BY = late_pattern(r"(?:^|[\s(⟨,])by[ \t]*$")
# After these a whole term is expected, after whatever is in no list an argument.
_TERM_OPENERS = (":=", "=>", "|", "⟨", "[", ",", "←", "<|", "$", "|>")
_TERM_WORDS = symbols("exact refine refine' apply using from show return use exists then else")
_TACTIC = frozenset({"tactic"})
_TERM = frozenset({"term"})
_ARGUMENT = frozenset({"argument"})


@attrs.frozen
class Place:
    """A cursor in an open Lean document: of its lines, and code points in front of it."""

    lines: tuple[str, ...]
    line: int
    column: int

    @property
    def before(self) -> str:
        """The cursor's line up to the cursor."""
        return self.lines[self.line][: self.column]

    @property
    def after(self) -> str:
        """The cursor's line from the cursor on."""
        return self.lines[self.line][self.column :]

    def in_code(self) -> bool:
        """Whether the cursor is outside comments and string literals."""
        text = self.text_before()
        at = 0
        while (match := _NON_CODE.search(text, at)) is not None:
            if match[0] == "/-":
                if (end := comment_end(text, match.start())) is None:
                    return False
                at = end
            elif (at := match.end()) == len(text):
                return match["closed"] is not None
        return True

    def ends_in_by(self) -> bool:
        """Whether the text up to the cursor, blank lines left out, ends in the keyword ``by``."""
        return _ENDS_IN_BY.search(self._last_text()) is not None

    def proof_is_empty(self) -> bool:
        """Whether nothing after the cursor belongs to the proof: no line is indented deeper."""
        if self.after.strip():
            return False
        outer = _indent(self._last_text())
        below = (line for line in self.lines[self.line + 1 :] if line.strip())
        following = next(below, None)
        return following is None or _indent(following) <= outer

    def wants(self) -> frozenset[str]:
        """What may stand at the cursor: ``tactic``, ``term``, or ``argument``: one in brackets.

        Behind a ``=>`` of which too little is seen it is both of the first.
        """
        blocks = self.blocks()
        if blocks.begins_step:
            return _TACTIC | _TERM if blocks.may_be_term else _TACTIC
        role = _role_behind(self.before)
        if role is None and self.before.strip():
            return _TERM  # in brackets
        if role is None:
            above = next((line for line in reversed(self.lines[: self.line]) if _code(line)), "")
            role = _role_behind(above) or _TERM
        return role

    def text_before(self) -> str:
        """The document up to the cursor."""
        return "\n".join((*self.lines[: self.line], self.before))

    def blocks(self) -> BlockPlace:
        """The tactic blocks that are open at the cursor; of a text without a declaration all."""
        return self.open_declaration()[1]

    def open_declaration(self) -> tuple[str, BlockPlace]:
        """The text of the declaration up to the cursor, and the blocks that are open there."""
        text = self.text_before()
        commands = read_document(text).commands
        declaration = text[commands[-1].at :] if commands else text
        return declaration, read_blocks(declaration, inside=not commands)

    def binder_names(self) -> list[str]:
        """What the statement at the cursor calls its variables and hypotheses."""
        document = read_document(self.text_before())
        declared = document.declarations(last=True)[-1:]
        return [name for found in declared for name in found.types]

    def _last_text(self) -> str:
        for line in (self.before, *reversed(self.lines[: self.line])):
            if line.strip():
                return line
        return ""


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _code(line: str) -> str:
    """A line without the comment at its end."""
    return line.split("--")[0].rstrip()


def _role_behind(before: str) -> frozenset[str] | None:
    """What term may stand behind the beginning of a line; ``None`` if that is brackets at most."""
    outer = _code(before)
    text = outer.rstrip("({ ")
    if not text:
        return None
    last = text.split()[-1].lstrip("(⟨[{")
    whole = text != outer or text.endswith(_TERM_OPENERS) or last in _TERM_WORDS
    return _TERM if whole else _ARGUMENT
