"""The names that a library's steps use: read from a file beside it, or counted in a second.

The shipped library has such a file; for any other the names are kept in the cache folder. It is
text, a name in each line, behind a line that tells the library's size and how many names there are.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from llmstep import paths
from llmstep.sources.steps import endings, unmarked_names
from llmstep.user_files import TextError, decode_utf8, read_file, write_private

log = logging.getLogger(__name__)

# What the file beside a library is called besides.
SUFFIX = ".names"
_MOST_FILES = 4
# Rises when a library's names are counted in another way.
_VERSION = 1
# A name that so many steps hold is one that a model may have learned.
_COMMON_USES = 2
# Texts whose names are counted at a time: some 20 ms.
_AT_ONCE = 2000


class CommonNames:
    """The names that the steps of a library hold more than once, as they may be written, sorted.

    Each also by what is left of it where a namespace is open. A file that does not fit, or cannot
    be read or written, costs the second, and nothing else; another library in the place of this one
    is counted anew.
    """

    def __init__(self, library: Path, count_steps: Callable[[], Iterator[tuple[str, int]]]) -> None:
        self._library = library
        self._beside = library.with_name(library.name + SUFFIX)
        self._count_steps = count_steps
        self._names: list[str] | None = None
        self._finding: Iterator[list[str] | None] | None = None
        self._lock = threading.Lock()

    def get(self) -> list[str]:
        """The names, counted now as far as that is not done."""
        self.prepare(lambda: True)
        assert self._names is not None
        return self._names

    def write(self) -> None:
        """Count them, and write them beside the library.

        Raises:
            OSError: They cannot be written.
        """
        for names in self._count():
            if names is not None:
                told = _told(self._library.stat().st_size, names)
                self._beside.write_bytes(told.encode())

    def prepare(self, is_wanted: Callable[[], bool]) -> None:
        """Count as long as that is wanted (asked every few milliseconds); the next call goes on."""
        while self._names is None and is_wanted():
            with self._lock:
                if self._names is None:
                    finding, self._finding = self._finding or self._find(), None  # or fails, anew
                    self._names = next(finding)
                    if self._names is None:  # else all that it has read would stay with it
                        self._finding = finding

    def _find(self) -> Iterator[list[str] | None]:
        """Read or count them, a part with each step; all but the last are ``None``."""
        size, file = self._place()
        for place in (self._beside, file):
            if (kept := _read(place, size)) is not None:
                yield kept
                return
        for names in self._count():
            if names is not None:
                _keep(file, size, names)
            yield names

    def _count(self) -> Iterator[list[str] | None]:
        steps, counts = self._count_steps(), Counter[str]()
        while part := list(itertools.islice(steps, _AT_ONCE)):
            # Each text is told once, however many steps are it.
            told = (text for text, taken in part for _ in range(min(taken, _COMMON_USES)))
            counts.update(unmarked_names("\n".join(told)))
            yield None
        common = (name for name, count in counts.items() if count >= _COMMON_USES)
        yield sorted({ending for name in common for ending in endings(name)})

    def _place(self) -> tuple[int, Path]:
        """The library's size, and where its names are kept."""
        size = time = 0
        with contextlib.suppress(OSError):  # it is gone, and was opened before
            status = self._library.stat()
            size, time = status.st_size, status.st_mtime_ns
        of = f"{_VERSION}\n{self._library}\n{size}\n{time}"
        name = hashlib.sha256(os.fsencode(of)).hexdigest()[:32]
        return size, paths.cache_dir() / "names" / f"{name}{SUFFIX}"


def _told(size: int, names: list[str]) -> str:
    return "\n".join([f"{_VERSION} {size} {len(names)}", *names, ""])


def _read(file: Path, size: int) -> list[str] | None:
    try:
        head, *names = decode_utf8(read_file(file)).removesuffix("\n").split("\n")
    except (OSError, TextError):
        return None
    return names if head == f"{_VERSION} {size} {len(names)}" else None


def _keep(file: Path, size: int, names: list[str]) -> None:
    try:
        write_private(file, _told(size, names))
        _remove_old(file.parent)
    except OSError as error:
        log.info("the library's names are not kept: %s", error)


def _remove_old(folder: Path) -> None:
    """Leave the files of the libraries that were counted last."""
    files = sorted(folder.glob(f"*{SUFFIX}"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in files[_MOST_FILES:]:
        file.unlink(missing_ok=True)
