"""Files that only this user can read, opened by their descriptors.

The light processes that stand between client and engine use this as it is; everybody else goes
through `user_files`. It imports nothing that costs.
"""

from __future__ import annotations

import errno
import os
import stat

_FILE_MODE = 0o600
OTHERS = 0o077
# A pipe nobody is at the other end of is not waited for; for a file it changes nothing.
OPEN_FLAGS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def open_private_descriptor(path: str | os.PathLike[str], flags: int) -> int:
    """Open a file for this user alone, new or there already; one that others can read is closed.

    Args:
        path: The file; its folder must be there.
        flags: How, as of `os.open`; that it may be made is added.

    Raises:
        OSError: It cannot be opened, or is a pipe or a folder.
    """
    descriptor = os.open(path, flags | os.O_CREAT | OPEN_FLAGS, _FILE_MODE)
    try:
        found = os.fstat(descriptor)
        # A device such as /dev/null is everybody's.
        shared = stat.S_ISREG(found.st_mode) and found.st_mode & OTHERS
        if os.name == "posix" and shared and found.st_uid == os.getuid():
            os.fchmod(descriptor, _FILE_MODE)
        if stat.S_ISFIFO(found.st_mode) or stat.S_ISDIR(found.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def replace_privately(path: str, text: str) -> None:
    """Write a text in one step, for this user alone; a crash leaves the old file.

    Raises:
        OSError: It cannot be written; the old file is whole.
    """
    new = f"{path}.{os.getpid()}"
    descriptor = open_private_descriptor(new, os.O_WRONLY | os.O_TRUNC)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(new, path)
