"""Several libraries as one: the shipped index, the packages on disk, the user's own project.

Steps come from all of them. Lemmas come from the packages that are on disk, at the revision that
the user has; the shipped index states what none of them does. Of a library whose imports are known
only what the file at hand reaches is told; `projects` finds out which that is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import attrs

from llmstep.lean_text.statements import Statement
from llmstep.sources.library_index import LibraryIndex, Neighbour
from llmstep.sources.module_reach import Graph, Reach, first_component
from llmstep.sources.premises import PremiseTable, merge
from llmstep.sources.ranking import Origin
from llmstep.sources.statement_features import Query

# What is nearer to the user: a step of the project counts as one of a goal this much more alike.
_OWN_STEP = 1.1

Reaches = Callable[[str], bool]


@attrs.frozen(eq=False)
class Library:
    """An opened index of a project or package, with what its modules import.

    `project` says whether these are the user's own files, `stamp` tells one state of the index from
    another, and `made_ns` is when it was made, in nanoseconds.
    """

    name: str
    index: LibraryIndex
    modules: Graph
    project: bool
    stamp: str
    made_ns: int = 0
    roots: frozenset[str] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "roots", frozenset(map(first_component, self.modules)))


@attrs.frozen(eq=False)
class AtHand:
    """What one document can use.

    Attributes:
        libraries: Indexes, the project's own first.
        reaches: Whether a module is imported, directly or not; ``None`` where nothing is known.
        edited: What imported files state that no index has as they are now: they are open in the
            same editor, or were not read yet by the indexing process.
        version: Changes with all of this; part of what an answer depends on.
        missing: What cannot be used yet, in words.
    """

    libraries: tuple[Library, ...] = ()
    reaches: Reach | None = None
    edited: tuple[Statement, ...] = ()
    version: str = ""
    missing: tuple[str, ...] = ()


NOTHING = AtHand()


@attrs.frozen
class _Others:
    """Whether the shipped index is the one to tell of a module.

    It is where no package on disk has one with that first component, and the module can be used.
    """

    roots: frozenset[str]
    reaches: Reaches | None = None

    def __call__(self, module: str) -> bool:
        if first_component(module) in self.roots:
            return False
        return self.reaches is None or self.reaches(module)


class Libraries:
    """What a file can use of the shipped index, if there is one, of its project and its packages.

    It is asked like one `LibraryIndex`.
    """

    def __init__(self, shipped: LibraryIndex | None, at_hand: AtHand) -> None:
        self._shipped = shipped
        self._libraries = at_hand.libraries
        self._packages = [library for library in at_hand.libraries if not library.project]
        self._reaches: Reaches = at_hand.reaches or Reach()
        # The shipped index holds some of what a package states at another revision.
        self._roots = frozenset(root for library in self._packages for root in library.roots)

    def __len__(self) -> int:
        return sum(len(index) for index in self._indexes())

    def weigh(self, features: Collection[str]) -> Mapping[str, float]:
        """The squared weight of (at least) each feature, in the largest library."""
        indexes = list(self._indexes())
        if not indexes:
            return dict.fromkeys(features, 1.0)
        return max(indexes, key=len).weigh(features)

    def common_names(self) -> list[str]:
        """The names that the largest library's steps hold more than once, sorted."""
        return max(self._indexes(), key=len).common_names() if len(self) else []

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
        return found if found is not None and _Others(self._roots)(found.module) else None

    def module_of(self, name: str) -> str | None:
        """The module of the statement of this full name, if any library has one."""
        for index in (*(library.index for library in self._libraries), self._shipped):
            if index is not None and (module := index.module_of(name)) is not None:
                return module
        return None

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
        self, query: Query, count: int, reaches: Reaches | None = None
    ) -> list[tuple[Statement, float]]:
        """The ``count`` statements of packages that most likely help, the likeliest first.

        Of the shipped index only what `reaches` lets pass is told, if that is given.
        """
        rankings = [
            (index.statement_count, index.premises(query, count, self._reaches))
            for index in (library.index for library in self._packages)
        ]
        if (shipped := self._shipped) is not None:
            usable = _Others(self._roots, reaches) if self._roots else reaches
            ranked = shipped.premises(query, count, usable)
            rankings.append((shipped.statement_count, ranked))
        return merge(rankings, count)

    def shelves(self, reaches: Reaches | None) -> Iterator[tuple[LibraryIndex, Origin, Reaches]]:
        """Each index with whose it is, and which of its modules can be used.

        Of the shipped one it is what `reaches` lets pass, if that is given.
        """
        for library in self._libraries:
            yield library.index, "project" if library.project else "library", self._reaches
        if self._shipped is not None:
            yield self._shipped, "library", _Others(self._roots, reaches)

    def _indexes(self) -> Iterable[LibraryIndex]:
        if self._shipped is not None:
            yield self._shipped
        for library in self._libraries:
            yield library.index


class ProjectTable:
    """What the user's other files state, indexed or edited, as far as the file imports them."""

    def __init__(self, at_hand: AtHand) -> None:
        self._own: Sequence[Library] = [lib for lib in at_hand.libraries if lib.project]
        self._reaches = at_hand.reaches
        self._edited = PremiseTable(at_hand.edited)

    def rank(self, query: Query, count: int) -> list[tuple[Statement, float]]:
        """The ``count`` statements that most likely help, the likeliest first, with scores."""
        # What is edited is of the project: it counts as if it stood in its index.
        size = len(self._edited) + sum(library.index.statement_count for library in self._own)
        rankings = [(size, self._edited.rank(query, count))]
        for library in self._own:
            rankings.append((size, library.index.premises(query, count, self._reaches)))
        return merge(rankings, count)

    def find_statement(self, name: str) -> Statement | None:
        """The statement of this full name, if the file can use one."""
        found = self._edited.find_statement(name)
        for library in self._own if found is None else ():
            found = found or library.index.find_statement(name)
        usable = found is not None and (self._reaches is None or self._reaches(found.module))
        return found if usable else None


AnyLibrary = LibraryIndex | Libraries


class NameReach:
    """Whether a file can name what libraries declare.

    Args:
        index: The libraries, or ``None`` to do without.
        imported: What the file's imports reach; ``None`` where that is not known.
        core_only: Whether it is known that they reach nothing of Mathlib.
        own: Whether a name is one of the file or the goal.
    """

    def __init__(
        self,
        index: AnyLibrary | None,
        imported: Reaches | None,
        core_only: bool,
        own: Callable[[str], bool],
    ) -> None:
        self._index = index if imported is not None else None
        self._imported = imported or Reach()
        self._core_only = core_only
        self._own = own
        self._known: dict[str, bool] = {}

    def __call__(self, name: str) -> bool:
        """Whether no library says that this is a name of what the file does not import."""
        if self._index is None:
            return True
        if (known := self._known.get(name)) is None:
            known = self._known[name] = self._own(name) or self._is_imported(name, self._index)
        return known

    def _is_imported(self, name: str, index: AnyLibrary) -> bool:
        if (module := index.module_of(name)) is not None:
            return self._imported(module)
        # Of some declarations of Mathlib the index has no more than the name.
        return not (self._core_only and index.has_name(name))
