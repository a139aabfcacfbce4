"""A bare client: it writes any bytes to the real process and reads the frames that come back."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llmstep.runtime import control

CONTRACT = Path(__file__).parents[1] / "contract"
PATIENCE_SECONDS = 60


def stop_engines(home: Path) -> None:
    """End the engines of a home at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMSTEP_HOME", str(home))
        for place in control.list_places():
            pid = control.ask_engine(place, "describe").values.get("pid")
            if isinstance(pid, int):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def read_golden(name: str) -> dict[str, Any]:
    return json.loads((CONTRACT / f"{name}.json").read_text(encoding="utf-8"))


class PipeClient:
    """One `llmstep serve` and both its pipes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self.stdin = process.stdin
        self.stdout = process.stdout
        self.noise = b""
        self.messages: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._passed: list[dict[str, Any]] = []
        self._reader: threading.Thread | None = None
        self._next_id = 100

    def start_reading(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while header := self.stdout.readline():
            if not header.startswith(b"Content-Length: "):
                self.noise += header
                continue
            length = int(header.split(b":")[1])
            assert self.stdout.readline() == b"\r\n"
            self.messages.put(json.loads(self.stdout.read(length)))
        self.messages.put(None)

    def write(self, data: bytes) -> None:
        self.stdin.write(data)
        self.stdin.flush()

    def send_body(self, body: bytes) -> None:
        self.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    def send(self, message: Any) -> None:
        self.send_body(json.dumps(message).encode())

    def receive(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first message that fits, an earlier one that nobody has asked for included."""
        for message in self._passed:
            if wanted(message):
                self._passed.remove(message)
                return message
        while True:
            message = self.messages.get(timeout=PATIENCE_SECONDS)
            assert message is not None, f"the server is gone: {self.process.wait(5)}"
            if wanted(message):
                return message
            self._passed.append(message)

    def answer(self, identifier: Any) -> dict[str, Any]:
        return self.receive(lambda m: "method" not in m and m.get("id") == identifier)

    def error_without_id(self) -> dict[str, Any]:
        return self.receive(lambda m: "error" in m and m["id"] is None)["error"]

    def request(self, method: str, params: Any = None) -> dict[str, Any]:
        self._next_id += 1
        message = {"jsonrpc": "2.0", "id": self._next_id, "method": method}
        if params is not None:
            message["params"] = params
        self.send(message)
        return self.answer(self._next_id)

    def notify(self, method: str, params: Any = None) -> None:
        message = {"jsonrpc": "2.0", "method": method}
        if params is not None:
            message["params"] = params
        self.send(message)

    def initialize(self, **options: Any) -> dict[str, Any]:
        message = read_golden("client.initialize")
        message["params"]["processId"] = os.getpid()
        message["params"]["initializationOptions"].update(options)
        self.send(message)
        answer = self.answer(message["id"])
        self.send(read_golden("client.initialized"))
        return answer

    def suggest(self, goal: str = "⊢ 1 + 1 = 2", prefix: str = "", **params: Any) -> Any:
        return self.request("llmstep/suggest", {"goals": [goal], "prefix": prefix, **params})

    def assert_alive(self) -> None:
        """The server answers a good request, and nothing else has slipped into the stream."""
        assert self.suggest()["result"]["suggestions"]
        assert self.noise == b""

    def end(self) -> int:
        self.stdin.close()
        code = self.process.wait(PATIENCE_SECONDS)
        if self._reader is not None:
            self._reader.join(PATIENCE_SECONDS)
        self.stdout.close()
        return code


@pytest.fixture
def golden() -> Callable[[str], dict[str, Any]]:
    """Reads one message of the contract."""
    return read_golden


StartServer = Callable[..., PipeClient]


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Starts sidecars, by default with the scripted backend, in a home of their own.

    They share an engine, which leaves soon after the last of them; a program of the test's own,
    which changes what the sidecar does, is the whole sidecar itself.
    """
    clients: list[PipeClient] = []
    stderr = (tmp_path / "stderr.txt").open("wb")

    def start(
        *arguments: str,
        script: Any = None,
        program: str | None = None,
        read: bool = True,
        environ: dict[str, str] | None = None,
        in_process: bool = False,
    ) -> PipeClient:
        values = {k: v for k, v in os.environ.items() if not k.startswith("LLMSTEP_")}
        values |= {"LLMSTEP_HOME": str(tmp_path / "home"), "LLMSTEP_CACHE": "off"}
        values["LLMSTEP_KEEP_ALIVE"] = "0.02"
        if in_process or program is not None:
            values["LLMSTEP_IN_PROCESS"] = "1"
        if script is not None:
            path = tmp_path / "script.json"
            path.write_text(json.dumps(script), encoding="utf-8")
            values["LLMSTEP_ECHO_SCRIPT"] = str(path)
        if not arguments or "echo" in arguments:
            values["LLMSTEP_SOURCES"] = "model"
        entry = ["-m", "llmstep"] if program is None else ["-c", program]
        command = [sys.executable, *entry, "serve", *(arguments or ("--model", "echo"))]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=values | (environ or {}),
        )
        client = PipeClient(process)
        if read:
            client.start_reading()
        clients.append(client)
        return client

    yield start
    for client in clients:
        client.process.kill()
        client.process.wait()
        with contextlib.suppress(BrokenPipeError):  # what was never read
            client.stdin.close()
    stderr.close()
    stop_engines(tmp_path / "home")


@pytest.fixture
def echo(start_server: StartServer) -> PipeClient:
    """An initialized sidecar with the scripted backend."""
    client = start_server()
    assert "result" in client.initialize()
    return client
