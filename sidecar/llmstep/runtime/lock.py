"""A lock on a file: only one front starts an engine at a time. It ends with its process."""

from __future__ import annotations

import os
import time

from llmstep.private_files import open_private_descriptor

_POLL_S = 0.02


def lock_file(path: str, timeout_s: float) -> int | None:
    """Wait for the lock of a file, which is made and stays.

    Returns:
        A descriptor that holds the lock until it is closed; ``None`` if somebody else held it all
        the time.

    Raises:
        OSError: The file cannot be made.
    """
    descriptor = open_private_descriptor(path, os.O_RDWR)
    deadline = time.monotonic() + timeout_s
    while not _try_lock(descriptor):
        if time.monotonic() > deadline:
            os.close(descriptor)
            return None
        time.sleep(_POLL_S)
    return descriptor


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
