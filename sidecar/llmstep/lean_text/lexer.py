"""Lean 4 text as a stream of tokens: enough to find names, brackets, comments and line ends.

Lean's grammar is extensible, so nothing short of Lean parses it; what a prompt needs is lexical.
Identifier characters are those of ``Lean.isIdFirst`` and ``Lean.isIdRest`` (Init/Meta/Defs.lean).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Literal

import attrs

from llmstep.lean_text.late_pattern import late_pattern

Kind = Literal[
    "word", "number", "string", "char", "comment", "newline", "space", "open", "close", "symbol"
]

# Greek without λ, Π, Σ; polytonic Greek; letter-like symbols; mathematical letters; Latin-1 and
# Latin Extended-A without × and ÷.
_LETTER_LIKE = "α-κμ-ωΑ-ΟΡΤ-Ωϊ-ϻἀ-῾℀-⅏\U0001d49c-\U0001d59fÀ-ÖØ-öø-ÿĀ-ſ"
_SUBSCRIPTS = "₀-₉ₐ-ₜᵢ-ᵪⱼ"
_FIRST = rf"[A-Za-z_{_LETTER_LIKE}]"
_REST = rf"[A-Za-z0-9_'!?{_LETTER_LIKE}{_SUBSCRIPTS}]"
_COMPONENT = rf"(?:{_FIRST}{_REST}*|«[^«»\n]*»)"
WORD_PATTERN = rf"{_COMPONENT}(?:\.{_COMPONENT})*"

_OPENERS = "([{⟨⦃‹⟦⟪⌊⌈⁅"
_CLOSERS = ")]}⟩⦄›⟧⟫⌋⌉⁆"
BRACKETS = dict(zip(_OPENERS, _CLOSERS, strict=True))

_TOKEN = late_pattern(
    rf"""
    (?P<newline>\n)
  | (?P<space>[^\S\n]+)
  | (?P<line_comment>--[^\n]*)
  | (?P<block_comment>/-)
  | (?P<raw>r(?P<hashes>\#*)")
  | (?P<word>{WORD_PATTERN})
  | (?P<number>\d+(?:\.\d+)?)
  | (?P<string>")
  | (?P<prime>⁻¹'|'')
  | (?P<char>'(?:\\[^\n][^'\n]*|[^\\'\n])')
  | (?P<open>[{re.escape(_OPENERS)}])
  | (?P<close>[{re.escape(_CLOSERS)}])
  | (?P<symbol><;>|<\|>|<\||\|>\.?|:=|=>|<-|->|\|-|\.\.+|.)
    """,
    re.VERBOSE | re.DOTALL,
)
STRING_END = late_pattern(r'(?:[^"\\]|\\.)*"', re.DOTALL)
# No real comment nests deeper; text that does would be slow to follow to its end.
_DEEPEST = 200
_COMMENT_EDGE = late_pattern(r"/-|-/")


@attrs.frozen
class Token:
    """A stretch of text.

    Attributes:
        kind: What it is; comments include doc comments, words may be dotted and may be keywords.
        text: Its characters.
        start: Offset of its first character.
        closed: ``False`` for a string or block comment that the text ends inside of.
    """

    kind: Kind
    text: str
    start: int
    closed: bool = True

    @property
    def end(self) -> int:
        """Offset after its last character."""
        return self.start + len(self.text)


def comment_end(text: str, start: int, stop: int | None = None) -> int | None:
    """Offset after the block comment that opens at ``start``; ``None`` if it never ends.

    Looked for up to ``stop``, or the end of the text.
    """
    depth = 0
    for edge in _COMMENT_EDGE.finditer(text, start, len(text) if stop is None else stop):
        depth += 1 if edge[0] == "/-" else -1
        if depth == 0:
            return edge.end()
        if depth > _DEEPEST:
            return None
    return None


def scan_tokens(text: str) -> Iterator[Token]:
    """Split a text into tokens; joined, their texts are the text again."""
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        # The last alternative takes any character.
        assert match is not None
        group = match.lastgroup
        end: int | None = match.end()
        if group == "block_comment":
            end = comment_end(text, position)
            kind: Kind = "comment"
        elif group == "line_comment":
            kind = "comment"
        elif group == "string":
            found = STRING_END.match(text, match.end())
            end = found.end() if found else None
            kind = "string"
        elif group == "raw":
            at = text.find('"' + match["hashes"], match.end())
            end = None if at < 0 else at + 1 + len(match["hashes"])
            kind = "string"
        elif group == "prime":
            kind = "symbol"
        else:
            kind = group  # pyright: ignore[reportAssignmentType]
        stop = len(text) if end is None else end
        yield Token(kind, text[position:stop], position, end is not None)
        position = stop


def plain_name(word: str) -> str:
    """A name as Lean stores it: without guillemets and without ``_root_.``."""
    return word.replace("«", "").replace("»", "").removeprefix("_root_.")


def begins_with(word: str, names: Collection[str]) -> bool:
    """Whether a dotted beginning of the word is one of the names, or all of it."""
    if not names:
        return False
    parts = plain_name(word).split(".")
    return any(".".join(parts[:end]) in names for end in range(1, len(parts) + 1))
