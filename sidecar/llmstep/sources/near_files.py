"""The files of a project that a document imports, read at once.

The index of a project is made by a process of idle priority, which on a busy machine gets its turn
late. The few files that matter most need not wait for it: those that the document imports are read
here, the nearest first, within bounds that cost a fraction of a second.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections import deque
from collections.abc import Container, Iterable, Mapping
from pathlib import Path

import attrs

from llmstep.sources.lean_files import decode, read_regular
from llmstep.sources.module_reach import HIDDEN
from llmstep.sources.parsed_files import ParsedFile, parse_file

_MOST_FILES = 64
_MOST_BYTES = 600_000
_MOST_SECONDS = 1.0


@attrs.frozen(eq=False)
class NearFiles:
    """Modules that a document imports, as they are on disk, with their times of change (ns)."""

    files: Mapping[str, ParsedFile]
    changed: Mapping[str, int]

    @property
    def state(self) -> tuple[tuple[str, int], ...]:
        """Tells one state of them from another."""
        return tuple(self.changed.items())

    def newer(self, known: Container[str], since_ns: int) -> list[str]:
        """The modules that are not among the known ones, or have changed since that time."""
        return [m for m, changed in self.changed.items() if m not in known or changed > since_ns]


NO_FILES = NearFiles({}, {})


def read_near_files(folders: Iterable[Path], modules: Iterable[str]) -> NearFiles:
    """Read the files of some modules and of what these import.

    Those of other packages are passed over; what cannot be read is left to the index, which tells
    why.
    """
    until = time.monotonic() + _MOST_SECONDS
    places = tuple(folders)
    todo = deque(modules)
    seen = set(todo)
    bytes_left = _MOST_BYTES
    files: dict[str, ParsedFile] = {}
    times: dict[str, int] = {}
    while todo and len(files) < _MOST_FILES and time.monotonic() < until:
        module = todo.popleft()
        try:
            if (found := _find(places, module)) is None or found[1].st_size > bytes_left:
                continue
            path, status = found
            parsed = _parse(path, module, status.st_size, status.st_mtime_ns)
        except (OSError, ValueError, RecursionError):
            continue
        bytes_left -= status.st_size
        files[module], times[module] = parsed, status.st_mtime_ns
        for name in (imported.removeprefix(HIDDEN) for imported in parsed.imports):
            if name not in seen:
                seen.add(name)
                todo.append(name)
    return NearFiles(files, times)


def _find(folders: tuple[Path, ...], module: str) -> tuple[Path, os.stat_result] | None:
    """The file of a module, if it is one of the project."""
    parts = module.split(".")
    if not all(parts) or any(part in module for part in "/\\"):
        return None
    relative = Path(*parts[:-1], f"{parts[-1]}.lean")
    for folder in folders:
        with contextlib.suppress(FileNotFoundError):
            return folder / relative, (folder / relative).stat()
    return None


@functools.lru_cache(maxsize=256)
def _parse(path: Path, module: str, size: int, _mtime_ns: int) -> ParsedFile:
    """A version of a file, read once."""
    parsed = parse_file(decode(read_regular(path, size)), steps=False)
    own = (attrs.evolve(statement, module=module) for statement in parsed.statements)
    return attrs.evolve(parsed, statements=tuple(own))
