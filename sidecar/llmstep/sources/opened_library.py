"""An index of a project or package that is in use, with what its modules import."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from llmstep.errors import LLMStepError
from llmstep.sources.indexer import IndexingProgress
from llmstep.sources.lean_files import read_regular
from llmstep.sources.library_builder import index_folder
from llmstep.sources.module_reach import Graph, first_component

if TYPE_CHECKING:
    from llmstep.sources.library_index import LibraryIndex

log = logging.getLogger(__name__)

_LARGEST_GRAPH = 100_000_000


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


def open_library(progress: IndexingProgress, own: bool) -> Library | None:
    """The index that the indexing process has made; ``None`` if it cannot be used.

    Args:
        progress: What that process says of it.
        own: Whether it is of the user's own files.
    """
    from llmstep.sources.library_index import LibraryIndex

    folder = index_folder()
    try:
        path = folder / f"{progress.key}.index"
        index, status = LibraryIndex(path), path.stat()
        content = read_regular(folder / f"{progress.key}.modules", _LARGEST_GRAPH)
        graph = {
            sys.intern(module): tuple(map(sys.intern, imports))
            for module, imports in json.loads(content).items()
        }
    except (LLMStepError, OSError, ValueError, TypeError, AttributeError) as error:
        log.warning("%s is not used: %s", progress.name, error)
        return None
    stamp = f"{progress.key}:{status.st_mtime_ns if own else status.st_size}"
    return Library(progress.name, index, graph, own, stamp, status.st_mtime_ns)


def known_modules(libraries: Sequence[Library]) -> tuple[Graph, int]:
    """The modules in the index of the project's own files, and when that was made."""
    for library in libraries:
        if library.project:
            return library.modules, library.made_ns
    return {}, 0
