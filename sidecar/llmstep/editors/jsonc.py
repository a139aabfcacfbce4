"""JSON with comments: keys put into an object, and taken out, with every other byte kept."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

MARK = "// llmstep setup"

_STRING_OR_COMMENT = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TRAILING_COMMA = re.compile(r",(?=\s*[}\]])")


class UnreadableError(ValueError):
    """The text is no object in JSON with comments."""


def read_object(text: str) -> dict[str, Any]:
    """The object of a text; trailing commas are taken, as editors take them.

    Raises:
        UnreadableError: It is something else.
    """
    try:
        value = json.loads(_TRAILING_COMMA.sub("", _blank_comments(text)))
    except ValueError as error:
        raise UnreadableError(str(error)) from error
    if not isinstance(value, dict):
        raise UnreadableError("it holds no object")
    return value


def add_keys(text: str, values: Mapping[str, Any]) -> str:
    """Put the keys that the object lacks at its beginning, one a line, each marked.

    Args:
        text: An object, or nothing at all.
        values: Keys and values; a key that is there already stays as it is.

    Raises:
        UnreadableError: The text is something else.
    """
    if not text.strip():
        text = "{\n}\n"
    present = read_object(text)
    missing = {key: value for key, value in values.items() if key not in present}
    if not missing:
        return text
    opened = _blank_comments(text).index("{") + 1
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in missing.items()]
    marked = [f"{line}, {MARK}" for line in lines]
    if not present:
        marked[-1] = f"{lines[-1]} {MARK}"
    end = "" if text[opened:].startswith(("\n", "\r\n")) else "\n"
    return text[:opened] + "\n" + "\n".join(marked) + end + text[opened:]


def remove_marked(text: str) -> str:
    """Take out the lines that `add_keys` put in."""
    kept = [line for line in text.splitlines(keepends=True) if not line.rstrip().endswith(MARK)]
    return "".join(kept)


def _blank_comments(text: str) -> str:
    """Comments as blanks of the same length; strings that look like one stay."""
    return _STRING_OR_COMMENT.sub(
        lambda found: found[0] if found[0].startswith('"') else " " * len(found[0]), text
    )
