"""The process that reads projects and packages: idle priority, one core, out of every answer's way.

Run as ``python -m llmstep.sources.index_worker``. Each line on stdin is the JSON object
``{"root": "<folder of a project>"}``: index that project, then its packages. Each line on stdout is
an event (see `Event` in `indexer`). The process ends with its stdin, or after a while without work.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import sys
import threading
from pathlib import Path
from typing import Any

import psutil

from llmstep.sources.lake_project import find_packages
from llmstep.sources.lean_files import Note
from llmstep.sources.library_builder import (
    IndexingError,
    Target,
    build_library,
    is_built,
    remove_old_indexes,
)

_IDLE_S = 60.0
_MOST_NOTES = 20


class IndexWorker:
    """Does one project after the other; a project's own files come before all packages."""

    def __init__(self) -> None:
        self._asked: queue.Queue[Path] = queue.Queue()
        self._packages: list[tuple[Path, Target]] = []
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")

    def run(self) -> None:
        """Work until stdin ends or there is nothing to do."""
        threading.Thread(target=self._listen, name="llmstep-index-asked", daemon=True).start()
        while True:
            try:
                root = self._asked.get(timeout=0.001 if self._packages else _IDLE_S)
            except queue.Empty:
                if not self._packages:
                    return
                self._build(*self._packages.pop(0))
            else:
                self._begin(root)
            if not self._packages and self._asked.empty():
                self._tell("idle", Path())

    def _listen(self) -> None:
        for line in sys.stdin:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                self._asked.put(Path(json.loads(line)["root"]))
        os._exit(0)  # whoever asked is gone

    def _begin(self, root: Path) -> None:
        """Index a project's own files at once, and line up its packages."""
        note = self._noting(root)
        self._build(root, Target.of_project(root), note)
        targets = [Target.of_package(package) for package in find_packages(root, note)]
        self._tell("packages", root, packages=[[t.name, t.key] for t in targets])
        waiting = {target.key for _, target in self._packages}
        for target in targets:
            if target.fixed and is_built(target):
                self._build(root, target, note)
            elif target.key not in waiting:
                self._packages.append((root, target))
        remove_old_indexes(frozenset(target.key for target in targets))

    def _build(self, root: Path, target: Target, note: Note | None = None) -> None:

        def tell(done: int, total: int) -> None:
            self._tell("progress", root, name=target.name, key=target.key, done=done, total=total)
            self._take_projects(target)

        try:
            build_library(target, tell, note or self._noting(root))
        except IndexingError as error:
            self._tell("failed", root, name=target.name, key=target.key, message=str(error))
        else:
            self._tell("ready", root, name=target.name, key=target.key)

    def _take_projects(self, current: Target) -> None:
        """A package takes minutes; a project that changed meanwhile does not wait for it."""
        if not current.fixed:
            return
        with contextlib.suppress(queue.Empty):
            self._begin(self._asked.get_nowait())

    def _tell(self, kind: str, root: Path, **values: Any) -> None:
        line = json.dumps({"kind": kind, "root": str(root), **values})
        try:
            self._out.write(line + "\n")
            self._out.flush()
        except OSError:
            os._exit(0)

    def _noting(self, root: Path) -> Note:
        """Tells what cannot be read of a project: the first few, the others are too many."""
        numbers = itertools.count()

        def note(message: str) -> None:
            if next(numbers) < _MOST_NOTES:
                self._tell("note", root, message=message)

        return note


def become_idle() -> None:
    """Leave processor and disk to everybody else."""
    process = psutil.Process()
    with contextlib.suppress(OSError, psutil.Error, AttributeError):
        if sys.platform == "win32":
            process.nice(psutil.IDLE_PRIORITY_CLASS)
        else:
            process.nice(19)
    with contextlib.suppress(OSError, psutil.Error, AttributeError, ValueError):
        process.ionice(psutil.IOPRIO_CLASS_IDLE)


if __name__ == "__main__":
    become_idle()
    IndexWorker().run()
