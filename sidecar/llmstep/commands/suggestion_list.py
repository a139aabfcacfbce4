"""Suggestions in the terminal: the same columns wherever they are shown."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from llmstep.sources.ranking import Suggestion

# Nats. Of 1,440 suggestions for 60 elementary goals that were run in Lean, 24 a goal, the
# unlikeliest that ran lay above it (`python tests/bench/bench_lean.py --scores`).
LOWEST_SHOWN = -8.0
ORIGIN_WIDTH = len("model+library+portfolio")
LEGEND = (
    "score: log of the estimated probability, nearer to 0 is likelier; behind it, where the step\n"
    "comes from: the model, similar goals of Mathlib (library), the file's own proofs, closers by\n"
    "the goal's shape (portfolio)."
)
NOT_CHECKED = (
    "Not checked by Lean: inside Lean each guess is run, and only those that work are shown,\n"
    "closing ones first."
)


def worth_showing(suggestions: Sequence[Suggestion]) -> list[Suggestion]:
    """Without those that hardly ever run; the best one is always among them."""
    return [
        suggestion
        for rank, suggestion in enumerate(suggestions)
        if rank == 0 or suggestion.score >= LOWEST_SHOWN
    ]


def format_suggestion(suggestion: Suggestion, width: int | None = None) -> str:
    """One suggestion as the columns score, origin, tactic, which is the last as it may be long.

    With a width the tactic's first line alone is shown, cut to so many characters.
    """
    columns = f"{suggestion.score:8.3f}  {'+'.join(suggestion.origin):{ORIGIN_WIDTH}}  "
    first, *rest = suggestion.tactic.splitlines()
    if width is not None:
        shown = first if len(first) <= width else first[: width - 1] + "…"
        return f"{columns}{shown}{' …' if rest else ''}"
    return f"\n{' ' * len(columns)}".join([columns + first, *rest])


def show_legend() -> None:
    """Say under a list what its columns are; to people, who are at a terminal."""
    click.echo(NOT_CHECKED, err=not sys.stdout.isatty())
