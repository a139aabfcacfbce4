"""Emacs with eglot or with lsp-mode, as a daemon that is asked through emacsclient."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, ClassVar

from tests.editors.drivers.editor import (
    PATIENCE_SECONDS,
    Editor,
    EditorMissingError,
    Servers,
    environment,
    read_block,
    wait_for,
)

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[2] / "docs" / "editors.md"
CURE = "apt-get install emacs-nox elpa-eglot elpa-lsp-mode"


class Emacs(Editor):
    """Emacs without a user's settings; ``client`` is the feature that speaks to servers."""

    client: ClassVar[str]

    def __init__(self, servers: Servers, folder: Path) -> None:
        emacs, asker = shutil.which("emacs"), shutil.which("emacsclient")
        if emacs is None or asker is None:
            raise EditorMissingError(f"Emacs is not installed: {CURE}")
        self._folder = folder
        self._environ = environment(servers, folder, TERM="dumb")
        self._environ["XDG_RUNTIME_DIR"] = str(folder)
        self._ask = [asker, f"--socket-name={self._socket()}"]
        load = [f"--load={FOLDER / 'emacs.el'}", f"--load={FOLDER / f'emacs_{self.client}.el'}"]
        log = (folder / "emacs.log").open("wb")
        self._process = subprocess.Popen(
            [emacs, "-q", "--no-splash", f"--fg-daemon={self._socket()}", *load],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=self._environ,
        )
        log.close()
        try:
            self._begin(servers)
        except BaseException:
            self.close()
            raise

    def _begin(self, servers: Servers) -> None:
        wait_for(lambda: self._process.poll() is not None or self._is_up(), what="Emacs")
        log = (self._folder / "emacs.log").read_text(encoding="utf-8", errors="replace")
        assert self._process.poll() is None, log
        if not self._call("ready"):
            raise EditorMissingError(f"Emacs has no {self.client}: {CURE}")
        self._set_up(servers)

    def _set_up(self, servers: Servers) -> None:
        self._call("set_up", str(servers.lean))

    def _socket(self) -> Path:
        return self._folder / "socket"

    def _is_up(self) -> bool:
        if not self._socket().exists():
            return False
        asked = subprocess.run(
            [*self._ask, "--eval", "t"], env=self._environ, capture_output=True, check=False
        )
        return asked.returncode == 0

    def _call(self, name: str, *arguments: Any) -> Any:
        question, answer = self._folder / "question.json", self._folder / "answer.json"
        question.write_text(json.dumps([name.replace("_", "-"), *arguments]), encoding="utf-8")
        answer.unlink(missing_ok=True)
        form = f'(llmstep-driver-answer "{question}" "{answer}")'
        asked = subprocess.run(
            [*self._ask, "--eval", form],
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE_SECONDS,
            check=False,
        )
        assert answer.exists(), asked.stdout + asked.stderr
        reply = json.loads(answer.read_text(encoding="utf-8"))
        assert "error" not in reply, f"{name}: {reply['error']}"
        return reply["value"]

    @property
    def pid(self) -> int:
        return self._process.pid

    def restart_server(self) -> None:
        self._call("restart_server")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class EmacsEglot(Emacs):
    """Emacs with eglot: one server for a buffer."""

    name = "Emacs, eglot"
    client = "eglot"
    joins_servers = False
    restart = "`M-x eglot`"

    def restart_server(self) -> None:
        wait_for(lambda: self._call("attached"), lambda count: count == 0, "eglot's notice")
        super().restart_server()


class EmacsLspMode(Emacs):
    """Emacs with lsp-mode; the page's block adds the sidecar."""

    name = "Emacs, lsp-mode"
    client = "lsp"
    restart = "asks, then starts it"

    def _set_up(self, servers: Servers) -> None:
        super()._set_up(servers)
        block = self._folder / "page.el"
        block.write_text(read_block(PAGE, "Emacs, lsp-mode", "elisp"), encoding="utf-8")
        self._call("load", str(block))
