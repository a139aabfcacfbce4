"""JSON with comments, as VS Code reads its settings: no trailing commas, no doubled keys."""

from __future__ import annotations

import json
import re
from typing import Any

_STRING_OR_COMMENT = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)


def strip_comments(text: str) -> str:
    """Blank out comments; strings that look like one are kept."""
    return _STRING_OR_COMMENT.sub(lambda m: m[0] if m[0].startswith('"') else " ", text)


def parse(text: str) -> Any:
    """Parse; raises ``ValueError`` for what VS Code would underline."""
    return json.loads(strip_comments(text), object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(keys) != len(set(keys)):
        raise ValueError(f"doubled key among {keys}")
    return dict(pairs)
