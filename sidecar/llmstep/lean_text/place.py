"""What stands around the cursor in a Lean file, as far as its text alone can tell.

A second language server never sees the tactic state; these few shapes are what it can recognise.
"""

from __future__ import annotations

import re

import attrs

# Comments, the character literal '"', and strings.
_NON_CODE = re.compile(r'--[^\n]*|/-|\'\\?"\'|"(?:\\.|[^"\\])*(?P<closed>")?', re.DOTALL)
_COMMENT_EDGE = re.compile(r"/-|-/")
_ENDS_IN_BY = re.compile(r"(?:^|[\s(⟨,])by[ \t]*$")
# After these a whole term is expected, after `=>` a term or a tactic. After whatever is in no list
# stands an argument: most places in a line are no tactic's.
_TERM_OPENERS = (":=", "⟨", "[", ",", "←", "<|", "$", "|>")
_TERM_WORDS = frozenset(
    ("exact", "refine", "refine'", "apply", "using", "from", "show", "return", "use", "exists")
)
_TACTIC_OPENERS = ("·", "<;>", ";")
_TACTIC_WORDS = frozenset(("by", "try", "repeat", "all_goals", "any_goals", "focus"))
_TACTIC = frozenset({"tactic"})
_TERM = frozenset({"term"})
_ARGUMENT = frozenset({"argument"})


@attrs.frozen
class Place:
    """A cursor in an open Lean document.

    Attributes:
        lines: The document's lines without their ends.
        line: Index of the cursor's line.
        column: Code points before the cursor in its line.
    """

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
        text = "\n".join((*self.lines[: self.line], self.before))
        at = 0
        while (match := _NON_CODE.search(text, at)) is not None:
            at = match.end()
            if match.group() == "/-":
                depth = 1
                while depth:
                    edge = _COMMENT_EDGE.search(text, at)
                    if edge is None:
                        return False
                    at = edge.end()
                    depth += 1 if edge.group() == "/-" else -1
            elif at == len(text):
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
        """What may stand at the cursor.

        Returns:
            ``tactic``, ``term``, both behind ``=>``, or ``argument``: a term that needs brackets.
        """
        role = _role_behind(self.before)
        if role is not None:
            return role
        above = next((line for line in reversed(self.lines[: self.line]) if _code(line)), "")
        role = _role_behind(above) or _TACTIC
        if role == _ARGUMENT and _indent(self.before) <= _content_column(above):
            role = _TACTIC
        return role if "tactic" in role or not self.before.strip() else _TERM

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


def _content_column(line: str) -> int:
    """The column at which a line's text begins, bullets left out."""
    return len(line) - len(line.lstrip(" ·."))


def _role_behind(before: str) -> frozenset[str] | None:
    """What may stand behind the beginning of a line; ``None`` if that is brackets at most."""
    outer = _code(before)
    text = outer.rstrip("({ ")
    if not text:
        return None
    role = _role_behind_code(text)
    if text == outer or "tactic" in role:
        return role
    return _TERM  # in brackets


def _role_behind_code(text: str) -> frozenset[str]:
    if text.endswith("=>"):
        return _TACTIC | _TERM
    words = text.split()
    if text.endswith(_TACTIC_OPENERS) or words == ["."]:
        return _TACTIC
    if text.endswith("|"):
        return _TACTIC if "first" in words or words == ["|"] else _TERM
    if text.endswith(_TERM_OPENERS):
        return _TERM
    last = words[-1].lstrip("(⟨[{")
    if last in _TACTIC_WORDS:
        return _TACTIC
    if last in ("then", "else"):
        return _TACTIC if next(w for w in words if w not in "·.") == "if" else _TERM
    return _TERM if last in _TERM_WORDS else _ARGUMENT
