"""Files that are replaced whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to; at the end of the block it takes that one's place.

    The step is a single one: a reader finds the old file or the new. If the block fails, what it
    wrote is removed, and the old file is whole. The folder is made if need be.

    Raises:
        OSError: The file cannot be put in place, or the block raised it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
