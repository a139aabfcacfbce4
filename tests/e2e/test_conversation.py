"""Lean's part of the conversation, played from the goldens byte for byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CONTRACT = Path(__file__).parents[1] / "contract"
SCRIPT = [
    {
        "prefix": "exact",
        "goal": "hp : p",
        "candidates": [
            {"tactic": "exact ⟨hp, hq⟩", "score": -0.125},
            {"tactic": "exact And.intro hp hq", "score": -0.75},
        ],
    },
    {"prefix": "exact ⟨", "candidates": [{"tactic": "exact ⟨x, 𝕜⟩", "score": -1}]},
    {"candidates": [{"tactic": "constructor", "score": -2}]},
]


def play(client: Any, name: str) -> None:
    client.send_body((CONTRACT / f"{name}.json").read_bytes().removesuffix(b"\n"))


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return "number"
    return type(value).__name__


def assert_has(answer: Any, expected: Any, where: str = "") -> None:
    """The answer has at least the golden's keys, with values of the same kinds."""
    if isinstance(expected, dict):
        assert isinstance(answer, dict), where
        for key, value in expected.items():
            assert key in answer, f"{where}.{key}"
            assert_has(answer[key], value, f"{where}.{key}")
    else:
        assert shape(answer) == shape(expected), where


def test_lean_asks_and_is_answered(start_server: Any, golden: Any) -> None:
    client = start_server("--model", "echo", script=SCRIPT, environ={"LLMSTEP_CACHE": "on"})
    play(client, "client.initialize")
    assert_has(client.answer(1), golden("server.initialize"))
    play(client, "client.initialized")
    play(client, "client.prepare.empty")
    play(client, "client.prepare")

    play(client, "client.suggest")
    first = client.answer(2)
    assert_has(first, golden("server.suggest"))
    expected = golden("server.suggest")["result"]["suggestions"]
    assert first["result"]["suggestions"] == expected
    streamed = [client.receive(lambda m: m.get("method") == "$/progress") for _ in expected]
    assert_has(streamed[0], golden("server.progress"))
    assert streamed[0]["params"] == golden("server.progress")["params"]
    assert [m["params"]["value"]["suggestions"] for m in streamed] == [[s] for s in expected]

    play(client, "client.suggest")
    assert client.answer(2)["result"]["cached"] is True

    play(client, "client.suggest.unicode")
    assert client.answer(3)["result"]["suggestions"][0]["tactic"] == "exact ⟨x, 𝕜⟩"

    play(client, "client.suggest.minimal")
    assert client.answer(2)["result"]["suggestions"] == [
        {"tactic": "constructor", "score": -2.0, "origin": ["model"]}
    ]

    play(client, "client.status")
    assert_has(client.answer(4), golden("server.status"))
    play(client, "client.cancelRequest")
    play(client, "client.shutdown")
    assert client.answer(5) == golden("server.shutdown")
    play(client, "client.exit")
    assert client.process.wait(30) == 0
    assert client.noise == b""


def test_a_newer_lean_is_told_what_to_upgrade(start_server: Any, golden: Any) -> None:
    client = start_server()
    play(client, "client.initialize.future")
    answer = client.answer(1)
    assert_has(answer, golden("server.initialize.mismatch"))
    assert answer["error"]["code"] == -32803
    assert answer["error"]["message"] == golden("server.initialize.mismatch")["error"]["message"]
    for command in ("lake run llmstep/setup", "lake update llmstep"):
        assert command in answer["error"]["data"]["hint"]


def test_cancel_stops_a_generation_that_would_never_end(start_server: Any, golden: Any) -> None:
    client = start_server("--model", "echo", script=[{"goal": "⊢ p ∧ q", "hang": True}])
    client.initialize()
    play(client, "client.suggest")
    play(client, "client.cancelRequest")
    answer = client.answer(2)
    assert answer["error"]["code"] == golden("server.error.cancelled")["error"]["code"]
    assert_has(answer, golden("server.error.cancelled"))
    status = client.request("llmstep/status")["result"]
    while status["queue"] != {"running": 0, "waiting": 0}:
        status = client.request("llmstep/status")["result"]
    play(client, "client.suggest.minimal")
    play(client, "client.cancelRequest")
    assert client.answer(2)["error"]["code"] == -32800


def test_candidates_stream_before_the_answer(start_server: Any) -> None:
    script = [
        {
            "candidates": [{"tactic": "simp", "score": -1}, {"tactic": "rfl", "score": -2}],
            "hang": True,
        }
    ]
    client = start_server("--model", "echo", script=script)
    client.initialize()
    client.send(
        {
            "jsonrpc": "2.0",
            "id": 9,
            "method": "llmstep/suggest",
            "params": {"goals": ["⊢ a"], "prefix": "", "partialResultToken": 1},
        }
    )
    streamed = [client.receive(lambda m: m.get("method") == "$/progress") for _ in range(2)]
    tactics = [m["params"]["value"]["suggestions"][0]["tactic"] for m in streamed]
    assert tactics == ["simp", "rfl"]
    client.notify("$/cancelRequest", {"id": 9})
    assert client.answer(9)["error"]["code"] == -32800


def test_the_deadline_answers_with_what_is_there(start_server: Any) -> None:
    script = [{"candidates": [{"tactic": "simp", "score": -1}], "hang": True}]
    client = start_server("--model", "echo", script=script)
    client.initialize()
    answer = client.suggest(timeoutMs=500)
    assert [s["tactic"] for s in answer["result"]["suggestions"]] == ["simp"]


def test_the_engines_errors_reach_the_client(start_server: Any, golden: Any) -> None:
    client = start_server("--model", "echo", script=[{"error": "the model failed"}])
    client.initialize()
    answer = client.suggest()
    assert_has(answer, {**golden("server.error.requestFailed"), "id": 1})
    assert (answer["error"]["code"], answer["error"]["message"]) == (-32803, "the model failed")
