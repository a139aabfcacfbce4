from __future__ import annotations

import http.client
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmstep.config import Settings
from llmstep.errors import ConfigError
from llmstep.server.address import Address, read_address, read_token
from llmstep.server.http import SuggestHTTPServer
from llmstep.server.http_checks import TimedStream
from llmstep.service.question import SuggestReply, SuggestRequest
from llmstep.service.suggest import SuggestService

RULES = [
    {"goal": "slow", "hang": True},
    {"goal": "broken", "error": "the model failed"},
    {
        "candidates": [
            {"tactic": "exact h.symm", "score": -0.2},
            {"tactic": "exact h", "score": -0.1},
            {"tactic": "simp", "score": -0.3},
            {"tactic": "use ℕ", "score": -0.4},
        ]
    },
]


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "script.json"
    file.write_text(json.dumps(RULES))
    monkeypatch.setenv("LLMSTEP_ECHO_SCRIPT", str(file))
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path))
    for name in ("LLMSTEP_HOST", "LLMSTEP_PORT", "LLMSTEP_MODEL"):
        monkeypatch.delenv(name, raising=False)
    return file


@pytest.fixture
def server(script: Path) -> Iterator[SuggestHTTPServer]:
    service = SuggestService(
        Settings(model="echo", sources=("model",), cache=False, timeout_ms=20_000)
    )
    with SuggestHTTPServer(Address(port=0), service) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
    service.close()


def post(server: SuggestHTTPServer, value: Any, **headers: str) -> tuple[int, Any]:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=30)
    connection.request("POST", "/", data, {"Content-Type": "application/json", **headers})
    response = connection.getresponse()
    body = json.loads(response.read())
    connection.close()
    return response.status, body


def test_the_originals_request_gets_the_originals_answer(server: SuggestHTTPServer) -> None:
    # What python/suggest.py of the first llmstep sends: requests.post(host, json=data).
    data = {"tactic_state": "a b : ℕ\nh : a = b\n⊢ b = a", "prefix": "exact", "context": "import M"}
    request = urllib.request.Request(
        server.url,
        json.dumps(data).encode(),
        {
            "User-Agent": "python-requests/2.31.0",
            "Accept-Encoding": "gzip, deflate",
            "Accept": "*/*",
            "Connection": "keep-alive",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request) as response:
        assert response.status == 200
        answer = json.loads(response.read())
    assert answer == {"suggestions": ["exact h", "exact h.symm"]}
    assert "[SUGGESTION]".join(answer["suggestions"]) == "exact h[SUGGESTION]exact h.symm"


def test_the_context_may_be_missing(server: SuggestHTTPServer) -> None:
    status, answer = post(server, {"tactic_state": "⊢ ∃ x, x = x", "prefix": "use"})
    assert (status, answer) == (200, {"suggestions": ["use ℕ"]})


def test_a_state_of_several_goals_is_asked_as_such(
    server: SuggestHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[SuggestRequest] = []
    suggest = server.service.suggest

    async def note(request: SuggestRequest, *rest: Any) -> SuggestReply:
        asked.append(request)
        return await suggest(request, *rest)

    monkeypatch.setattr(server.service, "suggest", note)
    state = "2 goals\ncase inl\nh : p\n⊢ p ∨ q\n\ncase inr\nh : q\n⊢ p ∨ q"
    assert post(server, {"tactic_state": state, "prefix": ""})[0] == 200
    assert asked[0].goals == ("case inl\nh : p\n⊢ p ∨ q", "case inr\nh : q\n⊢ p ∨ q")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"{", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        ([], "no JSON object"),
        ({}, "`tactic_state` is missing"),
        ({"tactic_state": 5}, "`tactic_state` must be text"),
        ({"tactic_state": "⊢ p", "prefix": None}, "`prefix` must be text"),
        (b'{"tactic_state": "\\ud800"}', "surrogate"),
        ({"tactic_state": "  ", "prefix": ""}, "goal that is not empty"),
    ],
)
def test_a_bad_request_is_400(server: SuggestHTTPServer, value: Any, words: str) -> None:
    status, answer = post(server, value)
    assert status == 400
    assert words in answer["error"]
    assert answer["hint"]
    assert post(server, {"tactic_state": "⊢ p", "prefix": "simp"})[0] == 200


def test_a_failing_model_is_500_in_its_own_words(server: SuggestHTTPServer) -> None:
    status, answer = post(server, {"tactic_state": "broken", "prefix": ""})
    assert status == 500
    assert "the model failed" in answer["error"]


def test_time_that_runs_out_is_504(script: Path) -> None:
    service = SuggestService(
        Settings(model="echo", sources=("model",), cache=False, timeout_ms=100)
    )
    with SuggestHTTPServer(Address(port=0), service) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        assert post(server, {"tactic_state": "slow", "prefix": ""})[0] == 504
        server.shutdown()
    service.close()


def test_a_client_that_goes_away_frees_the_model(server: SuggestHTTPServer) -> None:
    body = json.dumps({"tactic_state": "slow", "prefix": ""}).encode()
    with socket.create_connection(("127.0.0.1", server.server_address[1])) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\n")
        client.sendall(f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        while not server.service.status().running:
            time.sleep(0.01)
    # The scripted model hangs for ever: only the cancellation lets this one through.
    assert post(server, {"tactic_state": "⊢ p", "prefix": "simp"}) == (
        200,
        {"suggestions": ["simp"]},
    )


def test_two_clients_at_the_same_place_do_not_displace_each_other(
    server: SuggestHTTPServer,
) -> None:
    question = {"tactic_state": "⊢ p", "prefix": "exact", "context": "theorem x : p := by\n  "}
    answers: list[tuple[int, Any]] = []
    threads = [
        threading.Thread(target=lambda: answers.append(post(server, question))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [status for status, _ in answers] == [200] * 8


def raw(server: SuggestHTTPServer, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.server_address[1])) as client:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{}", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n", 413),
        (
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
            413,
        ),
        (b"PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"POST / HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 2\r\n\r\n{}", 403),
        (b"POST / HTTP/1.1\r\nHost: [\r\nContent-Length: 2\r\n\r\n{}", 403),
        (
            b"POST / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\n"
            b"Content-Length: 2\r\n\r\n{}",
            403,
        ),
        *(
            (
                b"POST / HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\n\r\n{}",
                400,
            )
            for headers in (
                b"Host: localhost\r\nContent-Length: 2",
                b"Host: evil.example\r\nContent-Length: 2",
                b"Origin: http://localhost\r\nOrigin: https://evil.example\r\nContent-Length: 2",
                b"Content-Length: 2\r\nContent-Length: 2",
                b"Content-Length: 2\r\nTransfer-Encoding: chunked",
                b"Transfer-Encoding: identity\r\nContent-Length: 2",
            )
        ),
        (b"POST / HTTP/1.1\r\nHost: evil.example@localhost\r\nContent-Length: 2\r\n\r\n{}", 400),
        (
            b"POST http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}",
            400,
        ),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
    ],
)
def test_what_http_itself_refuses(
    server: SuggestHTTPServer, request_head: bytes, status: int
) -> None:
    answer = raw(server, request_head)
    assert answer.split(b"\r\n")[0].split(b" ")[1] == str(status).encode()
    assert set(json.loads(answer.partition(b"\r\n\r\n")[2])) == {"error", "hint"}
    assert post(server, {"tactic_state": "⊢ p", "prefix": "simp"})[0] == 200


def test_too_many_connections_are_turned_away(script: Path) -> None:
    service = SuggestService(Settings(model="echo", sources=("model",), cache=False))
    with SuggestHTTPServer(Address(port=0), service, most_connections=1) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        with socket.create_connection(("127.0.0.1", server.server_address[1])) as waiting:
            waiting.sendall(b"POST")
            answer = raw(server, b"")
        server.shutdown()
    service.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 503 " in head.split(b"\r\n")[0]
    assert f"Content-Length: {len(body)}".encode() in head


def test_get_tells_the_model(server: SuggestHTTPServer) -> None:
    with urllib.request.urlopen(server.url) as response:
        assert json.loads(response.read())["model"] == "echo"


def test_the_port_of_the_environment_is_text_and_works() -> None:
    # The first llmstep handed it on as it was: TypeError: 'str' object cannot be interpreted as ...
    address, problems = read_address(None, None, {"LLMSTEP_PORT": "6123"})
    assert (address, problems) == (Address("127.0.0.1", 6123), ())


def test_flags_win_over_the_environment() -> None:
    environ = {"LLMSTEP_PORT": "6123", "LLMSTEP_HOST": "0.0.0.0"}
    assert read_address(None, None, environ)[0] == Address("0.0.0.0", 6123)
    assert read_address("::1", 0, environ)[0] == Address("::1", 0)


@pytest.mark.parametrize("port", ["abc", "-1", "65536", "6e3", "6000.5"])
def test_a_port_that_is_none_is_named_and_not_taken(port: str) -> None:
    address, problems = read_address(None, None, {"LLMSTEP_PORT": port})
    assert address.port == 6000
    assert "LLMSTEP_PORT" in str(problems[0])
    assert repr(port) in str(problems[0])


def test_a_url_as_host_is_the_clients_and_not_taken() -> None:
    environ = {"LLMSTEP_HOST": "https://abc.ngrok.io", "LLMSTEP_SERVER": "COLAB"}
    address, problems = read_address(None, None, environ)
    assert address.host == "127.0.0.1"
    assert "LLMSTEP_HOST" in str(problems[0])


def test_only_loopback_is_local() -> None:
    assert [Address(h).local for h in ("127.0.0.1", "::1", "localhost")] == [True] * 3
    assert [Address(h).local for h in ("0.0.0.0", "::", "192.168.1.2", "laptop")] == [False] * 4


def test_a_port_that_is_taken_is_a_clear_error(server: SuggestHTTPServer) -> None:
    port = server.server_address[1]
    with pytest.raises(ConfigError, match="taken by another program") as caught:
        SuggestHTTPServer(Address(port=port), server.service)
    assert "--port" in caught.value.hint


def test_a_host_that_is_none_is_a_clear_error(server: SuggestHTTPServer) -> None:
    with pytest.raises(ConfigError, match="cannot listen"):
        SuggestHTTPServer(Address("no such host.invalid", 0), server.service)


def test_the_real_process(script: Path) -> None:
    command = [sys.executable, "-m", "llmstep", "serve", "--http", "--model", "echo"]
    environ = {**os.environ, "LLMSTEP_PORT": "0", "LLMSTEP_HOST": "localhost"}
    environ["LLMSTEP_SOURCES"] = "model"
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environ, text=True) as child:
        try:
            assert child.stderr is not None
            line = child.stderr.readline()
            assert "llmstep answers at http://127.0.0.1:" in line
            url = line.split()[3].rstrip(";")
            data = json.dumps({"tactic_state": "⊢ p", "prefix": "si", "context": ""}).encode()
            with urllib.request.urlopen(url, data) as response:
                assert json.loads(response.read()) == {"suggestions": ["simp"]}
            with pytest.raises(urllib.error.HTTPError, match="400"):
                urllib.request.urlopen(url, b"{}")
        finally:
            child.kill()


def test_goals_are_not_logged(server: SuggestHTTPServer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        post(server, {"tactic_state": "⊢ secret", "prefix": "simp", "context": "secret"})
        post(server, {"tactic_state": "broken secret", "prefix": "simp", "context": "secret"})
    assert "secret" not in caplog.text


def test_a_request_that_drips_in_loses_its_place(
    server: SuggestHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time is for the whole request: a byte now and then does not extend it."""
    restart = TimedStream.restart
    monkeypatch.setattr(TimedStream, "restart", lambda stream: restart(stream, 0.5))
    with socket.create_connection(("127.0.0.1", server.server_address[1])) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\n")
        client.settimeout(0.05)
        for _ in range(400):
            try:
                client.sendall(b"X")
                if client.recv(100) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        else:
            pytest.fail("the connection is still there after 400 bytes")


def test_beyond_loopback_a_token_is_required(script: Path) -> None:
    everywhere = Address("0.0.0.0", 0)
    for environ in ({}, {"LLMSTEP_HTTP_TOKEN": "short"}):
        with pytest.raises(ConfigError, match="a token is required"):
            read_token(everywhere, environ)
    assert read_token(Address(), {}) == ""
    token = read_token(everywhere, {"LLMSTEP_HTTP_TOKEN": "0123456789abcdef"})
    service = SuggestService(Settings(model="echo", sources=("model",), cache=False))
    with SuggestHTTPServer(everywhere, service, token=token) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        question = {"tactic_state": "⊢ p", "prefix": "simp"}
        for wrong in ("", "Bearer", "Bearer wrong", f"Basic {token}", f"Bearer {token}x"):
            assert post(server, question, **({"Authorization": wrong} if wrong else {}))[0] == 401
        assert post(server, question, Authorization=f"Bearer {token}")[0] == 200
        assert raw(server, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 401")
        server.shutdown()
    service.close()


def test_a_long_line_freezes_nobody(server: SuggestHTTPServer) -> None:
    """The expression that read headers of goals was quadratic, under the interpreter's lock."""
    status, _ = post(server, {"tactic_state": "a" * 1_000_000, "prefix": "simp"})
    assert status == 200
