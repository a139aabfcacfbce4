"""Names of a library that take a second to count, kept in the cache folder for the next start."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

from llmstep import paths
from llmstep.user_files import TextError, decode_utf8, read_file, write_private

log = logging.getLogger(__name__)

_MOST_FILES = 4
# Rises when a library's names are counted in another way.
_VERSION = 1


def keep_names(library: Path, count: Callable[[], list[str]]) -> list[str]:
    """The names as they were counted before for this file, else what ``count`` gives.

    A cache that cannot be read or written costs the second, and nothing else.
    """
    try:
        status = library.stat()
    except OSError:
        return count()
    of = f"{_VERSION}\n{library}\n{status.st_size}\n{status.st_mtime_ns}"
    file = paths.cache_dir() / "names" / f"{hashlib.sha256(os.fsencode(of)).hexdigest()[:32]}.txt"
    try:
        total, *names = decode_utf8(read_file(file)).split("\n")
        if total == str(len(names)):
            return names
    except (OSError, TextError):
        pass
    names = count()
    try:
        write_private(file, "\n".join([str(len(names)), *names]))
        _remove_old(file.parent)
    except OSError as error:
        log.info("the library's names are not kept: %s", error)
    return names


def _remove_old(folder: Path) -> None:
    """Leave the files of the libraries that were counted last."""
    files = sorted(folder.glob("*.txt"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in files[_MOST_FILES:]:
        file.unlink(missing_ok=True)
