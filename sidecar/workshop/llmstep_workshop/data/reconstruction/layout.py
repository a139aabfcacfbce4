"""The steps of a block of tactics, told apart by the columns they begin in."""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs

from llmstep.lean_text.lexer import BRACKETS, scan_tokens

# A line that begins with one of these goes on with the line above it.
_JOINING = re.compile(r"<;>|\||with\b|at\b|using\b|then\b|else\b|:=|,|\)|⟩|\]|generalizing\b")
_CLOSING = frozenset(BRACKETS.values())
# What takes the steps behind it, those after a semicolon too.
_NESTING = re.compile(r"\bby\b|=>|\bcalc\b|^[·.{](?:\s|$)")
# What follows the proof of a definition, and is none of its steps.
_AFTER = re.compile(r"(?:termination_by|decreasing_by|where)\b")


@attrs.frozen
class SourceLine:
    """A line of text and the column it begins in."""

    column: int
    text: str


@attrs.frozen
class SourceStep:
    """One step with the lines that belong to it."""

    lines: tuple[SourceLine, ...]

    @property
    def text(self) -> str:
        """All of it on one line."""
        return " ".join(" ".join(line.text for line in self.lines).split())

    def braced(self) -> tuple[SourceLine, ...] | None:
        """The lines inside of ``{`` and ``}``; ``None`` if it is no such block."""
        if not (self.text.startswith("{") and self.text.endswith("}")):
            return None
        *before, last = self.behind(1)
        kept = last.text[:-1].rstrip().rstrip(";").rstrip()
        return (*before, attrs.evolve(last, text=kept)) if kept else tuple(before)

    def behind(self, offset: int) -> tuple[SourceLine, ...]:
        """The lines behind so many characters of the first one."""
        first = self.lines[0]
        rest = first.text[offset:]
        text = rest.lstrip()
        column = first.column + offset + len(rest) - len(text)
        return (SourceLine(column, text), *self.lines[1:]) if text else self.lines[1:]

    def nested(self, word: re.Pattern[str]) -> tuple[SourceLine, ...] | None:
        """The lines behind the first place where a pattern is found, outside of brackets."""
        depth = 0
        for at, line in enumerate(self.lines):
            for token in scan_tokens(line.text):
                if depth == 0 and (found := word.match(line.text, token.start)):
                    return SourceStep((line, *self.lines[at + 1 :])).behind(found.end())
                depth += (token.kind == "open") - (token.kind == "close")
        return None


def read_lines(text: str) -> tuple[SourceLine, ...]:
    """The lines of a text that are not blank."""
    found: list[SourceLine] = []
    for line in text.split("\n"):
        bare = line.strip().rstrip(";").rstrip()
        if bare:
            found.append(SourceLine(len(line) - len(line.lstrip()), bare))
    return tuple(found)


def read_proof(proof: str) -> tuple[SourceLine, ...]:
    """The lines of a proof behind its ``by``; what stands in the line of the ``by`` comes first.

    The column of that first line is not known; what follows it is part of it.
    """
    first, _, rest = proof.partition("\n")
    lines = read_lines(rest)
    if lines:
        least = min(line.column for line in lines)
        lines = tuple(
            line
            for at, line in enumerate(lines)
            if not any(
                _AFTER.match(above.text) and above.column <= least for above in lines[: at + 1]
            )
        )
    head = first.removeprefix("by").strip()
    if not head:
        return lines
    return (SourceLine(min((line.column for line in lines), default=4) - 1, head), *lines)


def split_steps(lines: Sequence[SourceLine]) -> list[SourceStep]:
    """The steps of a block: each begins in the block's column; ``;`` stands between some."""
    if not lines:
        return []
    column = lines[0].column
    groups: list[list[SourceLine]] = []
    for line in lines:
        joined = _JOINING.match(line.text) or line.text[0] in _CLOSING
        if groups and (line.column > column or joined):
            groups[-1].append(line)
        else:
            groups.append([line])
    steps: list[SourceStep] = []
    for group in groups:
        steps += _split_at_semicolons(group)
    return steps


def _split_at_semicolons(group: list[SourceLine]) -> list[SourceStep]:
    line = group[0]
    if len(group) > 1 or ";" not in line.text or _NESTING.search(line.text):
        return [SourceStep(tuple(group))]
    found: list[SourceStep] = []
    depth = start = 0
    for at, character in enumerate(f"{line.text};"):
        depth += (character in BRACKETS) - (character in _CLOSING)
        if character == ";" and depth == 0:
            part = line.text[start:at].strip()
            if part:
                found.append(SourceStep((SourceLine(line.column + start, part),)))
            start = at + 1
    return found
