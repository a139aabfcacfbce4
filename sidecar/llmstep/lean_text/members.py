"""Fields of a structure and constructors of an inductive type."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

import attrs

from llmstep.lean_text.heads import drop_comments
from llmstep.lean_text.late_pattern import late_pattern
from llmstep.lean_text.lexer import WORD_PATTERN

_FIELD = late_pattern(
    rf"^(?P<indent>[ \t]+)(?:(?:protected|private)\s+)?"
    rf"(?P<open>[(\[{{])?[ \t]*(?P<names>{WORD_PATTERN}(?:[ \t]+{WORD_PATTERN})*)"
    rf"(?=\s*[:(\[{{⦃])",
    re.MULTILINE,
)
_CONSTRUCTOR = late_pattern(
    rf"(?:^|\s)\|[ \t]*(?:(?:protected|private)\s+)?(?P<name>{WORD_PATTERN})", re.MULTILINE
)
_MAKER = late_pattern(rf"\s*({WORD_PATTERN})\s*::")
_DERIVING = late_pattern(r"^\s*deriving\b", re.MULTILINE)
_DEFAULT = late_pattern(r"\s:=")
_MARK = late_pattern(r"[()\[\]{}⦃⦄⟨⟩]|:(?!=)")
_MOST = 200
_LONGEST_TYPE = 2_000


@attrs.frozen
class Member:
    """A field or constructor.

    Attributes:
        name: Its name without that of its type.
        kind: Which of the two it is.
        binders: What it takes besides the parameters of its type.
        type: What stands behind its colon; empty for a constructor that leaves it out.
        line: Its line, counted from the keyword of its type.
    """

    name: str
    kind: Literal["field", "constructor"]
    binders: str
    type: str
    line: int


def read_members(body: str, opener: str, keyword: str) -> tuple[Member, ...]:
    """The members of a type's body, from ``where``, ``:=`` or the first ``|`` on."""
    behind = body[len(opener) :] if opener != "|" else body
    text = drop_comments(behind)
    if ended := _DERIVING.search(text):
        text = text[: ended.start()]
    if opener == "|" or keyword in ("inductive", "coinductive"):
        return tuple(_constructors(text))[:_MOST]
    maker = _MAKER.match(text)
    return tuple(_fields(text[maker.end() :] if maker else text))[:_MOST]


def _fields(text: str) -> Iterator[Member]:
    """Fields begin at the indentation of the first one."""
    found = list(_FIELD.finditer(text))
    if not found:
        return
    indent = len(found[0]["indent"])
    found = [field for field in found if len(field["indent"]) == indent]
    for at, (field, rest) in enumerate(_with_rest(text, found)):
        binders, colon, type_ = _split_colon(rest)
        if not colon:
            continue
        if default := _DEFAULT.search(type_):
            type_ = type_[: default.start()]
        if field["open"]:
            type_ = type_.rstrip(")]}")
        line = text.count("\n", 0, field.start()) if at < _MOST else 0
        for name in field["names"].split():
            yield Member(name, "field", binders, type_, line)


def _constructors(text: str) -> Iterator[Member]:
    found = list(_CONSTRUCTOR.finditer(text))[:_MOST]
    for constructor, rest in _with_rest(text, found):
        binders, colon, type_ = _split_colon(rest)
        line = text.count("\n", 0, constructor.start("name"))
        yield Member(constructor["name"], "constructor", binders, type_ if colon else "", line)


def _with_rest(text: str, found: list[re.Match[str]]) -> Iterator[tuple[re.Match[str], str]]:
    """Each member's beginning, and on one line what stands between it and the next."""
    ends = [*(member.start() for member in found[1:]), len(text)]
    for member, end in zip(found, ends, strict=False):
        yield member, " ".join(text[member.end() : min(end, member.end() + _LONGEST_TYPE)].split())


def _split_colon(text: str) -> tuple[str, str, str]:
    """What stands before and behind the first colon outside of brackets."""
    depth = 0
    for mark in _MARK.finditer(text):
        if mark[0] == ":":
            if depth <= 0:
                return text[: mark.start()].strip(), ":", text[mark.end() :].strip()
        else:
            depth += 1 if mark[0] in "([{⦃⟨" else -1
    return text.strip(), "", ""
