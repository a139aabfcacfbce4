"""Tactics with the names of their local hypotheses marked, so that one can tell where they fit.

A step from another proof that mentions ``hf`` is of use only where there is an ``hf``, or something
that plays its role. In the stored text each such name stands between two ``LOCAL`` characters, with
its role (see `roles`) where that is known, ``|`` and ``:`` here: ``exact |hf:0c51fe|.mul bar``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from llmstep.prompts.lexer import WORD_PATTERN

LOCAL = "\x1f"
ROLE = "\x1e"
_MARKED = re.compile(f"{LOCAL}([^{LOCAL}{ROLE}]*){ROLE}?([^{LOCAL}]*){LOCAL}")
_WORD = re.compile(rf"(?<![\w.'✝]){WORD_PATTERN}✝?")

# Names that a proof gives to its hypotheses are short; those of theorems are long or dotted.
_SHORT_NAME = re.compile(r"(?:h[a-zA-Z]?|ih|[a-zA-Zα-ω])[₀-₉0-9]*'*")
_INTRODUCERS = frozenset(
    (
        *("intro", "intros", "rintro", "obtain", "rcases", "cases", "induction", "fun", "have"),
        *("let", "set", "ext", "by_cases", "by_contra", "next", "case", "rename_i", "choose"),
    )
)


def mark_step(step: str, roles: Mapping[str, str]) -> str:
    """Mark the names that a step takes from its proof, and not those that it introduces.

    Args:
        step: A tactic.
        roles: Names known to be local there, each with its role, or an empty text where that is
            not known. Short names are marked too, wherever they come from.
    """
    head = step.split(None, 1)[0] if step.strip() else ""
    introduces = head in _INTRODUCERS or "fun " in step or "λ" in step

    def mark(match: re.Match[str]) -> str:
        base, dot, rest = match[0].partition(".")
        if base not in roles and (introduces or not _SHORT_NAME.fullmatch(base)):
            return match[0]
        role = roles.get(base)
        return f"{LOCAL}{base}{ROLE + role if role else ''}{LOCAL}{dot}{rest}"

    return _WORD.sub(mark, step)


@attrs.frozen
class Locals:
    """The local names of a goal, by name and by role."""

    roles: Mapping[str, str]
    names: Mapping[str, str]

    @classmethod
    def of(cls, roles: Mapping[str, str]) -> Locals:
        """From the role of each name; one that Lean has made inaccessible cannot be written."""
        roles = {name: role for name, role in roles.items() if "✝" not in name}
        return cls(roles, {role: name for name, role in roles.items()})

    def __contains__(self, name: object) -> bool:
        return name in self.roles

    def adapt(self, marked: str) -> str | None:
        """A step told with the names of this goal, or ``None`` if it does not fit.

        A name stays where it plays the same role here; else its role's name here takes its place;
        else it stays if there is one of that name.
        """
        chosen: dict[str, str] = {}
        for name, role in _MARKED.findall(marked):
            here = name if role and self.roles.get(name) == role else self.names.get(role, name)
            if here not in self.roles:
                return None
            chosen[name] = here
        if len(set(chosen.values())) < len(chosen):
            return None  # two things there would be one here
        return _MARKED.sub(lambda match: chosen[match[1]], marked)


def plain(marked: str) -> str:
    """The step with the names it was taken with."""
    return _MARKED.sub(lambda match: match[1], marked)


def words(text: str) -> list[str]:
    """The identifiers of a text, dotted ones whole, in order."""
    return _WORD.findall(text)
