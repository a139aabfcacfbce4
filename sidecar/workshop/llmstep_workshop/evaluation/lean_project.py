"""Runs Lean files inside a Lake project: one process each, with a time limit, and none left behind.

A search starts a sidecar below Lean, and Lean below lake: on time-out the whole process group (on
Windows: the process tree) is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import attrs
import psutil

from llmstep_workshop.errors import LeanProjectError

_TAIL_CHARACTERS = 2000
_CHECK_SECONDS = 600.0


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


class LeanProject:
    """A folder with a lakefile, in which `lake env lean` runs.

    Safe to use from several threads.

    Raises:
        LeanProjectError: The folder is no Lake project, or there is no ``lake`` on the PATH.
    """

    def __init__(self, root: Path) -> None:
        if not any((root / name).is_file() for name in ("lakefile.lean", "lakefile.toml")):
            raise LeanProjectError(
                f"{root} is no Lake project: it has no lakefile",
                hint="Give the folder that holds lakefile.lean or lakefile.toml.",
            )
        lake = shutil.which("lake")
        if lake is None:
            raise LeanProjectError(
                "there is no `lake` on the PATH",
                hint="Install Lean (https://lean-lang.org/install) and open a new terminal.",
            )
        self._root = root.resolve()
        self._lake = lake
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def require_llmstep(self, environment: Mapping[str, str]) -> None:
        """Make sure that a file of the project can import llmstep.

        Raises:
            LeanProjectError: It cannot; the message is Lean's or lake's.
        """
        run = self.run("import LLMstep\n", "Check", _CHECK_SECONDS, environment)
        if run.code != 0:
            why = "it took too long" if run.timed_out else run.first_error() or run.output
            raise LeanProjectError(f"{self._root}: `import LLMstep` does not work: {why}")

    def run(self, text: str, name: str, seconds: float, environment: Mapping[str, str]) -> LeanRun:
        """Run a file.

        Args:
            text: Its text.
            name: Its name, for messages; without an ending.
            seconds: Time after which it is killed, with all that it has started.
            environment: The whole environment of the process.

        Raises:
            LeanProjectError: lake cannot be started.
        """
        # Files, not pipes: a pipe would stay open as long as any grandchild holds it.
        with tempfile.TemporaryDirectory(prefix="llmstep-lean-") as folder:
            file, out, err = (Path(folder) / end for end in (f"{name}.lean", "out", "err"))
            file.write_text(text, encoding="utf-8")
            begin = time.monotonic()
            with out.open("wb") as stdout, err.open("wb") as stderr:
                process = self._start([self._lake, "env", "lean", "--json", str(file)], environment,
                                      stdout, stderr)  # fmt: skip
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

    def _start(self, command: list[str], environment: Mapping[str, str], stdout, stderr):
        with self._lock:
            if self._stopped:
                raise LeanProjectError("the search was stopped", hint="Run the command again.")
            try:
                process = subprocess.Popen(
                    command,
                    cwd=self._root,
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                    start_new_session=os.name == "posix",
                )
            except OSError as error:
                raise LeanProjectError(f"{command[0]} cannot be started: {error}") from error
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
            messages.append(
                LeanMessage(str(raw["severity"]), int(raw["pos"]["line"]), str(raw["data"]))
            )
        except (ValueError, KeyError, TypeError):
            rest.append(line)
    return tuple(messages), "\n".join(rest).strip()
