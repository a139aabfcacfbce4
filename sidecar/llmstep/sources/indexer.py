"""Starts and watches the process that indexes projects and packages; see `index_worker`."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import attrs

log = logging.getLogger(__name__)

State = Literal["waiting", "reading", "ready", "failed"]
# One that ended by itself is not started again at once.
_RESTART_S = 60.0
# A project is looked through again this long after the last time, if it is asked about.
_AGAIN_S = 10.0
_MOST_NOTES = 20


@attrs.frozen
class IndexingProgress:
    """How far an index is: so many of all files are read; 0 as long as it is not known how many.

    `key` is what its files are called, `message` says why it failed.
    """

    name: str
    key: str
    state: State
    done: int = 0
    total: int = 0
    message: str = ""


class Indexer:
    """The indexing process of this engine, started when it is first needed.

    All methods return at once and may be called from any thread.

    Args:
        on_change: Told the root of a project of which an index is new or failed; on a thread of
            the indexer.
    """

    def __init__(self, on_change: Callable[[Path], object]) -> None:
        self._on_change = on_change
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._started = 0.0
        self._asked: dict[Path, float] = {}
        self._progress: dict[Path, dict[str, IndexingProgress]] = {}
        self._notes: dict[Path, list[str]] = {}
        self._warned: set[str] = set()
        self._closed = False

    def want(self, root: Path) -> None:
        """See to it that the indexes of a project are up to date."""
        now = time.monotonic()
        with self._lock:
            if self._closed or now - self._asked.get(root, -_AGAIN_S) < _AGAIN_S:
                return
            self._asked[root] = now
            self._progress.setdefault(root, {})
        # Starting a process takes some milliseconds that no answer should wait for.
        threading.Thread(
            target=self._send, args=(root,), name="llmstep-index-ask", daemon=True
        ).start()

    def progress(self, root: Path) -> list[IndexingProgress]:
        """The project's own index, if it is known, and those of its packages."""
        with self._lock:
            return list(self._progress.get(root, {}).values())

    def notes(self, root: Path) -> list[str]:
        """What of a project could not be read, in words."""
        with self._lock:
            return list(self._notes.get(root, ()))

    def roots(self) -> list[Path]:
        """The projects that were asked about."""
        with self._lock:
            return list(self._progress)

    def close(self) -> None:
        """End the process; what it has read so far is kept."""
        with self._lock:
            self._closed = True
            process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(OSError, ValueError):
                if process.stdin is not None:
                    process.stdin.close()  # it ends with its stdin
            with contextlib.suppress(OSError):
                process.terminate()

    def _send(self, root: Path) -> None:
        line = json.dumps({"root": str(root)}) + "\n"
        with self._lock:
            if self._closed:
                return
            if self._process is None or self._process.poll() is not None:
                if (
                    self._process is not None
                    and self._process.returncode
                    and (time.monotonic() - self._started < _RESTART_S)
                ):
                    return
                self._process = self._start()
            if self._process is None:
                return
            assert self._process.stdin is not None
            with contextlib.suppress(OSError, ValueError):
                self._process.stdin.write(line)
                self._process.stdin.flush()

    def _start(self) -> subprocess.Popen[str] | None:
        self._started = time.monotonic()
        environment = dict(os.environ)
        # One core: numpy's libraries would take them all.
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            environment[name] = "1"
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "llmstep.sources.index_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                encoding="utf-8",
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            self._warn(f"projects and packages are not read: {error}")
            return None
        threading.Thread(
            target=self._watch, args=(process,), name="llmstep-index-watch", daemon=True
        ).start()
        return process

    def _watch(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            try:
                event = json.loads(line)
                self._take(event, Path(event["root"]))
            except (ValueError, KeyError, TypeError) as error:
                log.debug("the indexer wrote %r: %s", line[:200], error)
        code = process.wait()
        if code and not self._closed:
            self._warn(f"the process that reads projects and packages ended (exit status {code})")
            with self._lock:
                roots = list(self._progress)
                for root in roots:
                    self._asked.pop(root, None)

    def _take(self, event: dict[str, Any], root: Path) -> None:
        kind = event["kind"]
        if kind == "note":
            self._warn(str(event["message"]), root)
            return
        if kind == "packages":
            with self._lock:
                known = self._progress.setdefault(root, {})
                listed = {str(key) for _, key in event["packages"]}
                for key in [key for key in known if not key.startswith("project-")]:
                    if key not in listed:
                        del known[key]
                for name, key in event["packages"]:
                    known.setdefault(str(key), IndexingProgress(str(name), str(key), "waiting"))
            self._on_change(root)
            return
        if kind not in ("progress", "ready", "failed"):
            return
        key = str(event["key"])
        with self._lock:
            known = self._progress.setdefault(root, {})
            before = known.get(key) or IndexingProgress(str(event["name"]), key, "waiting")
            if kind == "progress":
                done, total = int(event["done"]), int(event["total"])
                # An index that is looked through again is of use meanwhile.
                state = "ready" if before.state == "ready" else "reading"
                known[key] = attrs.evolve(before, state=state, done=done, total=total)
            elif kind == "ready":
                known[key] = attrs.evolve(before, state="ready", done=before.total, message="")
            else:
                message = str(event["message"])
                known[key] = attrs.evolve(before, state="failed", message=message)
        if kind == "failed":
            self._warn(str(event["message"]))
        if kind != "progress":
            self._on_change(root)

    def _warn(self, message: str, root: Path | None = None) -> None:
        """Warn once of a kind of trouble; the rest is in the status."""
        with self._lock:
            new = message not in self._warned
            first = root is None or not self._notes.get(root)
            self._warned.add(message)
            if root is not None and new:
                notes = self._notes.setdefault(root, [])
                notes.append(message)
                del notes[_MOST_NOTES:]
        if new:
            log.log(logging.WARNING if first else logging.INFO, "%s", message)
