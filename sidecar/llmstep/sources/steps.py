"""Tactics with marks that tell where they fit, and how they are told elsewhere.

A step from another proof that mentions ``hf`` is of use only where there is an ``hf``, or something
that plays its role. In the stored text each such name stands between two ``LOCAL`` characters, with
its role (see `features`) where that is known, ``|`` and ``:`` here:
``exact |hf:0c51fe|.mul bar``. A name that was written short inside its namespace stands in full,
with ``OPENED`` where the written part begins, ``~`` here: ``rw [Set.~inter_comm]``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING

import attrs

from llmstep.lean_text.late_pattern import late_pattern
from llmstep.lean_text.lexer import WORD_PATTERN
from llmstep.lean_text.vocabulary import NEED_ARGUMENT, OPEN_WORDS, symbols

if TYPE_CHECKING:
    from llmstep.lean_text.scope import NameScope

LOCAL = "\x1f"
ROLE = "\x1e"
OPENED = "\x1d"
_MARKED = late_pattern(f"{LOCAL}([^{LOCAL}{ROLE}]*){ROLE}?([^{LOCAL}]*){LOCAL}")
_WORD = late_pattern(rf"(?<![\w.'✝]){WORD_PATTERN}✝?")
_SHORTENED = late_pattern(rf"({WORD_PATTERN})\.{OPENED}({WORD_PATTERN})")
# A word that is no local name: what is marked stands behind a mark.
_UNMARKED_WORD = late_pattern(rf"(?<![\w.'✝{LOCAL}{ROLE}]){WORD_PATTERN}")
# Shorter words without a dot or an underscore are variables and hypotheses as a rule.
_SHORTEST = 5
# Behind one of these, and at the beginning, stands the name of a tactic.
_TACTIC_FOLLOWS = (";", "<;>", "=>", "·", "by")
# Words of tactics, and core names that hardly ever mean one in a namespace.
_NOT_COMPLETED = OPEN_WORDS | NEED_ARGUMENT
_NOT_COMPLETED |= symbols(
    """
    only simp simpa ext intro rfl symm trans assumption id this congr funext propext trivial
    """
)

# Names that a proof gives to its hypotheses are short; those of theorems are long or dotted.
_SHORT_NAME = late_pattern(r"(?:h[a-zA-Z]?|ih|[a-zA-Zα-ω])[₀-₉0-9]*'*")
_INTRODUCERS = symbols(
    """
    intro intros rintro obtain rcases cases induction fun have let set ext by_cases by_contra next
    case rename_i choose
    """
)


@attrs.frozen
class ProofStep:
    """A step of a proof with the printed goal it was taken on.

    The full name of what is proved is empty if it is not known.
    """

    goal: str
    tactic: str
    declaration: str = ""


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


def mark_namespaces(step: str, declaration: str, known: Collection[str]) -> str:
    """Complete the names that a step writes short because it stands inside their namespace.

    The step's local names are marked; the declaration is what it helps to prove, by its full name.
    """
    inside = declaration.split(".")[:-1]

    def mark(word: str) -> str:
        # Where there is one of that name in no namespace, the other is protected as a rule.
        if word not in known:
            for depth in range(len(inside), 0, -1):
                namespace = ".".join(inside[:depth])
                if f"{namespace}.{word}" in known:
                    return f"{namespace}.{OPENED}{word}"
        return word

    return map_lemmas(step, mark)


@attrs.frozen
class Surroundings:
    """What can be named where a question stands: local names, and what the file says of names.

    `roles` and `names` turn local names into their roles and back; the scope is ``None`` where
    there is no file; `knows` tells whether there is a declaration of a full name.
    """

    roles: Mapping[str, str]
    names: Mapping[str, str]
    scope: NameScope | None
    knows: Callable[[str], bool]

    @classmethod
    def of(
        cls,
        roles: Mapping[str, str],
        scope: NameScope | None = None,
        knows: Callable[[str], bool] = lambda _: False,
    ) -> Surroundings:
        """From the role of each name; one that Lean has made inaccessible cannot be written."""
        roles = {name: role for name, role in roles.items() if "✝" not in name}
        return cls(roles, {role: name for name, role in roles.items()}, scope, knows)

    def adapt(self, marked: str) -> str | None:
        """A step told with what can be named here, or ``None`` if it does not fit.

        A local name stays where it plays the same role here; else its role's name here takes its
        place; else it stays if there is one of that name.
        """
        if LOCAL not in marked:
            return self._shorten_all(marked)
        chosen: dict[str, str] = {}
        for name, role in _MARKED.findall(marked):
            here = name if role and self.roles.get(name) == role else self.names.get(role, name)
            if here not in self.roles:
                return None
            chosen[name] = here
        if len(set(chosen.values())) < len(chosen):
            return None  # two things there would be one here
        return self._shorten_all(_MARKED.sub(lambda match: chosen[match[1]], marked))

    def _shorten_all(self, told: str) -> str:
        if OPENED not in told:
            return told
        return _SHORTENED.sub(lambda match: self.shorten(match[1], match[2]), told)

    def shorten(self, namespace: str, written: str) -> str:
        """A name that was written short inside its namespace, as it is written here.

        It stays as it was where an open namespace, its own or a kindred one, has such a name, and
        where there is no file to say what is open. Else as much of the namespace is added as it
        takes.
        """
        if self.scope is None or written in self.scope.declared:
            return written
        opened = self.scope.opened
        if any(self.knows(f"{outer}.{written}") for outer in opened):
            return written
        outer, inner = namespace, ""
        while outer and outer not in opened:
            outer, _, last = outer.rpartition(".")
            inner = f"{last}.{inner}"
        return inner + written


def short_names(marked: str) -> Iterator[tuple[str, str]]:
    """The names that a step was written with short: each its namespace and the written part."""
    if OPENED in marked:
        yield from _SHORTENED.findall(marked)


@functools.lru_cache(maxsize=4096)
def lemma_names(marked: str) -> frozenset[str]:
    """The words of a step that may name lemmas, in full where it is known how they go on."""
    step = marked.replace(OPENED, "")
    matches = _UNMARKED_WORD.finditer(step)
    return frozenset(match[0] for match in matches if _may_name_lemma(step, match))


def unmarked_names(marked: str) -> list[str]:
    """The words of a text of steps that may name something and are not marked, in full."""
    found = _UNMARKED_WORD.findall(marked.replace(OPENED, ""))
    return [word for word in found if len(word) >= _SHORTEST or "_" in word or "." in word]


def endings(name: str) -> Iterator[str]:
    """A full name, and what is left of it where the first of its namespaces are open."""
    while name:
        yield name
        name = name.partition(".")[2]


def plain(marked: str) -> str:
    """The step as it was written."""
    return _SHORTENED.sub(r"\2", _MARKED.sub(r"\1", marked))


def map_lemmas(step: str, change: Callable[[str], str]) -> str:
    """A step with each word changed that may be the name of a lemma, and is not marked as local."""

    def replace(match: re.Match[str]) -> str:
        return change(match[0]) if _may_name_lemma(step, match) else match[0]

    return _UNMARKED_WORD.sub(replace, step)


def _may_name_lemma(step: str, match: re.Match[str]) -> bool:
    before = step[: match.start()].rsplit(None, 1)
    is_tactic = not before or before[-1] in _TACTIC_FOLLOWS
    return not is_tactic and match[0] not in _NOT_COMPLETED


def words(text: str) -> list[str]:
    """The identifiers of a text, dotted ones whole, in order."""
    return _WORD.findall(text)
