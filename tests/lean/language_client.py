"""A small LSP client that drives ``lean --server`` on the bed."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import check

ANSWER_SECONDS = 120
# Of what an editor can do, that on which what Lean's side sends depends.
CAPABILITIES = {
    "textDocument": {"codeAction": {"resolveSupport": {"properties": ["edit"]}}},
    "workspace": {"workspaceEdit": {"documentChanges": True}},
}


class LanguageClient:
    """One server with one document at a time. Every wait has a limit and fails with what came."""

    def __init__(
        self,
        checker: check.LeanChecker,
        folder: Path,
        capabilities: dict[str, Any] | None = None,
        **environment: str,
    ) -> None:
        self.folder = folder
        self.version = 0
        self.text = ""
        self.uri = ""
        self.diagnostics: list[dict[str, Any]] = []
        self._next = 0
        self._inbox: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._process = subprocess.Popen(
            [*checker.bed.lean_cmd(), "--server", *checker.bed.OPTS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=check.ROOT,
            env={**check.test_environment(), "LEAN_PATH": checker.search_path, **environment},
        )
        threading.Thread(target=self._read, daemon=True).start()
        self._capabilities = CAPABILITIES if capabilities is None else capabilities
        params = {"processId": os.getpid(), "rootUri": None, "capabilities": self._capabilities}
        self.request("initialize", params)
        self.notify("initialized", {})

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        stdin.flush()

    def _read(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        while True:
            length = 0
            while line := stdout.readline().strip():
                name, value = line.split(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            if not length:
                self._inbox.put(None)
                return
            self._inbox.put(json.loads(stdout.read(length)))

    def _receive(self) -> dict[str, Any]:
        message = self._inbox.get(timeout=ANSWER_SECONDS)
        assert message is not None, "the language server ended"
        if message.get("method") == "textDocument/publishDiagnostics":
            params = message["params"]
            if params["uri"] == self.uri:
                # Releases of Lean differ in whether they repeat what they have said.
                if not params.get("isIncremental"):
                    self.diagnostics = []
                self.diagnostics += params["diagnostics"]
        if "method" in message and "id" in message:
            self._send({"id": message["id"], "result": None})
        return message

    def notify(self, method: str, params: object) -> None:
        """Send a notification."""
        self._send({"method": method, "params": params})

    def request(self, method: str, params: object) -> Any:
        """Send a request and wait for its result; an error answer fails the test."""
        message = self.exchange(method, params)
        assert "result" in message, message
        return message["result"]

    def exchange(self, method: str, params: object) -> dict[str, Any]:
        """Send a request and wait for its answer, whichever it is."""
        self._next += 1
        number = self._next
        self._send({"id": number, "method": method, "params": params})
        return self.until(lambda message: message.get("id") == number and "method" not in message)

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next message that is wanted."""
        while not wanted(message := self._receive()):
            pass
        return message

    def open(self, name: str, text: str) -> None:
        """Open a document."""
        self.uri = (self.folder / name).as_uri()
        self.text, self.version, self.diagnostics = text, 1, []
        document = {"uri": self.uri, "languageId": "lean4", "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": document})

    def close(self) -> None:
        """Close the document."""
        self.notify("textDocument/didClose", {"textDocument": {"uri": self.uri}})

    def change(self, text: str) -> None:
        """Replace the document's text."""
        self.version += 1
        self.text = text
        document = {"uri": self.uri, "version": self.version}
        params = {"textDocument": document, "contentChanges": [{"text": text}]}
        self.notify("textDocument/didChange", params)

    def elaborated(self) -> list[str]:
        """Wait until Lean is through with the document; the texts of its diagnostics."""
        params = {"uri": self.uri, "version": self.version}
        self.request("textDocument/waitForDiagnostics", params)
        return [diagnostic["message"] for diagnostic in self.diagnostics]

    def actions(self, line: int, character: int = 4) -> list[dict[str, Any]]:
        """The code actions offered there (both numbers from zero)."""
        position = {"line": line, "character": character}
        params = {
            "textDocument": {"uri": self.uri},
            "range": {"start": position, "end": position},
            "context": {"diagnostics": self.diagnostics},
        }
        return self.request("textDocument/codeAction", params) or []

    def apply(self, action: dict[str, Any]) -> str:
        """Apply an action's edit, as an editor does that knows no more than it has said."""
        if self._capabilities.get("workspace"):
            (edit,) = action["edit"]["documentChanges"][0]["edits"]
        else:
            (edit,) = action["edit"]["changes"][self.uri]
        lines = self.text.split("\n")
        start, end = edit["range"]["start"], edit["range"]["end"]
        head = "\n".join([*lines[: start["line"]], _cut(lines[start["line"]], start, 0)])
        tail = "\n".join([_cut(lines[end["line"]], end, 1), *lines[end["line"] + 1 :]])
        self.change(head + edit["newText"] + tail)
        return self.text

    def stop(self) -> None:
        """Shut the server down."""
        if self._process.poll() is None:
            self.request("shutdown", None)
            self.notify("exit", None)
            self._process.wait(ANSWER_SECONDS)


def _cut(line: str, position: dict[str, int], side: int) -> str:
    units = line.encode("utf-16-le")
    at = 2 * position["character"]
    return (units[:at], units[at:])[side].decode("utf-16-le")
