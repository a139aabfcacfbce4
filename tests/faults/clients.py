"""A client that is its own process's friend: it keeps count of what it has asked."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmstep.runtime import control

PATIENCE_S = 90.0
GOAL = "p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q"


class Client:
    """One `llmstep serve` and what it has answered.

    Args:
        home: `LLMSTEP_HOME`.
        arguments: Of `llmstep serve`.
        environ: Further variables.
        python: Interpreter and module path, for another installation.
        folder: Its working folder.
        process_id: What `initialize` names as the client's process.
    """

    def __init__(
        self,
        home: Path,
        *arguments: str,
        environ: Mapping[str, str] | None = None,
        process_id: int | None = None,
        editor: bool = False,
        folder: Path | None = None,
    ) -> None:
        variables = {k: v for k, v in os.environ.items() if not k.startswith("LLMSTEP_")}
        variables |= {
            "LLMSTEP_HOME": str(home),
            "LLMSTEP_CACHE": "off",
            "LLMSTEP_KEEP_ALIVE": "0.1",
        }
        variables |= environ or {}
        self.stderr = home.parent / f"stderr-{time.monotonic_ns()}.txt"
        with self.stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "llmstep", "serve", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=variables,
                cwd=folder,
            )
        self._ids = 0
        self._answers: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.answers: dict[Any, list[dict[str, Any]]] = {}
        self.others: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        params: dict[str, Any] = {
            "processId": os.getpid() if process_id is None else process_id,
            "rootUri": None,
            "capabilities": {"textDocument": {}} if editor else {},
        }
        if not editor:
            params["initializationOptions"] = {"protocolVersion": 1, "client": "lean"}
        self.welcome = self.ask("initialize", params)
        self.notify("initialized", {})

    def _read(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        with contextlib.suppress(ValueError, OSError):
            while header := stream.readline():
                assert header.startswith(b"Content-Length: "), header
                length = int(header.split(b":")[1])
                stream.readline()
                self._answers.put(json.loads(stream.read(length)))
        self._answers.put(None)

    def send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self.process.stdin.flush()

    def notify(self, method: str, params: Any) -> None:
        self.send({"method": method, "params": params})

    def begin(self, method: str, params: Any = None) -> int:
        """Send a request; its id."""
        self._ids += 1
        message = {"id": self._ids, "method": method}
        self.send({**message, "params": params} if params is not None else message)
        return self._ids

    def suggest(self, goal: str = GOAL, **params: Any) -> int:
        return self.begin("llmstep/suggest", {"goals": [goal], "prefix": "", **params})

    def answer(self, identifier: int, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        """The answer to a request."""
        deadline = time.monotonic() + timeout_s
        while identifier not in self.answers:
            message = self._answers.get(timeout=max(0.0, deadline - time.monotonic()))
            assert message is not None, f"the front is gone: {self.stderr.read_text()}"
            if "method" in message:
                self.others.append(message)
            else:
                self.answers.setdefault(message.get("id"), []).append(message)
        return self.answers[identifier][0]

    def ask(self, method: str, params: Any = None) -> dict[str, Any]:
        return self.answer(self.begin(method, params))

    def tactics(self, goal: str = GOAL, **params: Any) -> list[str]:
        answer = self.answer(self.suggest(goal, **params))
        assert "result" in answer, answer
        return [suggestion["tactic"] for suggestion in answer["result"]["suggestions"]]

    def engine(self) -> dict[str, Any]:
        return self.ask("llmstep/status")["result"]["engine"]

    def is_running(self) -> bool:
        """Whether a generation has begun and not ended."""
        return self.ask("llmstep/status")["result"]["queue"]["running"] > 0

    def end(self) -> int:
        """Close the input and wait; nothing was answered twice, and nothing left unanswered."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        code = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        own = [answers for key, answers in self.answers.items() if isinstance(key, int)]
        assert all(len(answers) == 1 for answers in own), "answered twice"
        return code

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def engine_pids(home: Path) -> list[int]:
    """The engines that run for a home."""
    before = os.environ.get("LLMSTEP_HOME")
    os.environ["LLMSTEP_HOME"] = str(home)
    try:
        reports = [control.ask_engine(place, "describe") for place in control.list_places()]
    finally:
        if before is None:
            del os.environ["LLMSTEP_HOME"]
        else:
            os.environ["LLMSTEP_HOME"] = before
    return [int(str(report.values["pid"])) for report in reports if report.values]


def is_gone(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_until(holds: Any, what: str, timeout_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
