"""Build the index of a project or a package from its source text.

Every file that was read is kept in a store beside the index (see `parsed_files`): what a kill
interrupts goes on where it stopped, and of a project only what changed is read again.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs

from llmstep import paths
from llmstep.errors import LLMStepError
from llmstep.lean_text.statements import Statement
from llmstep.sources.lake_project import Package, digest, source_folders
from llmstep.sources.lean_files import LeanFile, Note, decode, find_lean_files, read_regular
from llmstep.sources.parsed_files import PARSER_VERSION, ParsedFile, ParsedFiles, parse_file
from llmstep.user_files import write_private

# What a package's steps would cost in time and space is worth it for the user's own proofs, and
# for small packages; Mathlib's are in the shipped index, with every goal and not only the first.
_MOST_FILES_WITH_STEPS = 1_000
_KEPT_AT_ONCE = 50
_TOLD_EVERY_S = 0.2
# Indexes that no project has asked for in so long, and the oldest beyond that size, are removed.
_OLDEST_S = 90 * 86_400
_LARGEST_BYTES = 2_000_000_000

Tell = Callable[[int, int], object]


class IndexingError(Exception):
    """An index cannot be built now; the message says why, for the user."""


@attrs.frozen
class Target:
    """What is to be indexed, by the name that the user knows it by.

    `key` is what its files in the cache folder are called; a package at a commit is `fixed`: it
    never changes under that key.
    """

    name: str
    root: Path
    key: str
    fixed: bool

    @classmethod
    def of_package(cls, package: Package) -> Target:
        """A package at its revision."""
        return cls(package.name, package.root, package.key, bool(package.revision))

    @classmethod
    def of_project(cls, root: Path) -> Target:
        """The user's own files."""
        return cls(root.name, root, f"project-{digest(str(root))}", False)

    @property
    def index(self) -> Path:
        """The index."""
        return index_folder() / f"{self.key}.index"

    @property
    def modules(self) -> Path:
        """Its modules and what each imports, as JSON."""
        return index_folder() / f"{self.key}.modules"

    @property
    def store(self) -> Path:
        """The files that were read."""
        return index_folder() / f"{self.key}.sqlite"


def index_folder() -> Path:
    """Where the indexes of projects and packages are kept."""
    return paths.cache_dir() / "libraries"


def is_built(target: Target) -> bool:
    """Whether there is an index of this version that need not be looked at again."""
    from llmstep.sources.library_index import LibraryIndex

    if not target.modules.is_file():
        return False
    try:
        return LibraryIndex(target.index).metadata.get("parser") == str(PARSER_VERSION)
    except LLMStepError:
        return False


def build_library(target: Target, tell: Tell, note: Note, *, steps: bool = True) -> bool:
    """Bring the index of a target up to date.

    Args:
        target: What to index.
        tell: Told how many of how many files have been read.
        note: Told what cannot be read, in words.
        steps: Whether steps of proofs are of use.

    Returns:
        Whether the index is new.

    Raises:
        IndexingError: It cannot be built; an older one stays as it is.
    """
    try:
        built = is_built(target)
        if target.fixed and built:
            for path in (target.index, target.modules):
                os.utime(path)  # for whoever removes the oldest
            return False
        with contextlib.closing(ParsedFiles(target.store)) as store:
            changed = _read_changed(target, store, tell, note, steps)
            if built and not changed:
                return False
            _write(target, store)
        if target.fixed:
            target.store.unlink(missing_ok=True)
    except (OSError, sqlite3.Error, LLMStepError) as error:
        reason = error.message if isinstance(error, LLMStepError) else error
        raise IndexingError(f"the index of {target.name} cannot be built: {reason}") from error
    return True


def _read_changed(target: Target, store: ParsedFiles, tell: Tell, note: Note, steps: bool) -> bool:
    files = find_lean_files(target.root, source_folders(target.root), note)
    if not files and not target.root.is_dir():
        raise IndexingError(f"{target.root} is gone")
    known = store.stamps()
    gone = known.keys() - {str(file.path) for file in files}
    todo = [file for file in files if known.get(str(file.path)) != (file.size, file.mtime_ns)]
    steps = steps and len(files) <= _MOST_FILES_WITH_STEPS
    done = len(files) - len(todo)
    told = 0.0
    for at in range(0, len(todo), _KEPT_AT_ONCE):
        batch: list[tuple[LeanFile, ParsedFile]] = []
        for file in todo[at : at + _KEPT_AT_ONCE]:
            if (parsed := _read(file, steps, note)) is not None:
                batch.append((file, parsed))
            done += 1
            if time.monotonic() - told > _TOLD_EVERY_S:
                told = time.monotonic()
                tell(done, len(files))
        store.keep(batch)
    store.forget(gone)
    tell(len(files), len(files))
    return bool(todo or gone)


def _read(file: LeanFile, steps: bool, note: Note) -> ParsedFile | None:
    try:
        return parse_file(decode(read_regular(file.path)), steps=steps)
    except FileNotFoundError:
        return None
    except OSError as error:
        note(f"{file.path} cannot be read: {error.strerror or error}")
    except (RecursionError, ValueError) as error:
        note(f"{file.path} cannot be parsed: {error}")
    return None


def _write(target: Target, store: ParsedFiles) -> None:
    from llmstep.sources.index_writer import write_index

    graph = store.imports()
    write_private(target.modules, json.dumps(graph, ensure_ascii=False))
    with _private():
        write_index(
            target.index,
            store.steps(),
            _distinct(store.statements()),
            source=target.name,
            fewest_rows=1,
            parser=str(PARSER_VERSION),
        )


def _distinct(statements: Iterator[Statement]) -> Iterator[Statement]:
    seen: set[int] = set()
    for statement in statements:
        if (key := hash(statement.name)) not in seen:
            seen.add(key)
            yield statement


@contextlib.contextmanager
def _private() -> Iterator[None]:
    """What is written meanwhile is for the user alone."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def remove_old_indexes(wanted: frozenset[str] = frozenset()) -> list[Path]:
    """Remove indexes that nobody has asked for in long, and the oldest of too many.

    Those with the wanted keys stay whatever their age. The removed files are given back.
    """
    try:
        with os.scandir(index_folder()) as entries:
            found = [(entry.stat(follow_symlinks=False), Path(entry.path)) for entry in entries]
    except OSError:
        return []
    found.sort(key=lambda item: -item[0].st_mtime)
    removed: list[Path] = []
    total = 0
    for status, path in found:
        total += status.st_size
        old = time.time() - status.st_mtime > _OLDEST_S
        if (old or total > _LARGEST_BYTES) and path.stem not in wanted and path.is_file():
            with contextlib.suppress(OSError):
                path.unlink()
                removed.append(path)
    return removed


def remove_all_indexes() -> list[Path]:
    """Remove all that is kept of projects and packages, and give back which files that were."""
    removed: list[Path] = []
    with contextlib.suppress(OSError):
        for path in index_folder().iterdir():
            if path.is_file() and not path.is_symlink():
                path.unlink()
                removed.append(path)
    return removed
