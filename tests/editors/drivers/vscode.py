"""The protocol packages of VS Code's language client, in Node; they stand for VS Code itself."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.editors.drivers.editor import Editor, EditorMissingError, Servers, environment

FOLDER = Path(__file__).parent
MODULES = FOLDER.parents[2] / "build" / "editors" / "node_modules"


def find_capabilities() -> Path:
    """What VS Code says of itself to a server, as captured by ``pytest-lsp``."""
    import pytest_lsp

    found = sorted((Path(pytest_lsp.__file__).parent / "clients").glob("visual_studio_code_*"))
    if not found:
        raise EditorMissingError("pytest-lsp has no capabilities of VS Code any more")
    return found[-1]


class VSCodeClient(Editor):
    """One connection for each server, one document; edits are applied by VS Code's package."""

    name = "VS Code's client"
    restart = "by itself"

    def __init__(self, servers: Servers, folder: Path) -> None:
        node = shutil.which("node")
        if node is None:
            raise EditorMissingError("Node is not installed: apt-get install nodejs npm")
        if not (MODULES / "vscode-languageserver-protocol").is_dir():
            raise EditorMissingError(
                "the packages of VS Code's client are missing: python tests/editors/install.py"
            )
        environ = environment(servers, folder, LLMSTEP_TEST_MODULES=str(MODULES))
        arguments = [str(servers.lean), str(find_capabilities())]
        self._process = subprocess.Popen(
            [node, str(FOLDER / "vscode.mjs"), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environ,
        )

    def _call(self, name: str, *arguments: Any) -> Any:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        first, *rest = name.split("_")
        function = first + "".join(map(str.capitalize, rest))
        stdin.write(json.dumps([function, *arguments]).encode() + b"\n")
        stdin.flush()
        line = stdout.readline()
        assert line, "the client ended"
        reply = json.loads(line)
        assert "error" not in reply, f"{name}: {reply['error']}"
        return reply.get("value")

    @property
    def pid(self) -> int:
        return self._process.pid

    def type(self, text: str) -> None:
        for key in text:
            super().type(key)

    def restart_server(self) -> None:
        """Nothing: the client starts it again."""

    def close(self) -> None:
        with contextlib.suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
