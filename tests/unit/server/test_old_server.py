"""Who comes from the first llmstep is told so by the first answer."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Connection

pytestmark = pytest.mark.asyncio
QUESTION = {"goals": ["⊢ p"], "prefix": ""}


class Original(http.server.BaseHTTPRequestHandler):
    """Answers POST and nothing else, as the server.py of 2023."""

    def do_POST(self) -> None:
        self.send_response(200)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def port() -> Iterator[int]:
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Original)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running.server_address[1]
    running.shutdown()
    running.server_close()


@pytest.fixture
def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


async def told(monkeypatch: pytest.MonkeyPatch, home: Path, **environ: str) -> list[str]:
    """The warnings of the first answer."""
    monkeypatch.setenv("LLMSTEP_HOME", str(home))
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    connection = Connection()
    await connection.initialize()
    answer = await connection.request("llmstep/suggest", QUESTION)
    return answer["result"].get("warnings", [])


async def test_a_running_server_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, port: int
) -> None:
    (warning,) = await told(monkeypatch, tmp_path, LLMSTEP_PORT=str(port))
    assert f"127.0.0.1:{port}" in warning
    assert "it is not asked" in warning
    assert "llmstep models list" in warning  # what to do now


@pytest.mark.parametrize(
    ("name", "value"),
    [("LLMSTEP_SERVER", "COLAB"), ("LLMSTEP_HOST", "https://04fa.ngrok.io")],
)
async def test_no_remote_model_is_silently_answered_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free_port: int, name: str, value: str
) -> None:
    environ = {"LLMSTEP_PORT": str(free_port), name: value}
    (warning,) = await told(monkeypatch, tmp_path, **environ)
    assert f"{name}={value}" in warning
    assert "the model that answers runs on this machine" in warning
    assert "LLMSTEP_OPENAI_BASE_URL=http://.../v1" in warning


async def test_nobody_else_is_told_anything(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free_port: int
) -> None:
    assert await told(monkeypatch, tmp_path, LLMSTEP_PORT=str(free_port)) == []


async def test_something_silent_holds_up_no_answer_for_long(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        assert await told(monkeypatch, tmp_path, LLMSTEP_PORT=str(port)) == []
