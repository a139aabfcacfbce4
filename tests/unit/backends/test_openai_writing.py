"""Long answers through the chat API of a scripted server."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from llmstep.backends import open_backend
from llmstep.backends.base import BackendOptions, CancelToken, PromptPart
from llmstep.backends.openai import OpenAIBackend
from llmstep.backends.writing import Message, WritingRequest
from llmstep.errors import GenerationError

from .scripted_server import Answer, ScriptedServer, drop, hang, status, stream

REQUEST = WritingRequest(
    messages=(Message("system", "S"), Message("user", "U")),
    thought=("<think>", "</think>"),
    thought_tokens=100,
    answer_tokens=50,
    seed=5,
)
BLOCK = "```lean4\nsimp\n```"


def delta(finish: str | None = None, **turn: Any) -> list[Any]:
    return [{"index": 0, "delta": turn, "finish_reason": finish}]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LLMSTEP_OPENAI_MODEL", "LLMSTEP_OPENAI_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("llmstep.backends.completion_client._FIRST_PAUSE_SECONDS", 0.01)


def write(
    monkeypatch: pytest.MonkeyPatch,
    server: ScriptedServer,
    request: WritingRequest = REQUEST,
    cancel: CancelToken | None = None,
):
    monkeypatch.setenv("LLMSTEP_OPENAI_BASE_URL", server.url)
    backend = open_backend("openai", BackendOptions())
    assert isinstance(backend, OpenAIBackend)
    told: list[tuple[int, bool, int, str]] = []
    written, stats = backend.write(
        request, cancel or CancelToken(), lambda *report: told.append(report)
    )
    return written, stats, told


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_a_thought_that_the_server_parts_is_counted_and_never_text(
    monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    answer = stream(
        delta(role="assistant"),
        delta(**{field: "secret "}),
        delta(**{field: "plan"}),
        delta(content="```lean4\nsi"),
        delta(content="mp\n```"),
        delta("stop"),
        {"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7}},
    )
    with ScriptedServer(answer) as server:
        [written], stats, told = write(monkeypatch, server)
    assert (written.text, written.end, written.tokens) == (BLOCK, "end", 7)
    assert [thinking for _, thinking, _, _ in told][:2] == [True, True]
    assert "secret" not in "".join(text for *_, text in told)
    path, _, body = server.posts[0]
    assert path == "/v1/chat/completions"
    assert body["messages"] == [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "U"},
    ]
    assert (body["max_tokens"], body["seed"]) == (150, 5)
    assert stats.prompt_tokens in (0, 11)


def test_a_thought_between_marks_is_told_from_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = stream(
        delta(content="<think>secret</th"), delta(content=f"ink>\n{BLOCK}"), delta("stop")
    )
    with ScriptedServer(answer) as server:
        [written], _, told = write(monkeypatch, server)
    assert written.text.endswith(BLOCK)
    assert "secret" not in "".join(text for *_, text in told)


def test_an_answer_that_is_not_streamed_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {
        "choices": [{"message": {"role": "assistant", "content": BLOCK}, "finish_reason": "stop"}]
    }
    with ScriptedServer(status(200, whole)) as server:
        [written], _, _ = write(monkeypatch, server)
    assert written.text == BLOCK


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": None},
        {"choices": [None, {"index": 1, "delta": {"content": "other"}}]},
        {"choices": [{"index": 0, "delta": None}]},
        {"object": "ping"},
        {"choices": [{"index": 0, "delta": {"content": None, "reasoning": None}}]},
    ],
)
def test_what_is_null_is_absent_and_the_unknown_is_skipped(
    monkeypatch: pytest.MonkeyPatch, odd: dict[str, Any]
) -> None:
    with ScriptedServer(stream(odd, delta(content=BLOCK), delta("weird_end"))) as server:
        [written], _, _ = write(monkeypatch, server)
    assert written.text == BLOCK


def test_tokens_that_are_used_up_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(stream(delta(content="```lean4\nsi"), delta("length"))) as server:
        [written], _, _ = write(monkeypatch, server)
    assert (written.text, written.end) == ("```lean4\nsi", "budget")


def test_what_is_said_after_the_block_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = [delta(content=f"word {number} ") for number in range(100)]
    with ScriptedServer(hang(delta(content=f"{BLOCK}\n"), *talk)) as server:
        [written], _, _ = write(monkeypatch, server)
        assert server.gone.wait(10)
    assert written.text.strip() == BLOCK
    assert written.end == "end"


@pytest.mark.parametrize("field", ["content", "reasoning"])
def test_a_model_that_runs_in_circles_is_stopped(
    monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    """The connection is closed: the server, too, need not go on."""
    circle = [delta(**{field: word}) for _ in range(500) for word in ("and ", "then ")]
    with ScriptedServer(stream(*circle, delta("length"))) as server:
        [written], _, _ = write(monkeypatch, server)
    assert written.end == "repetition"
    assert written.tokens < 300


def test_each_answer_is_a_request_with_a_seed_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Answer] = [stream(delta(content=f"{i}"), delta("stop")) for i in range(3)]
    request = WritingRequest(messages=REQUEST.messages, fenced=False, n=3)
    with ScriptedServer(*answers) as server:
        written, _, _ = write(monkeypatch, server, request)
    assert [answer.text for answer in written] == ["0", "1", "2"]
    assert [body["seed"] for _, _, body in server.posts] == [0, 1, 2]


def test_a_text_to_continue_becomes_the_users_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    request = WritingRequest(prompt=(PromptPart("prove "), PromptPart("it")), fenced=False)
    with ScriptedServer(stream(delta(content="ok"), delta("stop"))) as server:
        write(monkeypatch, server, request)
    assert server.posts[0][2]["messages"] == [{"role": "user", "content": "prove it"}]


def test_a_server_that_dies_in_the_middle_is_asked_again_and_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ScriptedServer(drop, stream(delta(content=BLOCK), delta("stop"))) as server:
        [written], _, _ = write(monkeypatch, server)
        assert written.text == BLOCK
    broken = status(500, {"error": {"message": "out of memory"}})
    with ScriptedServer(broken) as server, pytest.raises(GenerationError, match="out of memory"):
        write(monkeypatch, server)


def test_an_end_by_the_servers_own_rules_is_its_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    filtered = stream(delta(content="x"), delta("content_filter"))
    with ScriptedServer(filtered) as server, pytest.raises(GenerationError, match="content_filter"):
        write(monkeypatch, server)


def test_a_cancel_closes_the_connection_and_keeps_what_came(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cancel = CancelToken()
    with ScriptedServer(hang(delta(content="```lean4\nintro h"))) as server:
        threading.Timer(0.5, cancel.cancel).start()
        [written], _, _ = write(monkeypatch, server, cancel=cancel)
        assert server.gone.wait(10)
    assert (written.text, written.end) == ("```lean4\nintro h", "time")
