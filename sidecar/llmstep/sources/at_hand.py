"""What one document can use of its project and of the packages on disk; `projects` finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from llmstep.sources.module_reach import Graph, Reach, first_component

if TYPE_CHECKING:
    from llmstep.lean_text.statements import Statement
    from llmstep.sources.library_index import LibraryIndex


@attrs.frozen(eq=False)
class Library:
    """An opened index with what its modules import.

    Attributes:
        name: Of the project or package.
        index: Its steps and statements.
        modules: What each of its modules imports.
        project: Whether these are the user's own files.
        stamp: Tells one state of the index from another.
        made_ns: When it was made, in nanoseconds.
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
