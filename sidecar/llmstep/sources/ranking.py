"""Suggestions in order: likeliest first, no doubles."""

from __future__ import annotations

import functools
import math
from typing import Literal

import attrs

from llmstep.lean_text.lexer import scan_tokens

# Where a tactic comes from: the model; the library, the user's project or the same file, by a
# similar goal or by a lemma stated there; the goal's own hypotheses; the portfolio of closers.
Origin = Literal[
    "model",
    "library",
    "project",
    "file",
    "goal",
    "portfolio",
]


@attrs.frozen
class Suggestion:
    """One tactic to offer.

    Attributes:
        tactic: Its text; it starts with the request's prefix.
        score: Nats, at most 0. Where sources besides the model are in use, the log of the estimated
            probability that this is the author's step; else the model's mean log-probability per
            generated token.
        origin: The sources that proposed it.
    """

    tactic: str
    score: float
    origin: tuple[Origin, ...] = ("model",)


@functools.lru_cache(maxsize=4096)
def normal_form(tactic: str) -> str:
    """A key that is equal for tactics that differ only in blanks and comments.

    Line breaks and indentation outside brackets count: in Lean they can change what a block holds.
    """
    words: list[str] = []
    depth, at_line_start, indent = 0, True, ""
    for token in scan_tokens(tactic):
        if token.kind == "newline":
            at_line_start, indent = True, ""
        elif token.kind == "space":
            indent = token.text
        elif token.kind != "comment":
            if at_line_start and not depth and words:
                words.append("\n" + indent)
            at_line_start = False
            words.append(token.text)
            depth += (token.kind == "open") - (token.kind == "close" and depth > 0)
    return "\0".join(words)


class Ranking:
    """Collects suggestions, from one prompt or several, as they arrive.

    Of doubles (see :func:`normal_form`) the likelier stays. A score that is no finite number is
    refused: it could neither be ordered nor travel as JSON.
    """

    def __init__(self) -> None:
        self._best: dict[str, Suggestion] = {}

    def __len__(self) -> int:
        return len(self._best)

    def __contains__(self, key: str) -> bool:
        """Whether it holds a tactic of this normal form."""
        return key in self._best

    def add(self, suggestion: Suggestion) -> bool:
        """Take a suggestion in; tells whether its tactic is a new one."""
        if not math.isfinite(suggestion.score):
            return False
        key = normal_form(suggestion.tactic)
        other = self._best.get(key)
        if other is None or _order(suggestion) < _order(other):
            self._best[key] = suggestion
        return other is None

    def top(self, n: int | None = None) -> tuple[Suggestion, ...]:
        """The ``n`` best (all if ``None``): by score, ties by shorter text, then by text."""
        return tuple(sorted(self._best.values(), key=_order)[:n])


def _order(suggestion: Suggestion) -> tuple[float, int, str]:
    return (-suggestion.score, len(suggestion.tactic), suggestion.tactic)
