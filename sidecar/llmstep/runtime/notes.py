"""What an engine leaves behind when it dies: how it ended, and what it was at.

An engine writes what it is at into a mapped page, which outlives it whatever ends it. Its watcher
writes down how it ended. Work that two engines have died of is not given to a third.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import signal
import time

from llmstep.private_files import open_private_descriptor, replace_privately

_PAGE_BYTES = 4096
_MOST_REMEMBERED = 64
_REMEMBERED_S = 24 * 3600.0
_MOST_DEATHS = 2
_TAIL_BYTES = 32768
# First lines of what native code and the interpreter say before they give up.
_LAST_WORDS = ("GGML_ASSERT", "terminate called", "what():", "Fatal Python error", "ggml_abort",
               "Assertion", "AddressSanitizer", "std::bad_alloc", "MemoryError")  # fmt: skip
# Signals that are somebody's wish, and no fault of what the engine was at.
_WISHES = frozenset({"SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"})


class Death:
    """How an engine ended.

    Attributes:
        cause: What ended it, in one line.
        at: When, in seconds since 1970.
        own_fault: Whether it died of what it was at, and was not ended by somebody.
    """

    def __init__(self, pid: int, cause: str, at: float, own_fault: bool) -> None:
        self.pid = pid
        self.cause = cause
        self.at = at
        self.own_fault = own_fault


class WorkMark:
    """The page in which an engine says what it is at; several threads may."""

    def __init__(self, path: str) -> None:
        descriptor = open_private_descriptor(path, os.O_RDWR)
        try:
            os.ftruncate(descriptor, _PAGE_BYTES)
            self._page = mmap.mmap(descriptor, _PAGE_BYTES)
        finally:
            os.close(descriptor)
        self._now: dict[int, list[str]] = {}
        self._write()

    def begin(self, thread: int, what: str) -> None:
        """A thread begins some work; it may be within other work."""
        self._now.setdefault(thread, []).append(what)
        self._write()

    def end(self, thread: int) -> None:
        """The work that a thread has begun last is done."""
        works = self._now.get(thread)
        if works:
            works.pop()
            if not works:
                del self._now[thread]
        self._write()

    def _write(self) -> None:
        works = [what for works in list(self._now.values()) for what in works]
        data = json.dumps(works)[: _PAGE_BYTES - 1].encode("ascii")
        self._page[: len(data) + 1] = data + b"\0"


def read_work(path: str) -> list[str]:
    """What an engine was at when it died."""
    try:
        with open(path, "rb") as file:
            values = json.loads(file.read(_PAGE_BYTES).partition(b"\0")[0])
        return [str(value) for value in values]
    except (OSError, ValueError):
        return []


def explain_end(status: int, log: str, log_start: int, kills_before: int) -> tuple[str, bool]:
    """Say in one line how an engine ended, and whether it died of what it was at.

    Args:
        status: As `os.waitstatus_to_exitcode` gives it: below 0 a signal.
        log: The engine's log.
        log_start: Where in it this engine's part begins.
        kills_before: What `count_memory_kills` said at its start.
    """
    words = find_last_words(log, log_start)
    if status >= 0:
        how = f"it ended with exit code {status}"
        return (f"{words} ({how})" if words else how), status != 0
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    if name == "SIGKILL" and count_memory_kills() > kills_before:
        return "the system killed it (SIGKILL) because memory ran out", True
    if name in _WISHES:
        return f"it was killed ({name})", False
    meaning = {
        "SIGBUS": "a mapped file, most likely the model's, was cut short or its disk failed",
        "SIGSEGV": "native code reached for memory that it does not have",
        "SIGILL": "native code used an instruction that this processor does not have",
        "SIGABRT": "native code gave up",
    }.get(name, "")
    if words:
        return f"{words} ({name})", True
    return f"{name}{': ' + meaning if meaning else ''}", True


def find_last_words(log: str, start: int) -> str:
    """The first line in which native code says why it gives up; empty if there is none."""
    try:
        with open(log, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(start, file.tell() - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    for mark in _LAST_WORDS:
        for line in text.splitlines():
            if mark in line:
                return line.strip()[:300]
    return ""


def count_memory_kills() -> int:
    """How many processes this system has killed because memory ran out; 0 where it does not say."""
    try:
        with open("/proc/vmstat", encoding="ascii") as file:
            for line in file:
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
    except (OSError, ValueError):
        pass
    return 0


def write_death(path: str, death: Death) -> None:
    """Write down how an engine ended."""
    value = {"pid": death.pid, "cause": death.cause, "at": death.at, "ownFault": death.own_fault}
    replace_privately(path, json.dumps(value))


def read_death(path: str) -> Death | None:
    """How the last engine ended; ``None`` if nobody has seen it."""
    value = _read_json(path)
    if not isinstance(value, dict):
        return None
    try:
        return Death(
            int(value["pid"]), str(value["cause"]), float(value["at"]), bool(value["ownFault"])
        )
    except (KeyError, TypeError, ValueError):
        return None


class Casualties:
    """The work that engines have died of; a file that cannot be read counts as empty."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._rows: dict[str, tuple[int, str, float]] = {}
        value = _read_json(path)
        now = time.time()
        for key, row in value.items() if isinstance(value, dict) else ():
            with contextlib.suppress(TypeError, ValueError, IndexError):
                count, cause, at = int(row[0]), str(row[1]), float(row[2])
                if abs(now - at) < _REMEMBERED_S:
                    self._rows[str(key)] = (count, cause, at)

    def add(self, works: list[str], cause: str) -> None:
        """Note the work that an engine was at when it died."""
        for work in works:
            count = self._rows.pop(work, (0, "", 0.0))[0]
            self._rows[work] = (count + 1, cause, time.time())
        for work in list(self._rows)[:-_MOST_REMEMBERED]:
            del self._rows[work]
        self._save()

    def cause(self, work: str) -> str | None:
        """What engines have died of, if it was this work, twice in a row; else ``None``."""
        count, cause, _ = self._rows.get(work, (0, "", 0.0))
        return cause if count >= _MOST_DEATHS else None

    def forgive(self, work: str) -> None:
        """Forget the deaths: this work has been done without one."""
        if self._rows.pop(work, None) is not None:
            self._save()

    def _save(self) -> None:
        with contextlib.suppress(OSError):
            replace_privately(self._path, json.dumps(self._rows))


def _read_json(path: str) -> object:
    try:
        with open(path, encoding="ascii") as file:
            return json.load(file)
    except (OSError, ValueError, RecursionError):
        return None
