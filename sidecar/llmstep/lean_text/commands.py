"""The top-level commands of a Lean file, found without elaborating it.

Commands are recognised by their keywords at the start of a line, as in Lean's own style; an unknown
command counts as part of the one above it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs

from llmstep.lean_text.lexer import comment_end
from llmstep.lean_text.vocabulary import (
    DECLARATIONS,
    FRAMES,
    IMPORTS,
    MODIFIERS,
    SCOPED,
)

_KEYWORDS = SCOPED | FRAMES | IMPORTS | DECLARATIONS | {"end"}
_COMMAND = re.compile(
    rf"^(?:(?P<comment>/-)|(?P<attribute>@\[)|(?P<query>#[a-z])|(?P<word>{'|'.join(_KEYWORDS)})\b)",
    re.MULTILINE,
)
# Where a line-start keyword might be inside a comment or a string. Line comments are matched so
# that what they quote opens nothing.
_HIDING = re.compile(r'--[^\n]*|/-|"')
_STRING_END = re.compile(r'(?:[^"\\]|\\.)*"', re.DOTALL)
_BLANKS = re.compile(r"\s*")
_NAME = re.compile(r"[a-z_0-9]*")


@attrs.frozen
class Command:
    """A top-level command, with the comments and attributes in front of it.

    Attributes:
        start: Offset of its first character.
        end: Offset of the next command, or the length of the text.
        keyword: Its first keyword after attributes, comments and modifiers.
        line: Its text without the comments in front, for scope commands.
    """

    start: int
    end: int
    keyword: str
    line: str


def split_commands(document: str) -> list[Command]:
    """The document's top-level commands in order; text before the first belongs to none."""
    return list(_join_leads(document, list(_command_starts(document))))


def _command_starts(document: str) -> Iterator[tuple[int, str]]:
    """Offset and kind of everything at the start of a line that looks like a command."""
    spans = _hidden_spans(document)
    begin, end = next(spans, (len(document), len(document)))
    for match in _COMMAND.finditer(document):
        at = match.start()
        while end <= at and begin < len(document):
            begin, end = next(spans, (len(document), len(document)))
        if begin < at < end:
            continue
        if match["word"]:
            yield at, match["word"]
        elif match["comment"]:
            yield at, "comment"
        else:
            yield at, "attribute" if match["attribute"] else "#"


def _hidden_spans(document: str) -> Iterator[tuple[int, int]]:
    """Block comments and strings of more than one line, in order: no command starts inside."""
    end = 0
    for opener in _HIDING.finditer(document):
        begin = opener.start()
        if begin < end or opener[0][:2] == "--":
            continue
        if opener[0] == "/-":
            end = comment_end(document, begin) or len(document)
        else:
            # A lone quotation mark is more likely a character literal than a string to the end.
            found = _STRING_END.match(document, opener.end(), opener.end() + 10_000)
            end = found.end() if found else opener.end()
        if "\n" in document[begin:end]:
            yield begin, end
        if end == len(document):
            return


def _join_leads(document: str, starts: list[tuple[int, str]]) -> Iterator[Command]:
    """Attach comments, attributes and ``... in`` lines to the command they belong to."""
    lead: int | None = None
    for index, (start, kind) in enumerate(starts):
        end = starts[index + 1][0] if index + 1 < len(starts) else len(document)
        if kind == "comment" and index + 1 < len(starts):
            lead = start if lead is None else lead
            continue
        if kind == "attribute":
            body = _after_attribute(document, start, end)
            kind = _keyword_at(document, body) if body < end else ""
        else:
            body = start
        leads = kind == "" or (kind in SCOPED and document[body:end].rstrip().endswith(" in"))
        if leads and index + 1 < len(starts):
            lead = start if lead is None else lead
            continue
        keyword = _after_modifiers(document, body) if kind in MODIFIERS else kind
        scoped = keyword in SCOPED or keyword in FRAMES or keyword in IMPORTS or keyword == "end"
        line = document[start:end].rstrip() if scoped else ""
        yield Command(start if lead is None else lead, end, keyword, line)
        lead = None


def _after_attribute(document: str, start: int, end: int) -> int:
    depth = 0
    for at in range(start + 1, end):
        depth += (document[at] == "[") - (document[at] == "]")
        if depth == 0:
            blanks = _BLANKS.match(document, at + 1, end)
            return blanks.end() if blanks else at + 1
    return end


def _keyword_at(document: str, at: int) -> str:
    word = _NAME.match(document, at)
    return word[0] if word and word[0] in _KEYWORDS else ""


def _after_modifiers(document: str, at: int) -> str:
    """The keyword behind ``private noncomputable``, ``public``, ``local`` ..."""
    while (word := _keyword_at(document, at)) in MODIFIERS:
        blanks = _BLANKS.match(document, at + len(word))
        at = blanks.end() if blanks else at + len(word)
    return word or "def"


def _scopes(commands: list[Command]) -> Iterator[list[list[int]]]:
    """For each command the stack of open frames before it, as indices of scope commands.

    The same list is handed out each time, changed in place.
    """
    frames: list[list[int]] = [[]]
    for index, command in enumerate(commands):
        yield frames
        if command.keyword in FRAMES:
            frames.append([index])
        elif command.keyword == "end":
            if len(frames) > 1:
                frames.pop()
        elif command.keyword in SCOPED or command.keyword in IMPORTS:
            frames[-1].append(index)


def scope_commands(commands: list[Command], begin: int) -> list[Command]:
    """The scope commands in force before the command ``begin``, in order."""
    for index, frames in enumerate(_scopes(commands)):
        if index == begin:
            return [commands[at] for frame in frames for at in frame]
    return []
