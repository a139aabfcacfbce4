"""Whatever is sent, there is a clear error, and the next good request is answered."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import psutil
import pytest


@pytest.mark.parametrize(
    "data",
    [
        b"hello there\r\n",
        b"\x00\xff\xfe\r\n\r\n",
        b"Content-Type: text/plain\r\n\r\n{}",
        b"Content-Length: -5\r\n\r\n{}",
        b"Content-Length: many\r\n\r\n{}",
        b"Content-Length: 999999999999\r\n\r\n{}",
        b"Content-Length: 99999999999999999999999999\r\n\r\n{}",
        b"Content-Length: 0\r\n\r\n",
        b"Content-Length: 3\r\n\r\n{}{",
        b'Content-Length: 8\r\n\r\n{"a":"\xff"',
        b'Content-Length: 9\r\n\r\n{"a":NaN}',
        b"x" * 100_000 + b"\r\n",
    ],
)
def test_damaged_frames(echo: Any, data: bytes) -> None:
    echo.write(data)
    echo.assert_alive()
    error = echo.error_without_id()
    assert error["code"] == -32700
    assert error["data"]["hint"]


def test_a_length_that_swallows_the_next_frame(echo: Any) -> None:
    echo.write(b'Content-Length: 60\r\n\r\n{"jsonrpc":"2.0"}')
    echo.assert_alive()
    assert echo.error_without_id()["code"] == -32700


@pytest.mark.parametrize("value", [[], [1, 2], 3, "text", None, True])
def test_json_that_is_no_object(echo: Any, value: Any) -> None:
    echo.send(value)
    assert echo.error_without_id()["code"] == -32600
    echo.assert_alive()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"goals": "⊢ True"}, "params.goals"),
        ({"goals": [3]}, "params.goals"),
        ({"goals": []}, "goals"),
        ({"goals": [""]}, "goals"),
        ({"prefix": 3}, "params.prefix"),
        ({"document": {"uri": 3}}, "params.document.uri"),
        ({"n": 0}, "`n`"),
        ({"n": 10_000}, "`n`"),
        ({"n": "eight"}, "params.n"),
        ({"timeoutMs": -1}, "`timeoutMs`"),
        ({"banned": "x"}, "params.banned"),
        ({"partialResultToken": {}}, "params.partialResultToken"),
    ],
)
def test_a_wrong_parameter_is_named(echo: Any, change: dict[str, Any], named: str) -> None:
    params = {"goals": ["⊢ True"], "prefix": "", **change}
    error = echo.request("llmstep/suggest", params)["error"]
    assert error["code"] == -32602
    assert named in error["message"]
    assert error["data"]["hint"]
    echo.assert_alive()


@pytest.mark.parametrize("params", [None, [], [1]])
def test_params_that_are_no_object(echo: Any, params: Any) -> None:
    assert echo.request("llmstep/suggest", params)["error"]["code"] == -32602
    echo.assert_alive()


@pytest.mark.parametrize("method", ["llmstep/nothing", "textDocument/hover", "$/nothing", ""])
def test_unknown_methods(echo: Any, method: str) -> None:
    error = echo.request(method, {})["error"]
    assert error["code"] == -32601
    assert error["data"]["hint"]
    echo.notify(method, {})
    echo.assert_alive()


def test_requests_before_initialize(start_server: Any) -> None:
    client = start_server()
    assert client.suggest()["error"]["code"] == -32002
    client.notify("llmstep/prepare", {})
    client.initialize()
    client.assert_alive()


def test_requests_after_shutdown(echo: Any) -> None:
    assert echo.request("shutdown")["result"] is None
    assert echo.suggest()["error"]["code"] == -32600
    echo.notify("exit")
    assert echo.process.wait(30) == 0


def test_a_goal_of_a_megabyte(echo: Any) -> None:
    goal = "\n".join(f"h{i} : x{i} = 𝕜" for i in range(60_000)) + "\n⊢ x1 = 𝕜"
    assert len(goal.encode()) > 1_000_000
    assert echo.suggest(goal)["result"]["suggestions"]
    echo.assert_alive()


def test_a_document_of_ten_megabytes(echo: Any) -> None:
    text = "theorem t : 1 = 1 := by rfl -- ℕ\n" * 300_000
    document = {"uri": "file:///a.lean", "textBefore": text}
    assert len(text.encode()) > 10_000_000
    assert echo.suggest(document=document)["result"]["suggestions"]
    echo.notify("llmstep/prepare", {"document": document})
    echo.assert_alive()


def test_text_outside_the_basic_plane_comes_back_whole(start_server: Any) -> None:
    script = [{"goal": "𝕜 : Type", "candidates": [{"tactic": "exact 𝕜.ℝ≥0∞", "score": -1}]}]
    client = start_server("--model", "echo", script=script)
    client.initialize()
    assert client.suggest("𝕜 : Type\n⊢ 𝕜")["result"]["suggestions"][0]["tactic"] == "exact 𝕜.ℝ≥0∞"


def test_half_a_surrogate_pair_is_refused(echo: Any) -> None:
    error = echo.suggest("⊢ \ud835")["error"]
    assert error["code"] == -32602
    assert "params.goals[0]" in error["message"]
    echo.assert_alive()


def test_duplicate_ids(start_server: Any) -> None:
    client = start_server("--model", "echo", script=[{"goal": "slow", "hang": True}, {}])
    client.initialize()
    question = {"goals": ["slow"], "prefix": ""}
    message = {"jsonrpc": "2.0", "id": 5, "method": "llmstep/suggest", "params": question}
    client.send(message)
    client.send(message)
    error = client.answer(5)["error"]
    assert error["code"] == -32600
    assert "still being answered" in error["message"]
    client.notify("$/cancelRequest", {"id": 5})
    assert client.answer(5)["error"]["code"] == -32800


def test_cancel_of_what_is_not_there(echo: Any) -> None:
    for params in ({"id": 12345}, {"id": "x"}, {"id": None}, {"id": [1]}, {}, None):
        echo.notify("$/cancelRequest", params)
    echo.send(
        {
            "jsonrpc": "2.0",
            "id": 5,
            "method": "llmstep/suggest",
            "params": {"goals": ["⊢ a"], "prefix": ""},
        }
    )
    assert "result" in echo.answer(5)
    echo.notify("$/cancelRequest", {"id": 5})
    echo.assert_alive()


def test_a_bad_setting_is_reported_and_left_out(start_server: Any) -> None:
    client = start_server()
    assert "result" in client.initialize(temperature="hot", colour="red", n=2)
    shown = [
        client.receive(lambda m: m.get("method") == "window/logMessage")["params"]["message"]
        for _ in range(2)
    ]
    assert any("`temperature` must be a number" in text for text in shown)
    assert any("there is no setting `colour`" in text for text in shown)
    assert len(client.suggest()["result"]["suggestions"]) == 2


def test_the_model_may_come_from_the_initialization_options(start_server: Any) -> None:
    client = start_server("-v")
    client.initialize(model="echo")
    assert client.request("llmstep/status")["result"]["model"] == "echo"


def test_a_client_that_never_reads_is_given_up(start_server: Any) -> None:
    client = start_server(read=False)
    message = {"jsonrpc": "2.0", "method": "initialize", "params": {"capabilities": {}}}
    client.send({**message, "id": 1})
    body = json.dumps({"jsonrpc": "2.0", "id": "x" * 100_000, "method": "llmstep/status"}).encode()
    frame = b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    process = psutil.Process(client.process.pid)
    most = 0
    with contextlib.suppress(OSError):  # the server has gone, as it should
        for _ in range(2000):
            client.write(frame)
            most = max(most, _memory(process))
    assert client.process.wait(60) == 1
    assert most < 300 << 20


def _memory(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0


def test_memory_does_not_grow_with_requests(echo: Any) -> None:
    def resident() -> int:
        return echo.request("llmstep/status")["result"]["memory"]["rssBytes"]

    for number in range(300):
        echo.suggest(f"⊢ {number} = {number}")
    before = resident()
    for number in range(2000):
        echo.suggest(f"⊢ {number} = {number}", document={"uri": "a", "textBefore": "x" * 5000})
        echo.notify("llmstep/prepare", {})
        echo.notify("$/cancelRequest", {"id": number})
        echo.request("llmstep/nothing")
    assert resident() - before < 8 << 20
