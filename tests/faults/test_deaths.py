"""Whatever dies: each id is answered once, the cause is named, the next request is served."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clients import Client, engine_pids, is_gone, wait_until

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
# Rounds of each kind of death; the long form has 200.
ROUNDS = int(os.environ.get("LLMSTEP_FAULT_ROUNDS", "5"))
Start = Callable[..., Client]
SLOW = [
    {"goal": "crash", "exit": 3},
    {"goal": "stuck", "hang": True},
    {
        "candidates": [
            {"tactic": "simp", "score": -1},
            {"tactic": "rfl", "score": -2, "delayMs": 60},
        ]
    },
]


def test_one_engine_serves_all_clients(start: Start, home: Path) -> None:
    clients = [start(script=SLOW) for _ in range(4)]
    assert all(client.tactics() == ["simp", "rfl"] for client in clients)
    assert len({client.engine()["pid"] for client in clients}) == 1
    assert len(engine_pids(home)) == 1
    assert len(clients[0].engine()["connections"]) == 4
    for client in clients:
        assert client.end() == 0


def test_the_engine_is_killed_at_any_moment(start: Start) -> None:
    client, other = start(script=SLOW), start()
    dice = random.Random(20261130)
    for number in range(ROUNDS):
        pid = client.engine()["pid"]
        ids = [client.suggest(f"⊢ {number} = {n}") for n in range(3)]
        time.sleep(dice.uniform(0, 0.25))
        os.kill(pid, signal.SIGKILL)
        for identifier in ids:
            answer = client.answer(identifier)
            assert "result" in answer or "SIGKILL" in answer["error"]["message"], answer
        assert client.tactics(f"⊢ next {number}") == ["simp", "rfl"]
        assert client.engine()["pid"] != pid
        assert other.tactics() == ["simp", "rfl"]
    assert client.end() == 0


def test_a_front_is_killed_at_any_moment(start: Start) -> None:
    witness = start(script=SLOW)
    pid = witness.engine()["pid"]
    dice = random.Random(1)
    for number in range(ROUNDS):
        client = start()
        client.suggest(f"⊢ stuck {number}")
        time.sleep(dice.uniform(0, 0.25))
        client.kill()
        assert witness.tactics(f"⊢ {number}") == ["simp", "rfl"]
    wait_until(lambda: len(witness.engine()["connections"]) == 1, "a dead front is remembered")
    wait_until(lambda: not witness.is_running(), "what nobody waits for is still being decoded")
    assert witness.engine()["pid"] == pid


def test_a_client_is_killed_while_a_sibling_holds_the_pipe(start: Start) -> None:
    for _ in range(min(ROUNDS, 3)):
        other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        # The test holds the pipe, as a sibling would; the client's process is another.
        client = start(script=SLOW, process_id=other.pid)
        client.suggest("⊢ stuck")
        other.kill()
        other.wait()
        client.process.wait(30)
    assert start().tactics() == ["simp", "rfl"]


def test_a_crash_names_its_cause_and_the_second_is_the_last(start: Start) -> None:
    client = start(script=SLOW)
    for _ in range(2):
        error = client.answer(client.suggest("⊢ crash"))["error"]
        assert error["code"] == -32803
        assert "exit code 3" in error["message"].splitlines()[0]
        assert "llmstep logs" in error["data"]["hint"]
        assert client.tactics() == ["simp", "rfl"]
    pid = client.engine()["pid"]
    # Asked again by anybody, it is refused, and harms nobody.
    for asker in (client, start()):
        error = asker.answer(asker.suggest("⊢ crash"))["error"]
        assert "this request has ended the engine twice" in error["message"]
        assert "exit code 3" in error["message"]
    assert client.engine()["pid"] == pid


def test_a_crash_costs_each_running_request_one_error(start: Start) -> None:
    first, second = start(script=SLOW), start()
    ids = [(c, c.suggest(f"⊢ stuck {n}")) for n in range(3) for c in (first, second)]
    wait_until(first.is_running, "nothing runs")
    os.kill(first.engine()["pid"], signal.SIGSEGV)
    for client, identifier in ids:
        assert "SIGSEGV" in client.answer(identifier)["error"]["message"]
    for client in (first, second):
        assert client.tactics() == ["simp", "rfl"]
        assert client.end() == 0


NATIVE = """
import ctypes, sys
sys.stderr.write("GGML_ASSERT(n_layer_all > 0) failed\\n"); sys.stderr.flush()
ctypes.CDLL(None).abort()
"""


def test_the_assertion_is_the_first_line(start: Start, tmp_path: Path) -> None:
    # sitecustomize lets the scripted model give up as native code does.
    (tmp_path / "sitecustomize.py").write_text(
        "import os\n"
        "if 'server.watcher' in ' '.join(__import__('sys').orig_argv):\n"
        "    from llmstep.backends import echo\n"
        "    old = echo.EchoBackend.generate\n"
        "    def generate(self, request, cancel, take):\n"
        "        if 'abort' in request.prompt[-1].text or any(\n"
        "                'abort' in part.text for part in request.prompt):\n"
        f"            exec({NATIVE!r})\n"
        "        return old(self, request, cancel, take)\n"
        "    echo.EchoBackend.generate = generate\n"
    )
    client = start(script=SLOW, environ={"PYTHONPATH": str(tmp_path)})
    message = client.answer(client.suggest("⊢ abort"))["error"]["message"]
    assert "GGML_ASSERT(n_layer_all > 0) failed" in message.splitlines()[0]
    assert "SIGABRT" in message
    assert client.tactics() == ["simp", "rfl"]


def test_an_editor_goes_on_with_its_documents(start: Start) -> None:
    client = start(script=SLOW, editor=True)
    uri = "file:///a.lean"
    item = {"uri": uri, "languageId": "lean4", "version": 1, "text": "theorem t : a := by\n  "}
    client.notify("textDocument/didOpen", {"textDocument": item})
    place = {"line": 1, "character": 2}
    change = {"range": {"start": place, "end": place}, "text": "llm"}
    document = {"uri": uri, "version": 2}
    client.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})

    def complete() -> Any:
        position = {"line": 1, "character": 5}
        return client.ask(
            "textDocument/completion", {"textDocument": {"uri": uri}, "position": position}
        )["result"]["items"]

    before = complete()
    assert before
    pid = client.engine()["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: is_gone(pid), "the engine lives")
    assert client.ask("llmstep/status").get("result") or True  # may be told of the death
    assert complete() == before


def test_a_stopped_engine_answers_when_it_goes_on(start: Start) -> None:
    client = start(script=SLOW)
    pid = client.engine()["pid"]
    os.kill(pid, signal.SIGSTOP)
    ids = [client.suggest(f"⊢ {n}") for n in range(3)]
    time.sleep(0.3)
    os.kill(pid, signal.SIGCONT)
    assert all("result" in client.answer(identifier) for identifier in ids)
    # A client that leaves meanwhile is not held.
    os.kill(pid, signal.SIGSTOP)
    client.suggest()
    assert client.end() == 0
    os.kill(pid, signal.SIGCONT)


def test_nobody_is_left_behind(start: Start, home: Path) -> None:
    client = start(script=SLOW, environ={"LLMSTEP_KEEP_ALIVE": "0.01"})
    pid = client.engine()["pid"]
    assert client.end() == 0
    wait_until(lambda: is_gone(pid), "the engine stays without a client", 30)
    assert [name for name in os.listdir(home / "run") if name.endswith(".sock")] == []


def test_an_engine_whose_folder_is_gone_leaves(start: Start, home: Path) -> None:
    client = start(script=SLOW)
    pid = client.engine()["pid"]
    shutil.rmtree(home / "run")
    wait_until(lambda: is_gone(pid), "nobody can find it, and it stays", 30)
    assert client.tactics() == ["simp", "rfl"]


def test_stop_lets_what_runs_be_answered(start: Start, home: Path) -> None:
    client = start(script=SLOW)
    pid = client.engine()["pid"]
    identifier = client.suggest()
    wait_until(client.is_running, "nothing runs")
    environ = {**os.environ, "LLMSTEP_HOME": str(home)}
    command = [sys.executable, "-m", "llmstep", "stop"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert done.stdout == "1 stopped.\n", done
    assert "result" in client.answer(identifier)
    assert client.tactics() == ["simp", "rfl"]
    assert client.engine()["pid"] != pid
