"""Wheels of llama-cpp-python that were built on this machine, and how long a build takes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import sys
import sysconfig
from pathlib import Path

from llmstep import environment
from llmstep.install.probe import PACKAGE

# What is built from source is pinned: this release is the one the build's flags were tried with.
BUILD_VERSION = "0.3.36"
# Processor seconds of a build, low and high: 4 to 6 minutes were measured on two idle cores.
_BUILD_S = (480.0, 720.0)


def wheel_dir() -> Path:
    """Folder into which a wheel built now goes."""
    return _wheel_dirs()[0]


def _wheel_dirs() -> list[Path]:
    """Folders in which a wheel may lie, for this version, platform and processor.

    The cache folder under ``LLMSTEP_HOME``, if that is set, then the platform's: what was built
    before somebody chose a folder of their own is not built again.

    A home folder may be shared by machines with different processors, and a wheel built for one
    can crash on another; hence the processor in the name. The folders above are those of
    :func:`llmstep.paths.cache_dir`, which this module cannot ask (platformdirs is not there yet).
    """
    key = f"{PACKAGE}-{BUILD_VERSION}-{sysconfig.get_platform()}-{_processor_id()}"
    if flags := os.environ.get("CMAKE_ARGS", "").strip():
        # A wheel for a GPU, say, is another wheel.
        key += "-" + hashlib.sha256(flags.encode()).hexdigest()[:8]
    return [cache / "wheels" / key for cache in _cache_dirs()]


def kept_wheels() -> list[Path]:
    """The wheels that were built here, the one to try first at the front."""
    found: list[Path] = []
    for folder in _wheel_dirs():
        with contextlib.suppress(OSError):
            found += sorted(folder.glob("*.whl"), reverse=True)
    return found


def _cache_dirs() -> list[Path]:
    folders: list[Path] = []
    home = os.environ.get(environment.HOME)
    # A home folder that cannot be told (no HOME, no such user) is no reason not to build.
    with contextlib.suppress(RuntimeError):
        if home:
            folders.append(Path(home).expanduser() / "cache")
    with contextlib.suppress(RuntimeError):
        if sys.platform == "win32":
            local = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
            folders.append(Path(local) / "llmstep" / "Cache")
        elif sys.platform == "darwin":
            folders.append(Path.home() / "Library" / "Caches" / "llmstep")
        else:
            base = os.environ.get("XDG_CACHE_HOME", "").strip() or str(Path.home() / ".cache")
            folders.append(Path(base).expanduser() / "llmstep")
    return folders or [Path(sys.prefix) / "llmstep-cache"]


def estimate_build(cores: int | None = None) -> tuple[float, float]:
    """Seconds that a build takes on that many cores, or on those idle now: low and high.

    A guess, which the build itself corrects: see :meth:`llmstep.console.Console.run`.
    """
    count = cores or _core_count()
    if cores is None and hasattr(os, "getloadavg"):
        # Of a core that others want we get a share, never nothing.
        busy = os.getloadavg()[0]
        free = max(count - busy, count * count / (count + busy))
    else:
        free = float(count)
    return (_BUILD_S[0] / free, _BUILD_S[1] / free)


def describe_estimate(seconds: tuple[float, float], cores: int | None = None) -> str:
    """The estimate for people: ``4 to 6 minutes on 2 cores``."""
    count = cores or _core_count()
    low = max(1, round(seconds[0] / 60))
    high = max(low + 1, round(seconds[1] / 60))
    return f"{low} to {high} minutes on {count} {'core' if count == 1 else 'cores'}"


def _core_count() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor_id() -> str:
    features = f"{platform.machine()} {platform.processor()}"
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith(("flags", "Features")):
                features += line
                break
    return hashlib.sha256(features.encode()).hexdigest()[:8]
