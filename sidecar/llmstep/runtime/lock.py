"""A lock on a file: only one front starts an engine at a time. It ends with its process."""

from __future__ import annotations

import os
import time

from llmstep.private_files import open_private_descriptor

_POLL_S = 0.02


class FileLock:
    """Holds a file's lock from `acquire` on; the file is made, and stays."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = -1

    def acquire(self, timeout_s: float) -> bool:
        """Wait for the lock; ``False`` if somebody else held it all the time.

        Raises:
            OSError: The file cannot be made.
        """
        descriptor = open_private_descriptor(self._path, os.O_RDWR)
        deadline = time.monotonic() + timeout_s
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                os.close(descriptor)
                return False
            time.sleep(_POLL_S)
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _try_lock(descriptor: int) -> bool:
    try:
        if os.name == "posix":
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # pyright: ignore[reportAttributeAccessIssue]
    except OSError:
        return False
    return True
