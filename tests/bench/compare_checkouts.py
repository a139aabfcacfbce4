"""Two checkouts side by side: spawn to first suggestion, warm, memory, an editor's `initialize`.

    python tests/bench/compare_checkouts.py BEFORE AFTER [--rounds 9]

Each argument is a checkout with an environment of its own (`.venv`). The two take turns, round by
round, so that whatever else the machine does hits both; quote the ratios. Every round has a home
folder of its own: nothing is running yet and nothing is remembered. Only messages are measured that
both versions know, as a client meets them; Linux, as memory is read from /proc.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from bench_handshake import EDITOR_CAPABILITIES, read_frame
from common import load_cases

CANDIDATES = 8
LEAN_OPTIONS = {"protocolVersion": 1, "client": "llmstep"}


class Client:
    """One `llmstep serve` of a checkout, spoken to in frames.

    Args:
        checkout: The checkout, with its `.venv`.
        home: Folder for all of its files.
    """

    def __init__(self, checkout: Path, home: str) -> None:
        self.begin = time.perf_counter()
        self._id = 0
        self._process = subprocess.Popen(
            [checkout / ".venv" / "bin" / "python", "-m", "llmstep", "serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # As a user has it: compiled once, then read.
            env={
                **os.environ,
                "LLMSTEP_HOME": home,
                "LLMSTEP_CACHE": "false",
                "PYTHONDONTWRITEBYTECODE": "",
            },
            cwd=home,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def send(self, method: str, params: dict[str, Any], *, wanted: bool = True) -> None:
        """Send a request, or a notification."""
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        if wanted:
            self._id += 1
            message["id"] = self._id
        body = json.dumps(message).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def wait(self, *, part: bool = False) -> dict[str, Any]:
        """The last request's reply; or the first part of its answer, if that is sooner."""
        assert self._process.stdout is not None
        while True:
            message = json.loads(read_frame(self._process.stdout))
            if part and message.get("method") == "$/progress":
                return message
            if message.get("id") == self._id and "method" not in message:
                assert "error" not in message, message
                return message["result"]

    def initialize(self, capabilities: dict[str, Any], options: dict[str, Any] | None) -> float:
        """Milliseconds from the process's start to the reply."""
        params = {"processId": os.getpid(), "rootUri": None, "capabilities": capabilities}
        self.send(
            "initialize", params if options is None else params | {"initializationOptions": options}
        )
        self.wait()
        taken = (time.perf_counter() - self.begin) * 1000
        self.send("initialized", {}, wanted=False)
        return taken

    def ask(self, goal: str, prefix: str) -> tuple[float, float]:
        """Ask for suggestions; when the first came, and when all (`time.perf_counter`)."""
        params = {"goals": [goal], "prefix": prefix, "n": CANDIDATES, "partialResultToken": "part"}
        self.send("llmstep/suggest", params)
        message = self.wait(part=True)
        first = time.perf_counter()
        if message.get("method") == "$/progress":
            message = self.wait()
        assert message["suggestions"], message
        assert not message.get("partial"), message
        return first, time.perf_counter()


def belonging_to(home: str) -> list[psutil.Process]:
    """The processes that were started for a home folder, whoever their parent is by now."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("LLMSTEP_HOME") == home:
                found.append(process)
    return found


def memory_mb(home: str) -> float:
    """Proportional memory of all of them: pages that several share count once."""
    return sum(process.memory_full_info().pss for process in belonging_to(home)) / 1e6


def measure(checkout: Path) -> dict[str, float]:
    """One round of one checkout."""
    cases = load_cases()
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as home:
        try:
            with Client(checkout, home) as editor:
                figures["editor: initialize, nothing running"] = editor.initialize(
                    EDITOR_CAPABILITIES, None
                )
        finally:
            end_all(home)
    with tempfile.TemporaryDirectory() as home:
        try:
            with Client(checkout, home) as lean:
                figures["Lean: initialize, nothing running"] = lean.initialize({}, LEAN_OPTIONS)
                first, whole = lean.ask(*cases[0])
                figures["spawn to first suggestion"] = (first - lean.begin) * 1000
                figures["spawn to whole answer"] = (whole - lean.begin) * 1000
                warm: list[tuple[float, float]] = []
                for goal, prefix in cases:
                    asked = time.perf_counter()
                    first, whole = lean.ask(goal, prefix)
                    warm.append(((first - asked) * 1000, (whole - asked) * 1000))
                figures["warm, first suggestion"] = statistics.median(times[0] for times in warm)
                figures["warm, whole answer"] = statistics.median(times[1] for times in warm)
                figures["memory, one client (MB)"] = memory_mb(home)
                with Client(checkout, home) as editor:
                    figures["editor: initialize, Lean being served"] = editor.initialize(
                        EDITOR_CAPABILITIES, None
                    )
                with Client(checkout, home) as other:
                    figures["second file: initialize"] = other.initialize({}, LEAN_OPTIONS)
                    first, _ = other.ask(*cases[0])
                    figures["second file: spawn to first suggestion"] = (first - other.begin) * 1000
                    figures["memory, two clients (MB)"] = memory_mb(home)
        finally:
            end_all(home)
    return figures


def end_all(home: str) -> None:
    """End what was started for a home folder."""
    processes = belonging_to(home)
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(processes, timeout=10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    checkouts = [arguments.before.resolve(), arguments.after.resolve()]
    rounds: dict[Path, list[dict[str, float]]] = {checkout: [] for checkout in checkouts}
    for number in range(arguments.rounds + 1):
        for checkout in checkouts:
            figures = measure(checkout)
            if number:  # the first round fills the system's file cache
                rounds[checkout].append(figures)
    load = ", ".join(f"{value:.1f}" for value in psutil.getloadavg())
    print(f"{arguments.rounds} rounds, medians in ms; {os.cpu_count()} cores, load average {load}")
    print(f"{'':<42} {'before':>9} {'after':>9} {'after/before, pair by pair':>28}")
    for name in rounds[checkouts[0]][0]:
        before, after = ([figures[name] for figures in rounds[c]] for c in checkouts)
        ratios = [b / a for a, b in zip(before, after, strict=True)]
        print(
            f"{name:<42} {statistics.median(before):9.1f} {statistics.median(after):9.1f} "
            f"{statistics.median(ratios):14.2f}  ({min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
