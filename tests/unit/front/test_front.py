"""The front costs little and asks nobody twice."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from llmstep.front.front import error_frame
from llmstep.front.serve import NoFrontError, is_alive, parse_arguments
from llmstep.runtime.framing import dump, is_id

HEAVY = {
    "numpy", "llama_cpp", "pygls", "lsprotocol", "attrs", "attr", "click", "asyncio", "logging",
    "typing", "dataclasses", "pathlib", "subprocess", "platformdirs", "psutil", "inspect",
}  # fmt: skip


def test_it_imports_nothing_that_costs() -> None:
    program = (
        "import sys, json\n"
        "before = set(sys.modules)\n"
        "import llmstep.__main__, llmstep.front.serve\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=120
    )
    assert set(json.loads(done.stdout)) & HEAVY == set()


def test_the_options_that_clients_use() -> None:
    options = parse_arguments(["--model", "echo", "-v", "--log-file=/tmp/x", "--verbose"])
    assert options == {"model": "echo", "log_file": "/tmp/x", "verbose": 2}
    assert parse_arguments(["-vv"])["verbose"] == 2


@pytest.mark.parametrize(
    "arguments", [["--http"], ["--help"], ["--model"], ["--model", "-v"], ["x"], ["--in-process"]]
)
def test_everything_else_is_for_the_command_line(arguments: list[str]) -> None:
    with pytest.raises(NoFrontError):
        parse_arguments(arguments)


@pytest.mark.parametrize(
    ("value", "good"), [(1, True), ("a", True), (True, False), (None, False), (1.0, False)]
)
def test_ids(value: object, good: bool) -> None:
    assert is_id(value) is good


def test_errors_travel_whatever_the_id_is() -> None:
    frame = error_frame("\ud800", -32803, "the engine has ended: 𝕜", "Ask again.")
    head, _, body = frame.partition(b"\r\n\r\n")
    assert head == b"Content-Length: %d" % len(body)
    assert json.loads(body)["error"]["data"] == {"hint": "Ask again."}
    assert dump({"a": "𝕜"}) == '{"a":"𝕜"}'.encode()


def test_who_is_alive() -> None:
    import os

    assert is_alive(os.getpid())
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    assert not is_alive(done.pid)
