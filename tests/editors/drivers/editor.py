"""What the scenarios ask of an editor, and the waiting they do; each driver is one editor."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import attrs
import psutil

State = TypeVar("State")
PATIENCE_SECONDS = 120
MARK = "‸"
Observe = Callable[..., None]


@attrs.frozen
class Servers:
    """How the language servers are started.

    Attributes:
        lean: Path of a program that is Lean's language server.
        environ: Variables of the editor and of all that it starts; ``llmstep`` is on its PATH.
    """

    lean: Path
    environ: dict[str, str]


class EditorMissingError(Exception):
    """The editor is not installed; the text says what is missing and how to get it."""


def wait_for(
    read: Callable[[], State], wanted: Callable[[State], object] = bool, what: str = ""
) -> State:
    """Read a state until it is the one wanted; the limit is for a state that never comes."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not wanted(state := read()):
        assert time.monotonic() < end, f"waited for {what or 'a state'}; now it is {state!r}"
        time.sleep(0.02)
    return state


def split_mark(text: str) -> tuple[str, int, int]:
    """The text without its cursor mark, and the mark's line and column, both from zero."""
    before, _, after = text.partition(MARK)
    line = before.count("\n")
    return before + after, line, len(before) - (before.rfind("\n") + 1)


class Editor(ABC):
    """A running editor with one file open."""

    name: ClassVar[str]
    # Whether it runs the sidecar beside Lean's server in one buffer.
    joins_servers: ClassVar[bool] = True
    # What brings a server that was killed back: "by itself", or the user's command.
    restart: ClassVar[str]

    @abstractmethod
    def __init__(self, servers: Servers, folder: Path) -> None:
        """Start the editor.

        Raises:
            EditorMissingError: It is not installed.
        """

    @abstractmethod
    def _call(self, name: str, *arguments: Any) -> Any:
        """Have a command of the driver's script run in the editor; its name in snake case."""

    @property
    def version(self) -> str:
        """The versions of the editor and of its client."""
        return self._call("version")

    @property
    @abstractmethod
    def pid(self) -> int:
        """The process below which the servers run."""

    def open(self, path: Path, servers: Sequence[str]) -> None:
        """Open a file and attach these of ``lean`` and ``llmstep``; returns when they are."""
        self._call("open", str(path), list(servers))
        wait_for(lambda: self._call("attached"), lambda n: n == len(servers), "attached servers")

    def move(self, line: int, column: int) -> None:
        """Put the cursor there; both count from zero, columns in code points."""
        self._call("move", line, column)

    def type(self, text: str) -> None:
        """Press these keys, one after the other, before the cursor."""
        self._call("type", text)

    @property
    def text(self) -> str:
        """The buffer's text."""
        return self._call("text")

    @property
    def messages(self) -> list[str]:
        """What the editor shows of diagnostics."""
        return self._call("messages")

    def settle(self) -> None:
        """Wait until Lean is through with the buffer's text."""
        self._call("settle")

    def list_completions(self) -> list[str]:
        """What is offered at the cursor."""
        return self._call("list_completions")

    def take_completion(self, label: str) -> None:
        """Take one of what is offered."""
        self._call("take_completion", label)

    def list_actions(self) -> list[str]:
        """Titles of the code actions at the cursor."""
        return self._call("list_actions")

    def take_action(self, title: str) -> None:
        """Take the code action whose title begins so."""
        self._call("take_action", title)

    def announces(self, *path: str) -> bool:
        """Whether its client's capabilities have this path, as ``textDocument``, ``completion``."""
        return self._call("announces", list(path))

    @abstractmethod
    def restart_server(self) -> None:
        """What the user does when a second server was seen to end; nothing where none is needed."""

    @abstractmethod
    def close(self) -> None:
        """End the editor."""

    def show(self, path: Path, text: str, servers: Sequence[str]) -> None:
        """Open a file with this text; the cursor stands at the mark."""
        clean, line, column = split_mark(text)
        path.write_text(clean, encoding="utf-8")
        self.open(path, servers)
        self.move(line, column)

    def wait_for_message(self, *parts: str) -> str:
        """Wait until a message with all these parts is shown."""
        shown = wait_for(
            lambda: [m for m in self.messages if all(part in m for part in parts)],
            what=f"a message with {parts}",
        )
        return shown[0]

    def wait_for_action(self, title: str) -> None:
        """Wait until an action with a title that begins so is offered, and take it."""
        wait_for(
            self.list_actions,
            lambda titles: any(t.startswith(title) for t in titles),
            f"the action {title!r}",
        )
        self.take_action(title)

    def wait_for_text(self, text: str) -> None:
        """Wait until the buffer is this."""
        wait_for(lambda: self.text, lambda now: now == text, f"the text {text!r}")

    def find_sidecars(self, *, attached: bool) -> list[psutil.Process]:
        """The sidecars that the editor has started itself, or those that Lean has."""
        editor = psutil.Process(self.pid)
        found = []
        for process in editor.children(recursive=True):
            try:
                words = process.cmdline()
                own = process.ppid() == self.pid
            except psutil.Error:
                continue
            serves = "serve" in words and any("llmstep" in Path(word).name for word in words)
            if serves and own == attached:
                found.append(process)
        return found


def kill(processes: Sequence[psutil.Process]) -> None:
    """Kill them, as the system does when memory runs out, and wait until they are gone."""
    assert processes
    for process in processes:
        process.kill()
    _gone, alive = psutil.wait_procs(processes, timeout=PATIENCE_SECONDS)
    assert not alive


def environment(servers: Servers, folder: Path, **more: str) -> dict[str, str]:
    """Variables for an editor that must not read its user's settings."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    places = {
        name: str(home / name.lower())
        for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")
    }
    return {**os.environ, **servers.environ, **places, "HOME": str(home), **more}


def read_block(page: Path, heading: str, language: str) -> str:
    """The first code block of a language below a heading of a page."""
    _, _, below = page.read_text(encoding="utf-8").partition(f"\n### {heading}")
    _, _, rest = below.partition(f"```{language}\n")
    code, end, _ = rest.partition("```")
    assert end, f"{page.name} has no {language} block below {heading!r}"
    return code
