"""Several libraries as one: the shipped index, the packages on disk, the user's own project.

Steps come from all of them. Lemmas come from the packages that are on disk, at the revision that
the user has; the shipped index states what none of them does. Of a library whose imports are known
only what the file at hand reaches is told.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import attrs

from llmstep.lean_text.declarations import Statement
from llmstep.prompts.goal import Goal
from llmstep.sources.library_index import LibraryIndex
from llmstep.sources.premises import PremiseTable
from llmstep.sources.projects import AtHand, Library

if TYPE_CHECKING:
    from llmstep.sources.library_index import Neighbour

# What is nearer to the user: a step of the project counts as one of a goal this much more alike.
_OWN_STEP = 1.1

Reaches = Callable[[str], bool]


class Libraries:
    """What a file can use of several libraries, asked like one `LibraryIndex`.

    Args:
        shipped: The index of the setting ``library``, or ``None`` to do without.
        at_hand: The project's index and those of its packages.
    """

    def __init__(self, shipped: LibraryIndex | None, at_hand: AtHand) -> None:
        self._shipped = shipped
        self._libraries = at_hand.libraries
        self._packages = [library for library in at_hand.libraries if not library.project]
        self._reaches: Reaches = at_hand.reaches or (lambda _: True)
        # The shipped index holds some of what a package states at another revision.
        self._roots = {
            module.partition(".")[0] for library in self._packages for module in library.modules
        }

    def __len__(self) -> int:
        return sum(len(index) for index in self._indexes())

    def weigh(self, features: Collection[str]) -> Mapping[str, float]:
        """The squared weight of (at least) each feature, in the largest library."""
        indexes = list(self._indexes())
        if not indexes:
            return dict.fromkeys(features, 1.0)
        return max(indexes, key=len).weigh(features)

    def knows(self, name: str) -> bool:
        """Whether the name occurs in any library."""
        return any(index.knows(name) for index in self._indexes())

    def has_name(self, name: str) -> bool:
        """Whether any library declares something of this full name."""
        return any(index.has_name(name) for index in self._indexes())

    def uses(self, name: str) -> int:
        """How many of the libraries' steps name a statement."""
        return max((index.uses(name) for index in self._indexes()), default=0)

    def find_statement(self, name: str) -> Statement | None:
        """The statement of this full name, if the file can use one."""
        for library in self._libraries:
            found = library.index.find_statement(name)
            if found is not None and self._reaches(found.module):
                return found
        if self._shipped is None:
            return None
        found = self._shipped.find_statement(name)
        return found if found is not None and self._is_other(found.module) else None

    def nearest(self, features: Collection[str], count: int) -> list[Neighbour]:
        """The steps taken on the ``count`` most similar goals, the most similar first."""
        found: list[Neighbour] = []
        if self._shipped is not None:
            found += self._shipped.nearest(features, count)
        for library in self._libraries:
            worth = _OWN_STEP if library.project else 1.0
            found += (
                attrs.evolve(step, similarity=min(step.similarity * worth, 1.0))
                for step in library.index.nearest(features, count)
            )
        return sorted(found, key=lambda step: -step.similarity)[:count]

    def premises(
        self, goal: Goal, count: int, reaches: Reaches | None = None
    ) -> list[tuple[Statement, float]]:
        """The ``count`` statements of packages that most likely help, the likeliest first.

        Args:
            goal: The goal.
            count: How many.
            reaches: Whether a module of the shipped index can be used; all of them if ``None``.
        """
        found: list[tuple[Statement, float]] = []
        for library in self._packages:
            found += library.index.premises(goal, count, self._reaches)
        if self._shipped is not None:
            usable = self._is_other
            if reaches is not None:
                usable = _both(self._is_other, reaches)
            found += self._shipped.premises(goal, count, usable if self._roots else reaches)
        return sorted(found, key=lambda item: -item[1])[:count]

    def _is_other(self, module: str) -> bool:
        """Whether no package on disk is where this module comes from."""
        return module.partition(".")[0] not in self._roots

    def _indexes(self) -> Iterable[LibraryIndex]:
        if self._shipped is not None:
            yield self._shipped
        for library in self._libraries:
            yield library.index


class ProjectTable:
    """What the user's other files state, as far as the file at hand imports them.

    Args:
        at_hand: The project's index, and what is being edited.
    """

    def __init__(self, at_hand: AtHand) -> None:
        self._own: Sequence[Library] = [lib for lib in at_hand.libraries if lib.project]
        self._reaches = at_hand.reaches
        self._edited = PremiseTable(at_hand.edited)

    def rank(self, goal: Goal, count: int) -> list[tuple[Statement, float]]:
        """The ``count`` statements that most likely help, the likeliest first, with scores."""
        found = self._edited.rank(goal, count)
        for library in self._own:
            found += library.index.premises(goal, count, self._reaches)
        return sorted(found, key=lambda item: -item[1])[:count]


def _both(one: Reaches, two: Reaches) -> Reaches:
    return lambda module: one(module) and two(module)


AnyLibrary = LibraryIndex | Libraries
