"""Which modules a file can use: those that its imports reach."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import attrs

from llmstep.lean_text.vocabulary import symbols

if TYPE_CHECKING:
    from llmstep.lean_text.imports import Header

# What each module imports; in front of one that it does not pass on to whoever imports it (as a
# module file does with what is not `public`) stands a mark.
Graph = Mapping[str, Sequence[str]]
HIDDEN = "-"

# First components of packages that import nothing of Mathlib.
_WITHOUT_MATHLIB = symbols(
    """
    Init Std Lean Lake LLMstep Batteries Aesop Qq ProofWidgets ImportGraph LeanSearchClient
    Plausible Cli
    """
)


@attrs.frozen
class Reach:
    """What a file's imports reach; called with the name of a module it says whether they do.

    Attributes:
        modules: The modules that are reached, as far as is known.
        roots: First components of the modules whose imports are known.
        whole: Whether that is all: no import leads to what nobody has read yet.
    """

    modules: frozenset[str] = frozenset()
    roots: frozenset[str] = frozenset()
    whole: bool = False

    def __call__(self, module: str) -> bool:
        """Whether the file can use what this module states; of one that is not known it may."""
        if module in self.modules:
            return True
        return not self.whole and first_component(module) not in self.roots

    @property
    def without_mathlib(self) -> bool:
        """Whether it is known that Mathlib is out of reach."""
        return self.whole and not any(first_component(m) == "Mathlib" for m in self.modules)

    def without(self, modules: frozenset[str]) -> Reach:
        """The same without some modules."""
        return attrs.evolve(self, modules=self.modules - modules) if modules else self


def first_component(module: str) -> str:
    """The name of a library: what the names of its modules begin with."""
    return module.partition(".")[0]


def marked_imports(header: Header) -> tuple[str, ...]:
    """A file's imports as a `Graph` has them."""
    return tuple(HIDDEN + m if m in header.hidden else m for m in header.modules)


def find_reach(header: Header, graphs: Iterable[Graph]) -> Reach:
    """What the imports of a file reach, as far as the graphs tell.

    A file that is no module itself gets all that is imported anywhere; a module only what is passed
    on, and one step more behind ``import all``.
    """
    known = list(graphs)
    reached = set(header.modules)
    todo = [(module, module in header.whole) for module in header.modules]
    whole = bool(header.modules)
    while todo:
        module, with_hidden = todo.pop()
        found = [graph[module] for graph in known if module in graph]
        if not found and first_component(module) not in _WITHOUT_MATHLIB:
            whole = False
        for imported in (name for imports in found for name in imports):
            if imported.startswith(HIDDEN):
                if header.is_module and not with_hidden:
                    continue
                imported = imported.removeprefix(HIDDEN)
            if imported not in reached:
                reached.add(imported)
                todo.append((imported, False))
    roots = {first_component(module) for graph in known for module in graph}
    return Reach(frozenset(reached), frozenset(roots), whole)
