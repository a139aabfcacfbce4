"""Many clients at once, for a while, and whatever bytes come."""

from __future__ import annotations

import json
import os
import random
import statistics
import threading
import time
from collections.abc import Callable
from typing import Any

from clients import Client

# The long form: 1800 seconds, 1,000,000 frames.
SECONDS = float(os.environ.get("LLMSTEP_FAULT_SECONDS", "6"))
FRAMES = int(os.environ.get("LLMSTEP_FAULT_FRAMES", "3000"))
Start = Callable[..., Client]
SCRIPT = [
    {
        "candidates": [
            {"tactic": "simp", "score": -1},
            {"tactic": "rfl", "score": -2, "delayMs": 5},
        ]
    }
]


class Worker(threading.Thread):
    """Edits, asks and withdraws, as one editor does."""

    def __init__(self, client: Client, document: int, seed: int, end: float) -> None:
        super().__init__(daemon=True)
        self.client, self.document, self.end = client, document, end
        self.dice = random.Random(seed)
        self.times: list[float] = []
        self.codes: dict[Any, int] = {}
        self.problem: BaseException | None = None

    def run(self) -> None:
        try:
            while time.monotonic() < self.end:
                self.step()
        except BaseException as error:
            self.problem = error

    def step(self) -> None:
        client, dice = self.client, self.dice
        text = "theorem t : a := by\n" + "  skip\n" * dice.randint(0, 40)
        document = {"uri": f"file:///{self.document}.lean", "textBefore": text}
        begin = time.monotonic()
        ids = [client.suggest(f"⊢ {dice.random()}", document=document)]
        kind = dice.random()
        if kind < 0.2:
            client.notify("$/cancelRequest", {"id": ids[0]})
        elif kind < 0.4:
            ids.append(client.suggest("⊢ newer", document=document))
        elif kind < 0.5:
            client.notify("llmstep/prepare", {"document": document})
        for identifier in ids:
            answer = client.answer(identifier)
            code = answer.get("error", {}).get("code", 0)
            self.codes[code] = self.codes.get(code, 0) + 1
        if len(ids) == 1 and code == 0:
            self.times.append(time.monotonic() - begin)


def test_eight_clients_and_four_documents(start: Start) -> None:
    clients = [start(script=SCRIPT) for _ in range(8)]
    clients[0].tactics()
    before = clients[0].engine()["rssBytes"]
    end = time.monotonic() + SECONDS
    workers = [Worker(client, n % 4, n, end) for n, client in enumerate(clients)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(SECONDS + 120)
        assert not worker.is_alive()
        assert worker.problem is None, worker.problem
        # Answered, withdrawn, or replaced by a newer question: nothing else happens to a request.
        assert set(worker.codes) <= {0, -32800, -32801}, worker.codes
    after = clients[0].engine()["rssBytes"]
    assert after < 1.3 * before + (20 << 20)
    medians = sorted(statistics.median(worker.times) for worker in workers if worker.times)
    answered = sum(sum(worker.codes.values()) for worker in workers)
    print(
        f"{answered} requests, memory {before / 1e6:.0f} to {after / 1e6:.0f} MB, "
        f"slowest over fastest median {medians[-1] / medians[0]:.2f}"
    )
    for client in clients:
        assert client.end() == 0


def test_fuzzed_frames(start: Start) -> None:
    client = start(script=SCRIPT)
    dice = random.Random(20261130)
    request = {"jsonrpc": "2.0", "id": 1, "method": "llmstep/suggest"}
    request["params"] = {"goals": ["⊢ a"], "prefix": ""}
    assert client.process.stdin is not None
    for number in range(FRAMES):
        message = {**request, "id": f"f{number}"}
        body = bytearray(json.dumps(message).encode())
        for _ in range(dice.randint(0, 3)):
            body[dice.randrange(len(body))] = dice.randrange(256)
        length = len(body) if dice.random() < 0.9 else dice.randrange(2 * len(body))
        client.process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (length, bytes(body)))
        if number % 200 == 0:
            client.process.stdin.flush()
            # Whole frames may have been taken for a body that was announced too long.
            client.process.stdin.write(b"\r\n" * 2000)
            assert client.tactics() == ["simp", "rfl"]
    client.process.stdin.write(b"\r\n" * 2000)
    assert client.tactics() == ["simp", "rfl"]
    assert client.end() == 0
