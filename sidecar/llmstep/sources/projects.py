"""What a document can use of its project and of the packages on disk.

Everything slow is done elsewhere: an indexing process reads the files (see `indexer`), a thread of
this module opens what it has written, and reads the few files that a document imports by itself
(see `near_files`). An answer takes what is there.
"""

from __future__ import annotations

import json
import logging
import queue
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from llmstep.errors import LLMStepError
from llmstep.lean_text.document import read_document
from llmstep.lean_text.imports import Header, read_header
from llmstep.lean_text.statements import Statement
from llmstep.sources.indexer import Indexer, IndexingProgress
from llmstep.sources.lake_project import digest, find_root, path_of, source_folders
from llmstep.sources.lean_files import module_name, read_regular
from llmstep.sources.libraries import NOTHING, AtHand, Library
from llmstep.sources.library_builder import Target, index_folder
from llmstep.sources.library_index import LibraryIndex
from llmstep.sources.module_reach import Graph, Reach, find_reach
from llmstep.sources.near_files import NO_FILES, NearFiles, read_near_files

log = logging.getLogger(__name__)

# The first question about a document waits so long for its project to be found, and no other.
_PATIENCE_S = 0.15
# What a document imports is looked at again this long after the last time, if it is asked about.
_NEAR_AGAIN_S = 2.0
_MOST_DOCUMENTS = 200
_MOST_REACHES = 64
_LARGEST_GRAPH = 100_000_000


@attrs.frozen
class ProjectStatus:
    """How far a project has been read: its indexes, its own first, and what could not be read."""

    root: str
    indexes: tuple[IndexingProgress, ...]
    notes: tuple[str, ...]


@attrs.define(eq=False)
class _Project:
    root: Path
    folders: tuple[Path, ...]
    libraries: dict[str, Library] = attrs.Factory(dict)
    reaches: OrderedDict[tuple[object, ...], Reach] = attrs.Factory(OrderedDict)
    generation: int = 0
    # By the imports of a document: the files they lead to, and when these were looked at.
    near: OrderedDict[tuple[str, ...], tuple[float, NearFiles]] = attrs.Factory(OrderedDict)


class Projects:
    """The projects of the documents that are asked about.

    All methods may be called from any thread and return at once, but that the first question about
    a document waits a moment for its project.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._indexer = Indexer(self._on_change)
        self._roots: dict[str, Path | None] = {}
        self._projects: dict[Path, _Project] = {}
        self._open: dict[str, str] = {}
        self._todo: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._told: dict[Path, tuple[str, ...]] = {}
        self._thread: threading.Thread | None = None

    def at_hand(self, uri: str, text_before: str) -> AtHand:
        """What the document can use now; nothing if its uri names no file of this machine."""
        header = read_header(text_before)
        project = self._project_of(uri, header)
        if project is None:
            return NOTHING
        self._indexer.want(project.root)
        near = self._near_files(project, header.modules)
        with self._lock:
            libraries = tuple(
                sorted(project.libraries.values(), key=lambda library: not library.project)
            )
            generation = project.generation
        fresh = near.newer(*_known_modules(libraries))
        reach = self._reach(project, libraries, header, generation, near, fresh)
        own = self._module_of(project, uri)
        statements, modules, state = self._edited(project, uri, reach)
        for module in fresh:
            if module in reach.modules and module not in modules and module != own:
                statements += near.files[module].statements
                state.append(f"{module}:{near.changed[module]}")
        elsewhere = frozenset(modules | set(fresh) | {own})
        key = (header, generation, near.state, elsewhere)
        usable = self._remember(project, key, reach.without(elsewhere))
        missing = self._missing(project.root)
        stamps = [library.stamp for library in libraries]
        version = digest(json.dumps([str(project.root), stamps, header.modules, state]))
        return AtHand(libraries, usable, tuple(statements), version, missing)

    def note_document(self, uri: str, text: str | None) -> None:
        """A document was opened or changed in an editor; ``None`` when it was closed."""
        with self._lock:
            if text is None:
                self._open.pop(uri, None)
            elif uri in self._open or len(self._open) < _MOST_DOCUMENTS:
                self._open[uri] = text

    def status(self) -> list[ProjectStatus]:
        """How far the projects that were asked about have been read."""
        return [
            ProjectStatus(
                str(root), tuple(self._indexer.progress(root)), tuple(self._indexer.notes(root))
            )
            for root in self._indexer.roots()
        ]

    def close(self) -> None:
        """End the indexing process and the thread."""
        self._indexer.close()
        self._todo.put(None)

    def _project_of(self, uri: str, header: Header) -> _Project | None:
        found: threading.Event | None = None
        with self._lock:
            if uri not in self._roots:
                if len(self._roots) > 10_000:
                    self._roots.clear()
                self._roots[uri] = None
                found = threading.Event()
        if found is not None:
            self._do(lambda: self._find_project(uri, header, found))
            found.wait(_PATIENCE_S)
        with self._lock:
            root = self._roots.get(uri)
            return self._projects.get(root) if root else None

    def _find_project(self, uri: str, header: Header, found: threading.Event) -> None:
        """Look at the disk, which may hang: not on a thread that somebody waits for."""
        try:
            path = path_of(uri)
            root = find_root(path) if path is not None else None
            if root is None:
                return
            folders = source_folders(root)
            with self._lock:
                project = self._projects.setdefault(root, _Project(root, folders))
                known = header.modules in project.near
                self._roots[uri] = root
            if not known:
                self._read_near(project, header.modules)
        finally:
            found.set()
        self._indexer.want(root)

    def _near_files(self, project: _Project, modules: tuple[str, ...]) -> NearFiles:
        """The files of the project that these imports lead to, as they were a moment ago."""
        now = time.monotonic()
        with self._lock:
            asked, near = project.near.get(modules, (-_NEAR_AGAIN_S, NO_FILES))
            if now - asked >= _NEAR_AGAIN_S:
                project.near[modules] = now, near
                project.near.move_to_end(modules)
                if len(project.near) > _MOST_REACHES:
                    project.near.popitem(last=False)
                self._do(lambda: self._read_near(project, modules))
        return near

    def _read_near(self, project: _Project, modules: tuple[str, ...]) -> None:
        near = read_near_files(project.folders, modules)
        with self._lock:
            project.near[modules] = time.monotonic(), near

    def _on_change(self, root: Path) -> None:
        self._do(lambda: self._open_libraries(root))

    def _open_libraries(self, root: Path) -> None:
        with self._lock:
            project = self._projects.get(root)
        if project is None:
            return
        found: dict[str, Library] = {}
        for progress in self._indexer.progress(root):
            own = progress.key == Target.of_project(root).key
            before = project.libraries.get(progress.key)
            if progress.state != "ready" or (before is not None and not own):
                if before is not None:
                    found[progress.key] = before
            elif (library := _open_library(progress, own)) is not None:
                found[progress.key] = library
        with self._lock:
            if found != project.libraries:
                project.libraries = found
                project.generation += 1
                project.reaches.clear()

    def _reach(
        self,
        project: _Project,
        libraries: Sequence[Library],
        header: Header,
        generation: int,
        near: NearFiles,
        fresh: Sequence[str],
    ) -> Reach:
        """The modules that these imports reach."""
        key = (header, generation, near.state, tuple(fresh))
        with self._lock:
            if (known := project.reaches.get(key)) is not None:
                project.reaches.move_to_end(key)
                return known
        graphs = [{module: near.files[module].imports for module in fresh}]
        graphs += [library.modules for library in libraries]
        return self._remember(project, key, find_reach(header, graphs))

    def _remember(self, project: _Project, key: tuple[object, ...], reach: Reach) -> Reach:
        """The same object for the same imports: what is made of it can be kept by its identity."""
        with self._lock:
            known = project.reaches.setdefault(key, reach)
            project.reaches.move_to_end(key)
            if len(project.reaches) > _MOST_REACHES:
                project.reaches.popitem(last=False)
        return known

    def _module_of(self, project: _Project, uri: str) -> str:
        path = path_of(uri)
        return module_name(path, project.folders) if path is not None else ""

    def _edited(
        self, project: _Project, uri: str, reach: Reach
    ) -> tuple[list[Statement], set[str], list[str]]:
        """What the other open files state that the document imports, their modules and state."""
        with self._lock:
            others = [(other, text) for other, text in self._open.items() if other != uri]
        statements: list[Statement] = []
        modules: set[str] = set()
        state: list[str] = []
        for other, text in others:
            module = self._module_of(project, other)
            if module and module in reach.modules:
                modules.add(module)
                document = read_document(text)
                state.append(f"{module}:{document.digest()}")
                statements += (
                    attrs.evolve(statement, module=module)
                    for statement in document.statements(last=True)
                    if not statement.private
                )
        return statements, modules, state

    def _missing(self, root: Path) -> tuple[str, ...]:
        """What is not read yet; told in the log when it changes."""
        known = self._indexer.progress(root)
        missing: list[str] = [] if known else [root.name]
        for progress in known:
            if progress.state in ("waiting", "reading"):
                missing.append(progress.name)
        told = tuple(missing)
        with self._lock:
            changed = self._told.get(root, ()) != told
            self._told[root] = told
        if changed and told:
            log.info("suggestions do not know yet: %s", ", ".join(told))
        return told

    def _do(self, work: Callable[[], None]) -> None:
        """Let the thread do something; it begins with the first."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="llmstep-projects", daemon=True)
            self._thread.start()
        self._todo.put(work)

    def _run(self) -> None:
        while (work := self._todo.get()) is not None:
            try:
                work()
            except Exception as error:
                log.warning("a project cannot be read: %s", error)


def _open_library(progress: IndexingProgress, own: bool) -> Library | None:
    """The index that the indexing process has made; ``None`` if it cannot be used."""
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


def _known_modules(libraries: Sequence[Library]) -> tuple[Graph, int]:
    """The modules in the index of the project's own files, and when that was made."""
    for library in libraries:
        if library.project:
            return library.modules, library.made_ns
    return {}, 0


class _Shared:
    """One reader of projects for all services of this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.projects: Projects | None = None
        self.users = 0


_SHARED = _Shared()


def share_projects() -> Projects:
    """The process's reader of projects; give it back with `release_projects`."""
    with _SHARED.lock:
        if _SHARED.projects is None:
            _SHARED.projects = Projects()
        _SHARED.users += 1
        return _SHARED.projects


def release_projects(projects: Projects) -> None:
    """Give the reader back; with the last user the indexing process ends."""
    with _SHARED.lock:
        if projects is not _SHARED.projects:
            return
        _SHARED.users -= 1
        if _SHARED.users == 0:
            _SHARED.projects = None
            projects.close()
