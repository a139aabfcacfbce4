"""The head of a declaration: its name, what it takes, what it says, and where its body begins.

Only brackets, colons and what opens a body are looked at; the rest is passed over, so that a
library of a hundred megabytes is read in a minute or two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import attrs

from llmstep.lean_text.commands import Command
from llmstep.lean_text.late_pattern import late_pattern
from llmstep.lean_text.lexer import BRACKETS, STRING_END, WORD_PATTERN, comment_end

_OPENERS = "".join(map(re.escape, BRACKETS))
_CLOSERS = "".join(map(re.escape, BRACKETS.values()))
_EVENT = late_pattern(
    rf"""
    (?P<open>[{_OPENERS}])
  | (?P<close>[{_CLOSERS}])
  | (?P<skip>--[^\n]* | /- | " | (?<![\w'])'(?:\\[^\n][^'\n]{{0,8}}|[^\\'\n])' | «[^«»\n]*»)
  | (?P<mark>:= | : | \|)
  | (?P<word>(?<![\w.«'])(?:let|letI|have|haveI|where|deriving|extends)(?![\w'!?.]))
    """,
    re.VERBOSE,
)
_DECLARED_NAME = late_pattern(rf"\s*({WORD_PATTERN})(?:\.\{{[^}}\n]*\}})?")
_PRIORITY = late_pattern(r"\s*\(priority\b[^)\n]*\)")
_INDUCTIVE = late_pattern(r"\s+inductive\b")
_COMMENT = late_pattern(r"--|/-|\"")
_ARROW = late_pattern(r"=>|:=")
_BINDING_WORDS = frozenset({"let", "letI", "have", "haveI"})
# Nothing that a proof names is stated at such length; a table or a generated file may be.
LONGEST_HEAD = 8_000
_DEEPEST_INDENT = 100


@attrs.frozen
class Head:
    """A declaration's head, as offsets into the text it was read from.

    Attributes:
        name: As it is written there; empty for an `example` or an instance without a name.
        name_end: Where the binders begin.
        colon: Of the colon in front of what it says; `body` if there is none.
        body: Where the head ends: at ``:=``, at the first ``|`` of its alternatives, at ``where``,
            or at the end of the command.
        opener: What the body begins with: ``:=``, ``|``, ``where`` or nothing.
        extends: Where a structure says what it extends; `body` if it does not.
    """

    name: str
    name_end: int
    colon: int
    body: int
    opener: str
    extends: int

    def binders(self, text: str) -> str:
        """What stands between name and colon."""
        return text[self.name_end : min(self.colon, self.extends)]

    def conclusion(self, text: str) -> str:
        """What stands behind the colon; empty if there is none."""
        if self.colon >= self.body:
            return ""
        return text[self.colon + 1 : self.extends if self.extends > self.colon else self.body]


def read_head(text: str, command: Command) -> Head | None:
    """The head of a command that declares something; ``None`` if it is too long to be one."""
    at = command.at + len(command.keyword)
    if command.keyword == "instance" and (priority := _PRIORITY.match(text, at, command.end)):
        at = priority.end()
    inductive = command.keyword in ("inductive", "coinductive")
    if command.keyword == "class" and (second := _INDUCTIVE.match(text, at, command.end)):
        inductive, at = True, second.end()
    name = ""
    if command.keyword != "example":
        found = _DECLARED_NAME.match(text, at, command.end)
        if found:
            name, at = found[1], found.end()
    limit = min(command.end, at + LONGEST_HEAD)
    depth = bound = 0
    colon = extends = -1
    for event, position in _events(text, at, limit):
        kind = event.lastgroup
        if kind == "open":
            depth += 1
        elif kind == "close":
            depth = max(depth - 1, 0)
        elif depth:
            continue
        elif kind == "word":
            if event[0] in _BINDING_WORDS:
                bound += 1
            elif event[0] == "extends":
                extends = position if extends < 0 else extends
            else:
                return _close(name, at, colon, position, event[0], extends)
        elif event[0] == ":":
            colon = position if colon < 0 else colon
        elif event[0] == ":=":
            if not bound:
                return _close(name, at, colon, position, ":=", extends)
            bound -= 1
        elif inductive or _opens_alternatives(text, position, limit):
            return _close(name, at, colon, position, "|", extends)
    if limit < command.end:
        return None
    return _close(name, at, colon, command.end, "", extends)


def _close(name: str, at: int, colon: int, body: int, opener: str, extends: int) -> Head:
    return Head(
        name, at, body if colon < 0 else colon, body, opener, body if extends < 0 else extends
    )


def _events(text: str, start: int, end: int) -> Iterator[tuple[re.Match[str], int]]:
    """What matters to a head, comments and literals passed over."""
    skipped = start
    for event in _EVENT.finditer(text, start, end):
        position = event.start()
        if position < skipped:
            continue
        if event.lastgroup == "skip":
            skipped = _skip(text, event, end)
        else:
            yield event, position


def _skip(text: str, event: re.Match[str], end: int) -> int:
    """Offset behind a comment or literal."""
    if event[0] == "/-":
        return comment_end(text, event.start(), end) or end
    if event[0] == '"':
        string = STRING_END.match(text, event.end(), end)
        return string.end() if string else end
    return event.end()


def _opens_alternatives(text: str, at: int, end: int) -> bool:
    """Whether a vertical bar begins the first ``| pattern => value`` rather than ``|x|``."""
    indent = text[max(at - _DEEPEST_INDENT, 0) : at]
    first = not indent[indent.rfind("\n") + 1 :].strip() and (at <= len(indent) or "\n" in indent)
    spaced = at > 0 and text[at - 1].isspace() and text[at + 1 : at + 2].isspace()
    if not (first or spaced):
        return False
    arrow = _ARROW.search(text, at, min(end, at + 500))
    return arrow is not None and arrow[0] == "=>"


def flatten(text: str) -> str:
    """A piece of Lean text on one line: comments out, one blank for any white space."""
    if _COMMENT.search(text):
        text = drop_comments(text)
    return " ".join(text.split())


def drop_comments(text: str) -> str:
    """The text with a blank for each comment."""
    kept: list[str] = []
    at = 0
    for event in _COMMENT.finditer(text):
        begin = event.start()
        if begin < at:
            continue
        if event[0] == '"':
            string = STRING_END.match(text, event.end())
            end = string.end() if string else len(text)
            kept.append(text[at:end])
            at = end
            continue
        kept.append(text[at:begin])
        if event[0] == "--":
            line = text.find("\n", begin)
            at = len(text) if line < 0 else line
        else:
            at = comment_end(text, begin) or len(text)
            kept.append(" ")
    kept.append(text[at:])
    return "".join(kept)


@attrs.frozen
class Group:
    """One bracket of binders, such as ``{a b : α}`` or ``[Ring R]``.

    Attributes:
        text: With its brackets, on one line.
        names: What it declares; empty for an instance without a name.
        type: Behind its colon, without a default value; all of it for a nameless instance.
    """

    text: str
    names: tuple[str, ...]
    type: str

    @property
    def instance(self) -> bool:
        """Whether it is filled by type classes."""
        return self.text.startswith("[")

    def keep(self, names: frozenset[str]) -> Group:
        """The group with those of its names only."""
        if len(self.names) < 2 or names.issuperset(self.names):
            return self
        kept = tuple(name for name in self.names if name in names)
        text = f"{self.text[0]}{' '.join(kept)} : {self.type}{self.text[-1]}"
        return Group(text, kept, self.type)


_BRACKET = late_pattern(rf"([{_OPENERS}])|[{_CLOSERS}]")
_NAMES = late_pattern(rf"\s*((?:{WORD_PATTERN}\s+)*{WORD_PATTERN})\s*$")
_DEFAULT = late_pattern(r"\s:=")


def split_groups(binders: str) -> list[Group]:
    """The bracketed groups of binders, given on one line; bare names stand for themselves."""
    groups: list[Group] = []
    depth, start, behind = 0, 0, 0
    for bracket in _BRACKET.finditer(binders):
        if bracket[1]:
            if depth == 0:
                groups += _bare_names(binders[behind : bracket.start()])
                start = bracket.start()
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0:
                behind = bracket.end()
                groups.append(_read_group(binders[start:behind]))
    if depth == 0:
        groups += _bare_names(binders[behind:])
    return groups


def explicit_names(groups: Iterable[Group]) -> str:
    """The names in round brackets, with blanks between."""
    return " ".join(name for group in groups if group.text[0] == "(" for name in group.names)


def _bare_names(text: str) -> list[Group]:
    return [Group(name, (name,), "") for name in text.split() if name[0] not in ":,"]


def _read_group(text: str) -> Group:
    inner = text[1:-1]
    names, colon, type_ = inner.partition(":")
    if colon and type_[:1] != "=" and (found := _NAMES.match(names)):
        default = _DEFAULT.search(type_)
        shown = type_[: default.start()] if default else type_
        return Group(text, tuple(found[1].split()), shown.strip())
    if not text.startswith("[") and (found := _NAMES.match(inner)):
        return Group(text, tuple(found[1].split()), "")
    return Group(text, (), inner.strip())
