"""Runs Lean files: one process each, with a time limit, and none left behind.

A file may start programs of its own (a search starts a sidecar below Lean, and Lean stands below
lake): on time-out the whole process group, on Windows the process tree, is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import attrs
import psutil

from llmstep_workshop.errors import LeanRunError

_TAIL_CHARACTERS = 2000


@attrs.frozen
class LeanMessage:
    """One message of ``lean --json``.

    Attributes:
        severity: ``error``, ``warning`` or ``information``.
        line: Where it is shown, from 1 on.
        text: What it says.
    """

    severity: str
    line: int
    text: str


@attrs.frozen
class LeanRun:
    """What came of one file.

    Attributes:
        messages: In the order Lean gave them.
        code: Exit status; ``None`` if it was killed for its time.
        seconds: How long it took.
        output: The end of what was printed besides messages, e.g. lake's own errors.
    """

    messages: tuple[LeanMessage, ...]
    code: int | None
    seconds: float
    output: str = ""

    @property
    def timed_out(self) -> bool:
        """Whether it was killed for its time."""
        return self.code is None

    def first_error(self, line: int = 1) -> str:
        """Text of the first error at or below a line; empty if there is none."""
        for message in self.messages:
            if message.severity == "error" and message.line >= line:
                return message.text
        return ""

    def errors(self) -> list[tuple[int, str]]:
        """Lean's errors, as line and text."""
        return [(m.line, m.text) for m in self.messages if m.severity == "error"]


class LeanRunner:
    """A way to run Lean. Safe to use from several threads.

    Args:
        command: The command before its arguments, such as ``lake env lean``.
        folder: Where it runs: a Lean project, or ``None`` for here.
    """

    def __init__(self, command: Sequence[str], folder: Path | None = None) -> None:
        self.command = tuple(command)
        self.folder = folder
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def run(
        self,
        text: str,
        name: str,
        seconds: float,
        environment: Mapping[str, str] | None = None,
    ) -> LeanRun:
        """Run a file.

        Args:
            text: Its text.
            name: Its name, for messages; without an ending.
            seconds: Time after which it is killed, with all that it has started.
            environment: The whole environment of the process; this one's by default.

        Raises:
            LeanRunError: Lean cannot be started, or everything was stopped.
        """
        # Files, not pipes: a pipe would stay open as long as any grandchild holds it.
        with tempfile.TemporaryDirectory(prefix="llmstep-lean-") as folder:
            file, out, err = (Path(folder) / end for end in (f"{name}.lean", "out", "err"))
            file.write_text(text, encoding="utf-8", newline="\n")
            begin = time.monotonic()
            with out.open("wb") as stdout, err.open("wb") as stderr:
                process = self._start(file, environment, stdout, stderr)
                code = self._wait(process, seconds)
            took = time.monotonic() - begin
            messages, rest = _parse_output(out.read_text("utf-8", "replace"))
            output = f"{rest}\n{err.read_text('utf-8', 'replace')}".strip()
        return LeanRun(messages, code, took, output[-_TAIL_CHARACTERS:])

    def stop(self) -> None:
        """Kill all that runs, and start nothing more."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            if process.poll() is None:
                _kill_group(process)

    def _start(
        self,
        file: Path,
        environment: Mapping[str, str] | None,
        stdout: IO[bytes],
        stderr: IO[bytes],
    ) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._stopped:
                raise LeanRunError("Lean was stopped", hint="Run the command again.")
            try:
                process = subprocess.Popen(
                    [*self.command, "--json", str(file)],
                    cwd=self.folder,
                    env=None if environment is None else dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                    start_new_session=os.name == "posix",
                )
            except OSError as error:
                raise LeanRunError(f"`{self.command[0]}` cannot be started: {error}") from error
            self._running.add(process)
            return process

    def _wait(self, process: subprocess.Popen[bytes], seconds: float) -> int | None:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process.poll() is None:
                _kill_group(process)
                process.wait()
            with self._lock:
                self._running.discard(process)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that still runs, and everything below it."""
    with contextlib.suppress(psutil.Error):
        below = psutil.Process(process.pid).children(recursive=True)
        if os.name == "posix":
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
        # Those in a group of their own, and on Windows all of them.
        for child in below:
            with contextlib.suppress(psutil.Error):
                child.kill()
    with contextlib.suppress(OSError):
        process.kill()


def _parse_output(text: str) -> tuple[tuple[LeanMessage, ...], str]:
    """Lean's messages, and the lines that are none."""
    messages: list[LeanMessage] = []
    rest: list[str] = []
    for line in text.splitlines():
        try:
            raw = json.loads(line)
            # What Lean says of the file as a whole has no place in it.
            place = (raw.get("pos") or {}).get("line", 0)
            messages.append(LeanMessage(str(raw["severity"]), int(place), str(raw["data"])))
        except (ValueError, KeyError, TypeError, AttributeError):
            rest.append(line)
    return tuple(messages), "\n".join(rest).strip()
