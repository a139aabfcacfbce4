"""The top-level commands of a Lean file, found without elaborating it.

Commands are recognised by their keywords at the start of a line, as in Lean's own style; an unknown
command counts as part of the one above it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import attrs

from llmstep.lean_text.late_pattern import late_pattern
from llmstep.lean_text.lexer import STRING_END, WORD_PATTERN, comment_end
from llmstep.lean_text.vocabulary import DECLARATIONS, FRAMES, IMPORTS, MODIFIERS, SCOPED

_KEYWORDS = SCOPED | FRAMES | IMPORTS | DECLARATIONS | {"end"}
_COMMAND = late_pattern(
    rf"^(?:(?P<comment>/-)|(?P<attribute>@\[)|(?P<query>#[a-z])|(?P<word>{'|'.join(_KEYWORDS)})\b)",
    re.MULTILINE,
)
# Where a line-start keyword might be inside a comment or a string. Line comments are matched so
# that what they quote opens nothing, and so are quotation marks as character literals.
_HIDING = late_pattern(r"--[^\n]*|/-|'\\?\"'|\br(?P<hashes>#*)\"|\"")
_LONGEST_STRING = 10_000
_MOST_LOST = 8
_BLANKS = late_pattern(r"\s*")
_NAME = late_pattern(r"[a-z_0-9]*")
FRAME_NAME = late_pattern(rf"\b(?:namespace|section|end)\s+({WORD_PATTERN})")
COMPONENT = late_pattern(r"«[^«»\n]*»|[^.«»]+")
# `open Foo in` with the command it is for in the same line.
_LEAD = late_pattern(r"[^\n]*?\sin(?=[ \t]+\S)[ \t]*")


@attrs.frozen
class Command:
    """A top-level command, with the comments and attributes in front of it.

    Attributes:
        start: Offset of its first character.
        end: Offset of the next command, or the length of the text.
        keyword: Its first keyword after attributes, comments and modifiers.
        line: Its text without the comments in front, for scope commands.
        at: Offset of the keyword.
        frames: How many scopes it opens, negative where it closes some.
    """

    start: int
    end: int
    keyword: str
    line: str
    at: int = 0
    frames: int = 0


def split_commands(document: str) -> list[Command]:
    """The document's top-level commands in order; text before the first belongs to none."""
    return split_text(document)[0]


def split_text(document: str, start: int = 0) -> tuple[list[Command], int]:
    """The commands from an offset on at which a command starts.

    Also the offset up to which nothing depends on text far behind it: a string or comment that is
    never closed hides commands only as long as it stays so.
    """
    hidden, sure = _hidden_spans(document, start)
    starts = list(_command_starts(document, start, hidden))
    return list(_join_leads(document, starts)), sure


def _command_starts(
    document: str, start: int, hidden: list[tuple[int, int]]
) -> Iterator[tuple[int, str]]:
    """Offset and kind of everything at the start of a line that looks like a command."""
    spans = iter(hidden)
    begin, end = next(spans, (len(document), len(document)))
    for match in _COMMAND.finditer(document, start):
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


def _hidden_spans(document: str, start: int) -> tuple[list[tuple[int, int]], int]:
    """Block comments and strings of more than one line, in order: no command starts inside.

    Also the offset of the first of them whose end is not found.
    """
    spans: list[tuple[int, int]] = []
    end, sure = start, len(document)
    # Each search without an end costs the whole window: where many fail, this is no Lean.
    lost = 0
    for opener in _HIDING.finditer(document, start):
        begin = opener.start()
        if begin < end or opener[0][:2] == "--" or opener[0][0] == "'":
            continue
        window = _LONGEST_STRING if lost < _MOST_LOST else _LONGEST_STRING // 100
        if opener[0] == "/-":
            found = comment_end(document, begin)
            end = found or len(document)
        elif opener["hashes"] is not None:
            closing = '"' + opener["hashes"]
            at = document.find(closing, opener.end(), opener.end() + window)
            found = None if at < 0 else at + len(closing)
            end = found or opener.end()
        else:
            # A lone quotation mark is more likely a character literal than a string to the end.
            string = STRING_END.match(document, opener.end(), opener.end() + window)
            found = string.end() if string else None
            end = found or opener.end()
        if found is None:
            lost += 1
            sure = min(sure, begin)
        if document.find("\n", begin, end) >= 0:
            spans.append((begin, end))
        if end == len(document):
            break
    return spans, sure


def _join_leads(document: str, starts: list[tuple[int, str]]) -> Iterator[Command]:
    """Attach comments, attributes and ``... in`` lines to the command they belong to."""
    lead: int | None = None
    for index, (start, kind) in enumerate(starts):
        end = starts[index + 1][0] if index + 1 < len(starts) else len(document)
        last = index + 1 == len(starts)
        if kind == "comment" and not last:
            lead = start if lead is None else lead
            continue
        body = start
        while kind == "attribute":
            body = _after_attribute(document, body, end)
            attribute = document.startswith("@[", body, end)
            kind = "attribute" if attribute else _keyword_at(document, body) if body < end else ""
        while kind in SCOPED and (inner := _LEAD.match(document, body, end)):
            # An unknown word behind ` in` is a term's, such as in `variable (h : let x := 1 in p)`.
            if not (found := _keyword_at(document, inner.end())):
                break
            body, kind = inner.end(), found
        leads = kind == "" or (kind in SCOPED and document[body:end].rstrip().endswith(" in"))
        if leads and not last:
            lead = start if lead is None else lead
            continue
        at = body
        if kind in MODIFIERS:
            at, kind = _after_modifiers(document, body)
        frame = kind in FRAMES or kind == "end"
        scoped = frame or kind in SCOPED or kind in IMPORTS
        line = document[start:end].rstrip() if scoped else ""
        frames = _count_frames(kind, line) if frame else 0
        yield Command(start if lead is None else lead, end, kind, line, at, frames)
        lead = None


def _count_frames(keyword: str, line: str) -> int:
    """A dotted name stands for as many scopes as it has components."""
    named = FRAME_NAME.search(line)
    count = len(COMPONENT.findall(named[1])) if named else 1
    return -count if keyword == "end" else count


def _after_attribute(document: str, start: int, end: int) -> int:
    depth = 0
    for at in range(start + 1, end):
        depth += (document[at] == "[") - (document[at] == "]")
        if depth == 0:
            return _skip_blanks(document, at + 1, end)
    return end


def _skip_blanks(document: str, at: int, end: int) -> int:
    blanks = _BLANKS.match(document, at, end)
    return blanks.end() if blanks else at


def _keyword_at(document: str, at: int) -> str:
    word = _NAME.match(document, at)
    return word[0] if word and word[0] in _KEYWORDS else ""


def _after_modifiers(document: str, at: int) -> tuple[int, str]:
    """The keyword behind ``private noncomputable``, ``public``, ``local`` ..., and its offset."""
    while (word := _keyword_at(document, at)) in MODIFIERS:
        at = _skip_blanks(document, at + len(word), len(document))
    return at, word or "def"


def scope_commands(commands: Sequence[Command], begin: int) -> list[Command]:
    """The scope commands in force before the command ``begin``, in order."""
    frames: list[list[Command]] = [[]]
    for command in commands[:begin]:
        if command.frames > 0:
            frames += [[] for _ in range(command.frames)]
            frames[-command.frames].append(command)
        elif command.frames < 0:
            del frames[max(len(frames) + command.frames, 1) :]
        elif command.keyword in SCOPED or command.keyword in IMPORTS:
            frames[-1].append(command)
    return [command for frame in frames for command in frame]
