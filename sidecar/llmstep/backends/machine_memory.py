"""How much memory there is: the machine's, or less in a container with a limit."""

from __future__ import annotations

from pathlib import Path

import psutil

_CGROUP = Path("/sys/fs/cgroup")


def free_memory() -> int:
    """Bytes a process can still take."""
    free = psutil.virtual_memory().available
    limit = _read_number("memory.max")
    if limit is not None:
        used = _read_number("memory.current") or 0
        free = min(free, max(0, limit - used))
    return free


def whole_memory() -> int:
    """Bytes there are in all, those in use included."""
    whole = psutil.virtual_memory().total
    limit = _read_number("memory.max")
    return whole if limit is None else min(whole, limit)


def resident_bytes() -> int:
    """Bytes this process holds in memory; 0 if the system does not tell, as without a free file."""
    try:
        return psutil.Process().memory_info().rss
    except (OSError, psutil.Error):
        return 0


def _read_number(name: str) -> int | None:
    """A file of the control group; ``None`` on other systems, and for ``max``."""
    try:
        return int((_CGROUP / name).read_text())
    except (OSError, ValueError):
        return None
