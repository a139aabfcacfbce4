"""Regular expressions that are compiled when they are first used.

What counts as a letter in a Lean name makes a pattern take milliseconds to compile: all of them
together would be a fifth of the time in which an engine starts, and one question needs few.
"""

from __future__ import annotations

import re
from typing import Any, cast


class _LatePattern:
    """Stands for a pattern, and takes each of its methods over when it is first called for."""

    def __init__(self, pattern: str, flags: int) -> None:
        self._source = pattern, flags

    def __getattr__(self, name: str) -> Any:
        # `re` keeps what it has compiled; from now on the attribute is an ordinary one.
        value = getattr(re.compile(*self._source), name)
        setattr(self, name, value)
        return value


def late_pattern(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """As `re.compile`, but a mistake in the pattern is told by its first use."""
    return cast("re.Pattern[str]", _LatePattern(pattern, flags))
