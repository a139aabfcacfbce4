"""Fields of a structure and constructors of an inductive type."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from llmstep.lean_text.heads import drop_comments, explicit_names, split_groups
from llmstep.lean_text.late_pattern import late_pattern
from llmstep.lean_text.lexer import WORD_PATTERN
from llmstep.lean_text.statements import Statement

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


# A field or constructor: its name without that of its type, its binders, its type (empty for a
# constructor that leaves it out), and its line, counted from the keyword of the type it belongs to.
_Member = tuple[str, str, str, int]


def read_members(owner: Statement, keyword: str, opener: str, body: str) -> Iterator[Statement]:
    """The fields or constructors of a type, each as a statement of its own.

    The body is the text from ``where``, ``:=`` or the first ``|`` on, which `opener` tells.
    """
    text = drop_comments(body[len(opener) :] if opener != "|" else body)
    if ended := _DERIVING.search(text):
        text = text[: ended.start()]
    if opener == "|" or keyword in ("inductive", "coinductive"):
        kind, members, given = "constructor", _constructors(text), owner.binders
    else:
        maker = _MAKER.match(text)
        kind, members = "field", _fields(text[maker.end() :] if maker else text)
        given = _given_to_fields(owner, keyword)
    for name, binders, type_, line in itertools.islice(members, _MOST):
        yield Statement(
            f"{owner.name}.{name}",
            kind,
            f"{given} {binders}".strip() if binders else given,
            type_ or owner.name,
            line=owner.line + line,
            private=owner.private,
        )


def _given_to_fields(owner: Statement, keyword: str) -> str:
    """What the projection of a field takes: the type's parameters are implicit."""
    groups = split_groups(owner.binders)
    given = " ".join(f"{{{g.text[1:-1]}}}" if g.text[0] == "(" else g.text for g in groups)
    applied = f"{owner.name} {explicit_names(groups)}".rstrip()
    own = f"[self : {applied}]" if keyword == "class" else f"(self : {applied})"
    return f"{given} {own}".lstrip()


def _fields(text: str) -> Iterator[_Member]:
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
            yield name, binders, type_, line


def _constructors(text: str) -> Iterator[_Member]:
    found = list(_CONSTRUCTOR.finditer(text))[:_MOST]
    for constructor, rest in _with_rest(text, found):
        binders, colon, type_ = _split_colon(rest)
        line = text.count("\n", 0, constructor.start("name"))
        yield constructor["name"], binders, type_ if colon else "", line


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
