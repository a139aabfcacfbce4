from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator

import pytest

from llmstep.config import resolve
from llmstep.first_version import DEFAULT_PORT, find_leftovers, find_server


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({}, []),
        ({"LLMSTEP_SERVER": "COLAB"}, ["LLMSTEP_SERVER"]),
        ({"LLMSTEP_HOST": "https://04fa.ngrok.io/"}, ["LLMSTEP_HOST"]),
        (
            {"LLMSTEP_SERVER": "COLAB", "LLMSTEP_HOST": "http://gpu:6000"},
            ["LLMSTEP_SERVER", "LLMSTEP_HOST"],
        ),
        # Where `serve --http` listens; the variable means that today.
        ({"LLMSTEP_HOST": "0.0.0.0", "LLMSTEP_PORT": "6000"}, []),
        # Who names a server of today knows which model answers.
        ({"LLMSTEP_HOST": "http://gpu", "LLMSTEP_OPENAI_BASE_URL": "http://gpu/v1"}, []),
        ({"LLMSTEP_SERVER": " "}, []),
    ],
)
def test_old_variables_are_recognised(environ, names):
    found = find_leftovers(environ)
    assert [left.name for left in found] == names
    for left in found:
        assert "this machine" in left.found
        assert "LLMSTEP_OPENAI_BASE_URL" in left.cure


def test_whoever_reads_settings_hears_of_them(tmp_path):
    environ = {"LLMSTEP_HOST": "https://x.ngrok.io", "LLMSTEP_N": "3"}
    resolved = resolve(environ=environ, config_path=tmp_path / "none.toml")
    assert resolved.settings.n == 3
    (problem,) = resolved.problems
    assert (problem.origin, problem.name) == ("environment", "LLMSTEP_HOST")
    assert "https://x.ngrok.io" in problem.message


class _Original(http.server.BaseHTTPRequestHandler):
    """As the original's server.py: it answers POST and nothing else."""

    def do_POST(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


class _Other(_Original):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()


@pytest.fixture(params=[_Original, _Other])
def server(request) -> Iterator[tuple[type, int]]:
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), request.param)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield request.param, running.server_address[1]
    running.shutdown()
    running.server_close()


def test_a_running_server_of_2023_is_told_from_others(server):
    kind, port = server
    found = find_server({"LLMSTEP_PORT": str(port)})
    assert (found is not None) == (kind is _Original)
    if found is not None:
        assert f"127.0.0.1:{port}" in found.found


def test_where_nothing_listens_there_is_none():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert find_server({"LLMSTEP_PORT": str(port)}) is None


def test_something_silent_is_given_up():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert find_server({"LLMSTEP_PORT": str(silent.getsockname()[1])}) is None


@pytest.mark.parametrize("port", ["", "x", "99999"])
def test_a_port_that_is_none_means_the_old_default(port, monkeypatch):
    asked: list[tuple[str, int]] = []

    def connect(address, timeout):
        asked.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    assert find_server({"LLMSTEP_PORT": port}) is None
    assert asked == [("127.0.0.1", DEFAULT_PORT)]
