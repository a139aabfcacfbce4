"""States under construction, and the names and types that families draw from."""

from __future__ import annotations

import random
from collections.abc import Callable

import attrs

NAMES = ("h", "h₀", "h₁", "h₂", "h₃", "h1", "h2", "h3", "H", "h'", "hyp", "key")
LETTERS = tuple("abcdmnkxyzstuvw")
TYPES = ("α", "β", "X", "A", "T")
TAGS = ("h", "inl", "inr", "left", "right", "mp", "mpr", "intro", "succ", "zero", "a", "pos")
PREDICATES = ("P", "Q", "R", "S", "p", "q", "r")


@attrs.frozen
class GoalDraft:
    """A tactic state under construction.

    ``case`` is its case tag, empty for none; where a family does not know it, one is drawn.
    """

    hypotheses: tuple[tuple[str, str], ...]
    target: str
    case: str | None = None

    def render(self, rng: random.Random) -> str:
        """The state in Lean's layout; neighbours of one type share a line, as Lean prints them."""
        lines: list[tuple[str, str]] = []
        for name, type_ in self.hypotheses:
            if lines and lines[-1][1] == type_:
                lines[-1] = (f"{lines[-1][0]} {name}", type_)
            else:
                lines.append((name, type_))
        case = self.case
        if case is None:
            case = rng.choice(TAGS) if rng.random() < 0.08 else ""
        tag = f"case {case}\n" if case else ""
        return tag + "".join(f"{n} : {t}\n" for n, t in lines) + f"⊢ {self.target}"


def draw_letters(rng: random.Random, count: int) -> list[str]:
    """Distinct variable names."""
    return rng.sample(LETTERS, count)


def draw_names(rng: random.Random, count: int) -> list[str]:
    """Distinct hypothesis names."""
    return rng.sample(NAMES, count)


def draw_natural(rng: random.Random) -> str:
    """One of the two spellings of the natural numbers."""
    return rng.choice(("ℕ", "Nat"))


def draw_integer_like(rng: random.Random) -> str:
    """A type that `omega` knows."""
    return rng.choice(("ℕ", "Nat", "ℤ", "Int", "ℕ", "Nat"))


def draw_field(rng: random.Random) -> str:
    """An ordered field."""
    return rng.choice(("ℝ", "ℝ", "ℝ", "ℚ"))


def draw_universe(rng: random.Random) -> str:
    """A type universe."""
    return rng.choice(("Type", "Type u_1", "Type u", "Type*", "Type u_2"))


def declare(names: list[str], type_: str) -> tuple[tuple[str, str], ...]:
    """Hypotheses that declare the names, all of one type."""
    return tuple((name, type_) for name in names)


Case = tuple[GoalDraft, list[str]]
"""A goal and the tactics that are right for it."""
Family = Callable[[random.Random], Case]
"""Draws one case of a kind."""
