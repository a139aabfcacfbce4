"""How the process begins and ends, and that nothing but frames leaves it through stdout."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import Any

import pytest

# A stand-in for a model library that prints, from Python, from C, from a child process, before
# and during a generation.
NOISY = """
import ctypes, os, subprocess, sys
from llmstep.backends import echo
libc = ctypes.CDLL(None)
def shout():
    print("noise from print", flush=True)
    sys.__stdout__ and os.write(1, b"noise from fd 1\\n")
    libc.puts(b"noise from C")
    libc.fflush(None)
    subprocess.run([sys.executable, "-c", "print('noise from a child')"], check=True)
make, generate = echo.EchoBackend.__init__, echo.EchoBackend.generate
def noisy_make(self, *arguments):
    shout()
    make(self, *arguments)
def noisy_generate(self, *arguments):
    shout()
    return generate(self, *arguments)
echo.EchoBackend.__init__, echo.EchoBackend.generate = noisy_make, noisy_generate
from llmstep.cli import main
main()
"""
STUCK = """
import ctypes
from llmstep.backends import echo
def stuck(self, request, cancel, on_candidate):
    ctypes.CDLL(None).sleep(3600)
echo.EchoBackend.generate = stuck
from llmstep.cli import main
main()
"""
posix = pytest.mark.skipif(os.name != "posix", reason="calls the C library by its POSIX name")


def running(client: Any) -> None:
    """Wait until a generation has begun."""
    while client.request("llmstep/status")["result"]["queue"]["running"] != 1:
        pass


def ask(client: Any) -> None:
    params = {"goals": ["⊢ a"], "prefix": ""}
    client.send({"jsonrpc": "2.0", "id": 9, "method": "llmstep/suggest", "params": params})


@posix
def test_stray_output_never_reaches_the_client(start_server: Any, tmp_path: Any) -> None:
    client = start_server(program=NOISY)
    client.initialize()
    client.assert_alive()
    assert client.end() == 0
    assert client.noise == b""
    stderr = (tmp_path / "stderr.txt").read_text()
    for source in ("print", "fd 1", "C", "a child"):
        assert stderr.count(f"noise from {source}") == 2


def test_the_end_of_the_input_ends_the_process(echo: Any) -> None:
    assert echo.end() == 0


def test_the_end_of_the_input_before_anything_was_said(start_server: Any) -> None:
    assert start_server().end() == 0


def test_the_end_of_the_input_within_a_frame(echo: Any) -> None:
    echo.write(b'Content-Length: 100\r\n\r\n{"jsonrpc"')
    assert echo.end() == 0


def test_the_end_of_the_input_within_a_header(echo: Any) -> None:
    echo.write(b"Content-Len")
    assert echo.end() == 0


def test_the_end_of_the_input_during_a_generation(start_server: Any) -> None:
    client = start_server("--model", "echo", script=[{"hang": True}])
    client.initialize()
    ask(client)
    running(client)
    assert client.end() == 0


@posix
def test_a_thread_stuck_in_native_code_does_not_hold_the_process(start_server: Any) -> None:
    client = start_server(program=STUCK)
    client.initialize()
    ask(client)
    running(client)
    client.notify("$/cancelRequest", {"id": 9})
    assert client.answer(9)["error"]["code"] == -32800
    assert client.end() == 0


def test_exit_without_shutdown_is_a_failure(echo: Any) -> None:
    echo.notify("exit")
    assert echo.process.wait(30) == 1


def test_exit_after_shutdown_during_a_generation(start_server: Any) -> None:
    client = start_server("--model", "echo", script=[{"hang": True}])
    client.initialize()
    ask(client)
    running(client)
    assert client.request("shutdown")["result"] is None
    assert client.answer(9)["error"]["code"] == -32800
    client.notify("exit")
    assert client.process.wait(30) == 0


def test_a_client_that_closes_its_reading_end(start_server: Any) -> None:
    client = start_server(read=False)
    client.stdout.close()
    with contextlib.suppress(OSError):  # it may have noticed already
        client.send({"jsonrpc": "2.0", "id": 1, "method": "llmstep/status"})
    assert client.process.wait(60) == 1


def test_a_crash_of_the_model_ends_the_stream(start_server: Any) -> None:
    client = start_server("--model", "echo", script=[{"exit": 3}], in_process=True)
    client.initialize()
    ask(client)
    assert client.process.wait(30) == 3


def test_the_log_file_has_no_goals_unless_asked(start_server: Any, tmp_path: Any) -> None:
    for flag, shown in (("-v", False), ("-vv", True)):
        path = tmp_path / f"log{flag}"
        client = start_server("--model", "echo", flag, "--log-file", str(path))
        client.initialize()
        client.suggest("⊢ secret")
        client.end()
        log = path.read_text(encoding="utf-8")
        assert "connected to lean" in log
        assert ("secret" in log) is shown


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_ends_it_quietly(echo: Any, tmp_path: Any) -> None:
    import signal

    echo.process.send_signal(signal.SIGINT)
    assert echo.process.wait(30) == 130
    assert "Traceback" not in (tmp_path / "stderr.txt").read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX terminals")
def test_in_a_terminal_it_says_what_it_waits_for(tmp_path: Any) -> None:
    import pty

    terminal, stdin = pty.openpty()
    os.write(terminal, b"\x04")  # Ctrl-D
    done = subprocess.run(
        [sys.executable, "-m", "llmstep", "serve", "--model", "echo"],
        stdin=stdin,
        capture_output=True,
        env={**os.environ, "LLMSTEP_HOME": str(tmp_path)},
        timeout=60,
    )
    os.close(stdin)
    os.close(terminal)
    assert done.returncode == 0
    assert done.stdout == b""
    assert b"Waiting for a client" in done.stderr
