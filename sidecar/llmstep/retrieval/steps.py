"""Tactics with the names of their local hypotheses marked, so that one can tell where they fit.

A step from another proof that mentions ``hf`` is of use only where there is an ``hf``. In the
stored text each such name stands between two ``LOCAL`` characters, ``|`` here:
``exact |hf|.mul continuous_id``.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from llmstep.prompts.lexer import WORD_PATTERN

LOCAL = "\x1f"
_MARKED = re.compile(f"{LOCAL}([^{LOCAL}]*){LOCAL}")
_WORD = re.compile(rf"(?<![\w.'✝]){WORD_PATTERN}✝?")

# Names that a proof gives to its hypotheses are short; those of theorems are long or dotted.
_SHORT_NAME = re.compile(r"(?:h[a-zA-Z]?|ih|[a-zA-Zα-ω])[₀-₉0-9]*'*")
_INTRODUCERS = frozenset(
    (
        *("intro", "intros", "rintro", "obtain", "rcases", "cases", "induction", "fun", "have"),
        *("let", "set", "ext", "by_cases", "by_contra", "next", "case", "rename_i", "choose"),
    )
)


def mark_locals(tactic: str, names: Collection[str]) -> str:
    """Mark every word that is one of the names, or begins with one and a dot."""

    def mark(match: re.Match[str]) -> str:
        base, dot, rest = match[0].partition(".")
        return f"{LOCAL}{base}{LOCAL}{dot}{rest}" if base in names else match[0]

    return _WORD.sub(mark, tactic)


def mark_step(step: str, names: Collection[str]) -> str:
    """Mark the names that a step takes from its proof, and not those that it introduces.

    Args:
        step: A tactic.
        names: Names known to be local there. Short names count too, wherever they come from.
    """
    head = step.split(None, 1)[0] if step.strip() else ""
    if head in _INTRODUCERS or "fun " in step or "λ" in step:
        return mark_locals(step, names)
    bases = {word.partition(".")[0] for word in words(step)}
    return mark_locals(step, bases & set(names) | set(filter(_SHORT_NAME.fullmatch, bases)))


def fits(marked: str, names: Collection[str]) -> bool:
    """Whether all names marked in a step are among the given ones."""
    return all(name in names for name in _MARKED.findall(marked))


def plain(marked: str) -> str:
    """The step without its marks."""
    return marked.replace(LOCAL, "")


def words(text: str) -> list[str]:
    """The identifiers of a text, dotted ones whole, in order."""
    return _WORD.findall(text)
