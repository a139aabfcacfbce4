"""The llama.cpp library: import it once, keep its log off stderr, remember the last lines.

llama.cpp writes its log to stderr unless it is given a callback; the callback here keeps the last
lines, so that an error can quote them.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import importlib.util
import os
import sys
from collections import deque
from pathlib import Path
from typing import Any

import psutil

from llmstep.errors import BackendUnavailableError
from llmstep.limits import raise_limit

_PACKAGE = "llama_cpp"
_LINES_KEPT = 40
_PARAMETERS_PER_THREAD = 32_000_000
# enum ggml_log_level of ggml.h (the comment in llama-cpp-python shows an older one)
_WARNING = 3
_ERROR = 4
_CONTINUED = 5

_log: deque[tuple[int, str]] = deque(maxlen=_LINES_KEPT)
_kept: list[Any] = []  # the library keeps a pointer to the callback for ever; so must we


@functools.cache
def load_library() -> Any:
    """The module of llama-cpp-python's C functions, ready for use.

    Raises:
        BackendUnavailableError: It is not installed, too old, or does not load on this machine.
    """
    # When an assertion of ggml fails, it would start a debugger, whose hundred lines bury the one
    # that tells the cause.
    os.environ.setdefault("GGML_NO_BACKTRACE", "1")
    try:
        library = _import_functions()
    except ImportError as error:
        raise_limit(error)
        raise BackendUnavailableError(
            "the llama.cpp backend needs the package llama-cpp-python, which is not installed",
            hint=_tell_of_build(),
        ) from error
    except (OSError, RuntimeError) as error:  # the package is there, its shared library is not
        raise_limit(error)
        raise BackendUnavailableError(f"llama-cpp-python cannot be loaded: {error}") from error
    if not hasattr(library, "LLAMA_LOAD_MODE_MMAP"):
        raise BackendUnavailableError("llama-cpp-python is too old: 0.3.36 or newer is needed")
    callback = library.llama_log_callback(_remember)
    _kept.append(callback)
    library.llama_log_set(callback, ctypes.c_void_p(0))
    library.llama_backend_init()
    return library


def _import_functions() -> Any:
    """The package's C functions, without what it builds upon them.

    That takes time and memory, and nothing of it is used here.
    """
    if _PACKAGE in sys.modules:
        from llama_cpp import llama_cpp as functions

        return functions
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None:
        raise ImportError(f"there is no {_PACKAGE}")
    sys.modules[_PACKAGE] = importlib.util.module_from_spec(spec)  # its `__init__` does not run
    try:
        return importlib.import_module(f"{_PACKAGE}.llama_cpp")
    finally:
        del sys.modules[_PACKAGE]  # whoever else imports it gets it whole


def forget_log() -> None:
    """Start anew, so that the next error quotes only what belongs to it."""
    _log.clear()


def quote_log() -> str:
    """The last error or warning lines of the library, or what else it said last; may be empty."""
    grave = [text for level, text in _log if level in (_WARNING, _ERROR)]
    lines = grave or [text for _, text in _log]
    return "; ".join(lines[-3:])


def _tell_of_build() -> str | None:
    """What to do about a library that is not there yet; ``None`` where nothing is under way."""
    from llmstep.install.background import find_running

    build = find_running(Path(sys.prefix))
    if build is None:
        return None
    return f"Wait: it is being built ({build.describe()}); `llmstep status` shows how far it is."


def count_threads(parameters: int) -> int:
    """CPU threads for a model of that many weights: at most the physical cores at hand.

    Threads wait for each other some hundred times in each step, spinning. A small model gains
    little from a second one, and where something else wants the cores, as Lean does, it loses
    badly: with both cores of a machine busy, 9M weights took 0.09 s a request on one thread and
    1.5 s on two.
    """
    physical = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        physical = min(physical, len(os.sched_getaffinity(0)))
    return max(1, min(physical, -(-parameters // _PARAMETERS_PER_THREAD)))


def _remember(level: int, text: bytes | None, _user_data: Any) -> None:
    line = (text or b"").decode("utf-8", errors="replace").strip()
    if line.strip("."):  # dots are a progress bar
        previous = _log[-1][0] if level == _CONTINUED and _log else level
        _log.append((previous, line))
