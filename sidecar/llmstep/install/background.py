"""Building llama.cpp while the rest of llmstep is in use already.

One detached process per environment builds; how far it is stands in a file in the environment, for
`llmstep status`, the doctor and whoever waits.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Literal

from llmstep.console import Console, Progress, describe_progress, format_seconds
from llmstep.errors import LLMStepError
from llmstep.install.llama_cpp import PACKAGE, build_llama_cpp
from llmstep.replacement import replacing

State = Literal["running", "done", "failed", "died"]
FILE_NAME = "llmstep-llama-build.json"
LOG_NAME = "llmstep-llama-build.log"
# Seconds between two states of the file, and after how many a silent process counts as dead where
# it cannot be asked for.
_EVERY_S = 1.0
_SILENT_S = 120.0


@dataclasses.dataclass(frozen=True)
class Build:
    """A build that was started in the background.

    Attributes:
        state: ``died`` where the process is gone without a word, as after a restart.
        pid: Its process.
        began: When it began, in seconds since 1970.
        seen: When it last said something, likewise.
        title: What it is doing.
        done: Files that are compiled; 0 before the compiler runs.
        total: Files there are; 0 before the compiler runs.
        left_s: Seconds that are left, by the files so far; ``None`` while that is unknown.
        message: Why it failed.
        hint: What to do about it.
        log: File with all that the build has written.
    """

    state: State
    pid: int
    began: float
    seen: float
    title: str = "starting"
    done: int = 0
    total: int = 0
    left_s: float | None = None
    message: str = ""
    hint: str = ""
    log: str = ""

    def describe(self) -> str:
        """One line for people."""
        if self.state == "running":
            spent = max(0.0, self.seen - self.began)
            counter = describe_progress(
                Progress(self.title, spent, self.done, self.total, self.left_s)
            )
            return f"{self.title}, {format_seconds(spent)} so far {counter}".rstrip()
        if self.state == "done":
            return f"built in {format_seconds(self.seen - self.began)}"
        if self.state == "died":
            return "the build ended without a word (a restart of the machine, or it was killed)"
        return self.message


def read_build(prefix: Path) -> Build | None:
    """The build of the environment in this folder; ``None`` if none was started."""
    try:
        values = json.loads((prefix / FILE_NAME).read_text(encoding="utf-8"))
        build = Build(**values)
        if build.state == "running" and not _is_alive(build):
            build = dataclasses.replace(build, state="died", hint="Run `llmstep doctor --fix`.")
    except (OSError, ValueError, TypeError):
        return None
    return build


def find_running(prefix: Path) -> Build | None:
    """The build that runs in this folder's environment; ``None`` if none does."""
    build = read_build(prefix)
    return build if build is not None and build.state == "running" else None


def start_build(python: Path, prefix: Path) -> Build:
    """Start to build in the background, unless a build runs already; returns at once.

    In the folder ``prefix`` lies an environment with llmstep in it, which ``python`` belongs to.

    Raises:
        LLMStepError: The process cannot be started, or the folder cannot be written.
    """
    running = find_running(prefix)
    if running is not None:
        return running
    log = prefix / LOG_NAME
    try:
        with log.open("w", encoding="utf-8") as stream:
            command = [str(python), "-m", "llmstep.install.background", str(prefix)]
            pid = start_detached(command, stream)
        now = time.time()
        build = Build("running", pid, now, now, log=str(log))
        _write(prefix, build)
    except OSError as error:
        raise LLMStepError(
            f"the build cannot be started in the background: {error}",
            hint="Build in the foreground: `llmstep doctor --fix`.",
        ) from error
    return build


def start_detached(command: Sequence[str], output: IO[str] | int) -> int:
    """Start a process that outlives this one and its terminal; returns its id.

    Raises:
        OSError: It cannot be started.
    """
    windows = 0
    if sys.platform == "win32":
        windows = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        creationflags=windows,
    ).pid


def follow_build(console: Console, prefix: Path) -> Build | None:
    """Show a running build until it has ended; an interrupt leaves it running.

    Returns:
        The build as it ended; ``None`` where none was started.

    Raises:
        LLMStepError: It failed, or died.
    """
    shown = ""
    build = read_build(prefix)
    while build is not None and build.state == "running":
        text = build.describe()
        step = f"{build.title} {build.done * 10 // build.total if build.total else 0}"
        if step != shown:
            console.note(text)
            shown = step
        time.sleep(_EVERY_S)
        build = read_build(prefix)
    if build is not None and build.state in ("failed", "died"):
        raise LLMStepError(build.describe(), hint=build.hint)
    return build


def run_build(prefix: Path) -> int:
    """Build llama.cpp into this Python's environment, keeping the state file up to date."""
    now = time.time()
    build = Build("running", os.getpid(), now, now, log=str(prefix / LOG_NAME))
    with contextlib.suppress(AttributeError, OSError):
        os.nice(5)  # an editor is in use beside it
    last = 0.0

    def take(progress: Progress) -> None:
        nonlocal build, last
        if time.monotonic() - last < _EVERY_S:
            return
        last = time.monotonic()
        build = dataclasses.replace(
            build,
            seen=time.time(),
            title=progress.title,
            done=progress.done,
            total=progress.total,
            left_s=progress.left_s,
        )
        with contextlib.suppress(OSError):
            _write(prefix, build)

    console = Console(sys.stdout, live=False, log=prefix / LOG_NAME, on_progress=take)
    try:
        build_llama_cpp(console, Path(sys.executable))
        end = dataclasses.replace(build, state="done", title=f"{PACKAGE} is there")
    except LLMStepError as error:
        end = dataclasses.replace(build, state="failed", message=error.message, hint=error.hint)
    except BaseException as error:
        end = dataclasses.replace(
            build,
            state="failed",
            message=f"the build was ended: {type(error).__name__} {error}".rstrip(),
            hint="Run `llmstep doctor --fix` to begin again.",
        )
    with contextlib.suppress(OSError):
        _write(prefix, dataclasses.replace(end, seen=time.time(), left_s=None))
    return 0 if end.state == "done" else 1


def _write(prefix: Path, build: Build) -> None:
    with replacing(prefix / FILE_NAME) as path:
        path.write_text(json.dumps(dataclasses.asdict(build)), encoding="utf-8")


def _is_alive(build: Build) -> bool:
    if os.name != "posix":
        # There, asking for a process by its number can end it.
        return time.time() - build.seen < _SILENT_S
    try:
        os.kill(build.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is there, and somebody else's: the number was given anew
    # A number that was given to another process after a restart: that one writes no state.
    return time.time() - build.seen < _SILENT_S


if __name__ == "__main__":
    sys.exit(run_build(Path(sys.argv[1])))
