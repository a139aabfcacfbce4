"""Numbered steps with a live line for long commands; a quiet heartbeat where no terminal is.

Standard library only: ``bootstrap.py`` uses it before anything is installed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from llmstep.errors import LLMStepError

# ninja writes "[12/180] Building CXX object ..." for each finished step.
_NINJA = re.compile(r"\[(\d+)/(\d+)\]")
_TAIL_LINES = 400
_TELLING_STEPS = 8
# An estimate is corrected when it is off by more than this factor.
_TOLERANCE = 1.3


class CommandError(LLMStepError):
    """A command ended with an error.

    Attributes:
        output: The last lines it wrote (stdout and stderr together).
    """

    def __init__(self, message: str, output: str) -> None:
        super().__init__(message)
        self.output = output


def format_seconds(seconds: float) -> str:
    """Write a span of time for people: ``0.4 s``, ``12 s``, ``3 min 05 s``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


def describe_progress(progress: Progress) -> str:
    """``[k/n] about 2 min left`` while ninja counts, else nothing."""
    if not progress.total:
        return ""
    counter = f"[{progress.done}/{progress.total}]"
    if progress.left_s is None:
        return counter
    return f"{counter} about {format_seconds(_rounded(progress.left_s))} left"


def _rounded(seconds: float) -> float:
    return max(10.0, round(seconds, -1))


def explain_failure(output: str) -> str | None:
    """Say in one sentence why a package command failed, where its output shows a known cause."""
    causes = {
        "the disk is full": ("No space left on device", "ENOSPC"),
        "no package index could be reached (no network, or a proxy is needed)": (
            "Name or service not known",
            "Temporary failure in name resolution",
            "nodename nor servname",
            "getaddrinfo failed",
            "NameResolutionError",
            "Failed to resolve",
            "Network is unreachable",
            "Failed to establish a new connection",
            "Connection refused",
            "ConnectTimeoutError",
            "dns error",
            "tcp connect error",
            "error sending request",
            # What pip is left with in the end: a package everybody has, and no version of it.
            "(from versions: none)",
        ),
        "a certificate was not accepted": (
            "CERTIFICATE_VERIFY_FAILED",
            "invalid peer certificate",
        ),
    }
    for cause, signs in causes.items():
        if any(sign in output for sign in signs):
            return cause
    return None


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a long command is.

    Attributes:
        title: What it does.
        elapsed_s: Seconds since it began.
        done: Steps that are finished, of those ninja counts; 0 before it counts.
        total: How many there are; 0 before it counts.
        left_s: Seconds that are left by the steps so far; ``None`` while too few are finished.
    """

    title: str
    elapsed_s: float
    done: int = 0
    total: int = 0
    left_s: float | None = None


class Console:
    """Prints what is being done and how far it is.

    Args:
        stream: Where to print; standard error by default.
        live: Rewrite one status line in place (terminals); ``None`` finds out.
        heartbeat_s: Without a terminal, seconds between two signs of life.
        log: File that receives the full output of every command.
        on_progress: Called about twice a second while a command runs.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        live: bool | None = None,
        heartbeat_s: float = 30.0,
        log: Path | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        if live is None:
            live = (
                self._stream.isatty()
                and os.environ.get("TERM") != "dumb"
                and not os.environ.get("CI")
            )
        self._live = live
        self._heartbeat_s = heartbeat_s
        self._on_progress = on_progress
        self.log = log
        self._step = 0
        self._steps = 0

    def plan(self, steps: int) -> None:
        """Announce how many numbered steps will follow."""
        self._step, self._steps = 0, steps

    def step(self, title: str) -> None:
        """Begin the next numbered step."""
        self._step += 1
        self.say(f"[{self._step}/{self._steps}] {title}")

    def say(self, text: str) -> None:
        """Print one line."""
        # A Windows console with an old code page must not end the set-up over one character.
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        safe = text.encode(encoding, "replace").decode(encoding)
        print(safe, file=self._stream, flush=True)

    def note(self, text: str) -> None:
        """Print one line that belongs to the current step."""
        self.say(f"      {text}")

    def run(
        self,
        title: str,
        command: Sequence[str | Path],
        *,
        expect: str = "",
        expect_s: tuple[float, float] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> str:
        """Run a command to its end, showing elapsed time and, from ninja's ``[k/n]``, the rest.

        Where the first steps show that the whole takes another time than expected, this is said.

        Args:
            title: What it does, as in "building llama.cpp".
            command: Program and arguments.
            expect: What to expect of it, such as how long it takes.
            expect_s: The shortest and longest time that was announced, in seconds.
            env: Its environment; this process's by default.

        Returns:
            The last lines it wrote.

        Raises:
            CommandError: It could not be started or ended with an error.
        """
        arguments = [str(part) for part in command]
        self.note(f"{title}: {expect}" if expect else title)
        started = time.monotonic()
        try:
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                text=True,
                encoding="utf-8",
                errors="replace",
                # Its own group, so that an interrupt ends the compilers below it too.
                start_new_session=os.name == "posix",
            )
        except OSError as error:
            raise CommandError(f"{arguments[0]} cannot be started: {error}", "") from error
        watch = _Watch(process, arguments, self.log)
        try:
            self._wait(watch, started, title, expect_s)
        except BaseException:
            _end(process)
            raise
        finally:
            self._wipe()
        code = watch.finish()
        output = "\n".join(watch.tail)
        if code != 0:
            message = f"{title}: failed after {format_seconds(time.monotonic() - started)}"
            cause = explain_failure(output)
            raise CommandError(f"{message}: {cause}" if cause else message, output)
        self.note(f"done in {format_seconds(time.monotonic() - started)}")
        return output

    def _wait(
        self, watch: _Watch, started: float, title: str, expect_s: tuple[float, float] | None
    ) -> None:
        next_beat = started + self._heartbeat_s
        while not watch.wait(0.2 if self._live else 0.5):
            now = time.monotonic()
            progress = watch.progress(title, now - started, now)
            if self._on_progress is not None:
                self._on_progress(progress)
            if expect_s is not None and progress.left_s is not None:
                whole = progress.elapsed_s + progress.left_s
                if not expect_s[0] / _TOLERANCE <= whole <= expect_s[1] * _TOLERANCE:
                    self._wipe()
                    self.note(
                        f"the first {progress.done} of {progress.total} files say: "
                        f"about {format_seconds(_rounded(whole))} in all"
                    )
                    expect_s = (whole, whole)  # said again if it changes as much once more
            text = describe_progress(progress)
            if self._live:
                self._draw(f"      {format_seconds(round(now - started))}  {text}")
            elif now >= next_beat:
                next_beat = now + self._heartbeat_s
                self.note(f"... {format_seconds(now - started)}{'  ' if text else ''}{text}")

    def _draw(self, text: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        self._stream.write("\r\x1b[K" + text[:width])
        self._stream.flush()

    def _wipe(self) -> None:
        if self._live:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


class _Watch:
    """Reads a process's output on a thread: keeps the tail, the log and the ninja counters."""

    def __init__(
        self, process: subprocess.Popen[str], arguments: Sequence[str], log: Path | None
    ) -> None:
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._process = process
        self._counter: tuple[int, int] | None = None
        self._counting_since: float | None = None
        self._arguments = arguments
        self._log = log
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Wait a moment; whether the process has ended."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def finish(self) -> int:
        """The exit code, once all output has been read.

        A grandchild that outlives the process keeps the pipe open, so reading is not waited
        for without end.
        """
        self._thread.join(timeout=10)
        return self._process.returncode

    def progress(self, title: str, elapsed_s: float, now: float) -> Progress:
        """What ninja's counter says; the rest is told once enough files are finished."""
        if self._counter is None or self._counting_since is None:
            return Progress(title, elapsed_s)
        done, total = self._counter
        spent = now - self._counting_since
        # The first steps are small files and say little about the rest.
        if done < _TELLING_STEPS or spent < 10 or done >= total:
            return Progress(title, elapsed_s, done, total)
        return Progress(title, elapsed_s, done, total, spent * (total - done) / done)

    def _read(self) -> None:
        stream = self._process.stdout
        if stream is None:
            return
        with contextlib.ExitStack() as stack:
            log = None
            if self._log is not None:
                # A log that cannot be written is no reason to stop an installation.
                with contextlib.suppress(OSError):
                    log = stack.enter_context(self._log.open("a", encoding="utf-8"))
                    log.write(f"$ {' '.join(self._arguments)}\n")
            for line in stream:
                self.tail.append(line.rstrip("\n"))
                if log is not None:
                    with contextlib.suppress(OSError):
                        log.write(line)
                match = _NINJA.search(line)
                if match:
                    if self._counting_since is None:
                        self._counting_since = time.monotonic()
                    self._counter = (int(match[1]), int(match[2]))


def _end(process: subprocess.Popen[str]) -> None:
    """End a process and, where there are process groups, everything it started."""
    with contextlib.suppress(OSError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGTERM)
        else:
            process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(OSError):
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait(5)
