"""What a server does wrong, and what is said of it."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import Any

import pytest

from llmstep.backends import completion_client
from llmstep.backends.base import (
    CancelToken,
)
from llmstep.errors import (
    BackendUnavailableError,
    GenerationError,
    LLMStepError,
)

from .scripted_server import (
    Connect,
    Handler,
    ScriptedServer,
    ask,
    choice,
    drop,
    garbage,
    hang,
    status,
    stream,
    texts,
)


@pytest.mark.parametrize(
    ("refusal", "field"),
    [
        ({"detail": [{"msg": "extra fields not permitted: stream_options"}]}, "stream_options"),
        ({"error": {"message": "logprobs is not supported"}}, "logprobs"),
        ({"error": "`n` must be 1"}, "n"),
    ],
)
def test_a_refused_field_is_left_out_from_then_on(
    connect: Connect, refusal: Any, field: str
) -> None:
    with ScriptedServer(status(422, refusal), texts("simp")) as server:
        backend = connect(server)
        assert [c.text for c in ask(backend, n=1)] == ["simp"]
        ask(backend, n=1)
        assert [field in body for _, _, body in server.posts] == [True, False, False]


@pytest.mark.parametrize(
    "failure",
    [
        status(500, {"error": {"message": "out of memory"}}),
        status(429, {"error": "busy"}, [("Retry-After", "0.01")]),
        status(503, b"<html>loading</html>"),
        drop,
        garbage,
        status(200, b""),
        stream([choice(0, "half a tac")], done=False),
        stream("{broken"),
        stream({"error": {"message": "worker died"}}),
        stream({"choices": [{"text": 5}]}),
        stream(done=True),
    ],
)
def test_a_passing_failure_is_tried_again(connect: Connect, failure: Any) -> None:
    with ScriptedServer(failure, texts("simp")) as server:
        assert [c.text for c in ask(connect(server), n=1)] == ["simp"]
        assert len(server.posts) == 2


def test_a_lasting_failure_is_told_in_the_servers_words(connect: Connect) -> None:
    with ScriptedServer(status(500, {"error": {"message": "CUDA out of memory"}})) as server:
        with pytest.raises(GenerationError, match="500 CUDA out of memory") as caught:
            ask(connect(server))
        assert len(server.posts) == 5
        assert server.url in caught.value.hint


def test_what_was_finished_before_the_stream_broke_counts(connect: Connect) -> None:
    answer = stream([choice(0, "simp", -0.5, "stop")], [choice(1, "half")], done=False)
    with ScriptedServer(answer) as server:
        assert [c.text for c in ask(connect(server))] == ["simp"]
        assert len(server.posts) == 1


def test_a_stream_that_broke_off_empty_is_asked_for_the_reason(connect: Connect) -> None:
    def answer(handler: Handler) -> None:
        if handler.body["stream"]:
            handler.begin_stream()
        elif "logprobs" in handler.body:
            handler.send_json({"error": {"message": "logprobs is not supported"}}, 500)
        else:
            handler.send_json({"choices": [choice(0, "simp", None, "stop")]})

    with ScriptedServer(answer) as server:
        assert [c.text for c in ask(connect(server), n=1)] == ["simp"]


@pytest.mark.parametrize(
    ("code", "hint"), [(404, "/v1"), (301, "https://elsewhere/v1"), (418, "log")]
)
def test_other_refusals_are_not_tried_again(connect: Connect, code: int, hint: str) -> None:
    answer = status(code, b"no", [("Location", "https://elsewhere/v1")])
    with ScriptedServer(answer) as server:
        with pytest.raises(GenerationError, match=str(code)) as caught:
            ask(connect(server))
        assert len(server.posts) == 1
    assert hint in caught.value.hint


@pytest.mark.parametrize("events", [[], [[choice(0, "sim")]]])
def test_cancelling_closes_the_stream_at_once(connect: Connect, events: Any) -> None:
    with ScriptedServer(hang(*events)) as server:
        backend = connect(server)
        cancel = CancelToken()
        threading.Timer(0.1, cancel.cancel).start()
        assert ask(backend, cancel=cancel) == []
        assert server.gone.wait(5)


def test_the_deadline_ends_a_hanging_server(connect: Connect) -> None:
    with ScriptedServer(hang()) as server:
        backend = connect(server)
        cancel = CancelToken()
        cancel.expire_in(0.1)
        assert ask(backend, cancel=cancel) == []
        assert cancel.reason == "deadline"


class Impatient(CancelToken):
    """Time runs out in the first pause between two tries."""

    def sleep(self, seconds: float) -> bool:
        self.cancel("deadline")
        return super().sleep(seconds)


def test_a_failure_before_the_deadline_is_told(connect: Connect) -> None:
    answer = status(503, {"error": "loading"}, [("Retry-After", "60")])
    with ScriptedServer(answer) as server, pytest.raises(GenerationError, match="503 loading"):
        ask(connect(server), cancel=Impatient())


def test_cancelling_while_connecting_does_not_wait(connect: Connect) -> None:
    with ScriptedServer(texts("x")) as server:
        backend = connect(server)
    with socket.socket() as full:
        # A listener whose queue is full: further connections get no answer at all.
        full.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        full.bind(("127.0.0.1", server.server_port))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        cancel = CancelToken()
        threading.Timer(0.1, cancel.cancel).start()
        begin = time.monotonic()
        assert ask(backend, cancel=cancel) == []
        # The connection's own time-out is 10 s.
        assert time.monotonic() - begin < 8
        for filler in fillers:
            filler.close()


def test_nothing_listens(connect: Connect) -> None:
    with ScriptedServer(texts("x")) as server:
        backend = connect(server)
    with pytest.raises(GenerationError, match="nothing listens"):
        ask(backend)
    with pytest.raises(BackendUnavailableError, match="nothing listens") as caught:
        connect(server)
    assert "LLMSTEP_OPENAI_BASE_URL" in caught.value.hint


def test_every_error_is_one_for_the_user(connect: Connect) -> None:
    deep = json.dumps("x").join(["["] * 50)
    for body in (deep.encode(), b"\xff\xfe", b'{"choices": 3}', b"[]", b'{"choices": [[]]}'):
        with ScriptedServer(status(200, body)) as server, pytest.raises(LLMStepError):
            ask(connect(server))


def test_what_a_server_filtered_is_not_blamed_on_the_model(connect: Connect) -> None:
    answer = stream([choice(0, "si", -0.5, "content_filter")], [choice(1, "x", -0.5, "abort")])
    with (
        ScriptedServer(answer) as server,
        pytest.raises(GenerationError, match="ended every candidate with 'content_filter'"),
    ):
        ask(connect(server))


def test_a_server_that_died_while_answering_is_told_from_one_that_fails(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion_client, "_FIRST_PAUSE_SECONDS", 0.01)

    def die(handler: Handler) -> None:
        """As a crash does: no answer, and nothing listens any more."""
        handler.server.socket.close()
        handler.connection.shutdown(socket.SHUT_RDWR)

    with ScriptedServer(die) as server:
        backend = connect(server)
        with pytest.raises(GenerationError, match="then went away") as caught:
            ask(backend, n=1)
    assert "docs/gpu.md" in caught.value.hint
