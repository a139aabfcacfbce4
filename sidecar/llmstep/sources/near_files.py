"""The files of a project that a document imports, read at once.

The index of a project is made by a process of idle priority, which on a busy machine gets its turn
late. The few files that matter most need not wait for it: those that the document imports are read
here, the nearest first, within bounds that cost a fraction of a second.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Container, Iterable, Mapping
from pathlib import Path

import attrs

from llmstep.sources.lean_files import decode, read_regular
from llmstep.sources.module_reach import HIDDEN
from llmstep.sources.parsed_files import ParsedFile, parse_file

_MOST_FILES = 64
_MOST_BYTES = 600_000
_MOST_SECONDS = 1.0
_MOST_KEPT = 256


@attrs.frozen(eq=False)
class NearFiles:
    """Modules that a document imports, as they are on disk.

    Attributes:
        files: What each of them says.
        changed: When each of them was changed last, in nanoseconds.
    """

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


class NearFilesReader:
    """Reads the near files of documents, each version of a file once. For one thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Path, int, int], ParsedFile] = OrderedDict()

    def read(self, folders: Iterable[Path], modules: Iterable[str]) -> NearFiles:
        """Read the files of some modules and of what these import.

        Those of other packages are passed over; what cannot be read is left to the index, which
        tells why.
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
                read = self._find(places, module, bytes_left)
            except (OSError, ValueError, RecursionError):
                continue
            if read is None:
                continue
            parsed, size, times[module] = read
            bytes_left -= size
            own = (attrs.evolve(statement, module=module) for statement in parsed.statements)
            files[module] = attrs.evolve(parsed, statements=tuple(own))
            for name in (imported.removeprefix(HIDDEN) for imported in parsed.imports):
                if name not in seen:
                    seen.add(name)
                    todo.append(name)
        return NearFiles(files, times)

    def _find(
        self, folders: tuple[Path, ...], module: str, most: int
    ) -> tuple[ParsedFile, int, int] | None:
        """A module of the project with its size and time of change, if it is one and fits."""
        parts = module.split(".")
        if not all(parts) or any(part in module for part in "/\\"):
            return None
        relative = Path(*parts[:-1], f"{parts[-1]}.lean")
        for folder in folders:
            path = folder / relative
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            if status.st_size > most:
                return None
            key = path, status.st_size, status.st_mtime_ns
            parsed = self._kept.get(key)
            if parsed is None:
                parsed = parse_file(decode(read_regular(path, most)), steps=False)
                self._kept[key] = parsed
                if len(self._kept) > _MOST_KEPT:
                    self._kept.popitem(last=False)
            else:
                self._kept.move_to_end(key)
            return parsed, status.st_size, status.st_mtime_ns
        return None
