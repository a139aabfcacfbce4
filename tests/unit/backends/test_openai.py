from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from llmstep.backends.base import (
    BackendOptions,
    CancelToken,
    Candidate,
    GenerationRequest,
    PromptPart,
    Sampling,
)
from llmstep.backends.openai import OpenAIBackend
from llmstep.errors import (
    ConfigError,
    LLMStepError,
    ModelNotFoundError,
    PromptTooLongError,
)

from .scripted_server import (
    PROMPT,
    Connect,
    Handler,
    ScriptedServer,
    ask,
    choice,
    hang,
    status,
    stream,
    texts,
)


def test_candidates_are_put_together_from_interleaved_pieces(connect: Connect) -> None:
    answer = stream(
        [choice(0, "intro", -0.25)],
        [choice(1, "exact", -1.0)],
        [choice(0, " h", -0.75), choice(1, " id", -2.0)],
        [choice(1, "", None, "stop")],
        [choice(0, "", None, "length")],
    )
    with ScriptedServer(answer) as server:
        found = ask(connect(server))
    assert found == [
        Candidate("exact id", -3.0, 2, "eos"),
        Candidate("intro h", -1.0, 2, "length"),
    ]
    assert found[0].mean_logprob == pytest.approx(-1.5)


def test_the_request_carries_prompt_prefix_and_sampling(connect: Connect) -> None:
    with ScriptedServer(texts(" h", "_h")) as server:
        found = ask(connect(server), "exact", sampling=Sampling(2, 33, 0.7, 0.9, 2**40 + 5))
        path, headers, body = server.posts[0]
    assert [c.text for c in found] == ["exact h", "exact_h"]
    assert path == "/v1/completions"
    assert "Authorization" not in headers
    assert body == {
        "model": "tiny",
        "prompt": "[GOAL]⊢ p → p[PROOFSTEP]exact",
        "max_tokens": 33,
        "temperature": 0.7,
        "top_p": 0.9,
        "seed": 5,
        "n": 2,
        "logprobs": 1,
        "stop": ["\n"],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_a_blank_at_the_prefix_end_is_enforced_on_the_answer(connect: Connect) -> None:
    with ScriptedServer(texts(" h", "_foo")) as server:
        found = ask(connect(server), "exact ")
        assert server.posts[0][2]["prompt"].endswith("[PROOFSTEP]exact")
        assert len(server.posts) == 1
    assert [c.text for c in found] == ["exact h"]


def test_a_prefix_no_answer_continues_is_asked_whole(connect: Connect) -> None:
    with ScriptedServer(texts("ros h", "ros"), texts("h", "x y")) as server:
        found = ask(connect(server), "int ")
        assert [body["prompt"][-4:] for _, _, body in server.posts] == ["]int", "int "]
    assert [c.text for c in found] == ["int h", "int x y"]


def test_an_unstreamed_answer_is_read_too(connect: Connect) -> None:
    usage = {
        "prompt_tokens": 40,
        "completion_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 32},
    }
    message = {"choices": [choice(0, "simp", -0.5, "stop")], "usage": usage}
    with ScriptedServer(status(200, message)) as server:
        backend = connect(server)
        stats = backend.generate(
            GenerationRequest(PROMPT, sampling=Sampling(n=1)), CancelToken(), lambda _: None
        )
    assert (stats.prompt_tokens, stats.reused_tokens, stats.generated_tokens) == (40, 32, 7)


def test_chat_style_log_probabilities_are_read(connect: Connect) -> None:
    probs = {"content": [{"token": "om", "logprob": -0.5}, {"token": "ega", "logprob": 1e-9}]}
    event = [{"index": 0, "text": "omega", "logprobs": probs, "finish_reason": "stop"}]
    with ScriptedServer(stream(event)) as server:
        assert ask(connect(server), n=1) == [Candidate("omega", -0.5, 2, "eos")]


def test_without_log_probabilities_the_score_is_zero_and_it_is_said_once(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    with ScriptedServer(texts("simp", "rfl", logprob=None)) as server:
        backend = connect(server)
        with caplog.at_level(logging.WARNING):
            assert [c.mean_logprob for c in ask(backend) + ask(backend)] == [0, 0, 0, 0]
    assert sum("no log-probabilities" in r.message for r in caplog.records) == 1


def test_a_prefix_that_is_the_whole_tactic_comes_last(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    # Nothing was generated, so nothing has a log-probability: not the same as a certain answer.
    answer = stream([choice(0, "", None, "stop")], [choice(1, " [h]", -2.0, "stop")])
    with ScriptedServer(answer, texts("", logprob=None)) as server:
        backend = connect(server)
        with caplog.at_level(logging.WARNING):
            assert [(c.text, c.mean_logprob) for c in ask(backend, "simp")] == [
                ("simp [h]", -2.0),
                ("simp", -2.0),
            ]
            assert [c.text for c in ask(backend, "rfl", n=1)] == ["rfl"]
            assert ask(backend, "", n=1) == []
    assert not [r for r in caplog.records if r.name != "asyncio"]


def test_a_server_that_ignores_n_is_asked_again_with_other_seeds(connect: Connect) -> None:
    with ScriptedServer(texts("a"), texts("b"), texts("c"), texts("d")) as server:
        backend = connect(server)
        assert [c.text for c in ask(backend, n=3)] == ["a", "b", "c"]
        assert [body["seed"] for _, _, body in server.posts] == [0, 1, 2]
        assert "n" not in server.posts[1][2]
        ask(backend, n=1)
        assert len(server.posts) == 4


def test_temperature_zero_asks_for_one(connect: Connect) -> None:
    with ScriptedServer(texts("rfl")) as server:
        assert len(ask(connect(server), sampling=Sampling(n=8, temperature=0.0))) == 1
        assert server.posts[0][2]["n"] == 1


def test_stop_strings_are_enforced_here_as_well(connect: Connect) -> None:
    stop = ("---", "\n", "[GOAL]", "[PROOFSTEP]", "theorem")
    answer = stream([choice(0, "simp the")], [choice(0, "orem x")], [choice(0, "y", -1, "stop")])
    with ScriptedServer(answer) as server:
        found = ask(connect(server), n=1, stop=stop)
        assert server.posts[0][2]["stop"] == list(stop[:4])
    assert [(c.text, c.finish) for c in found] == [("simp ", "stop")]


@pytest.mark.parametrize("code", [401, 403])
def test_a_wrong_key_is_a_clear_error_at_once(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setenv("LLMSTEP_OPENAI_API_KEY", "sk-wrong")
    refusal = status(code, {"error": {"message": "Incorrect API key provided"}})
    with ScriptedServer(refusal) as server:
        with pytest.raises(ConfigError, match="refuses the key") as caught:
            ask(connect(server))
        assert len(server.posts) == 1
        server.models = refusal
        with pytest.raises(ConfigError, match="refuses the key"):
            connect(server)
    assert "LLMSTEP_OPENAI_API_KEY" in caught.value.hint
    assert "sk-wrong" not in str(caught.value)


def test_the_key_comes_from_the_environment(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-general")
    with ScriptedServer(texts("simp")) as server:
        ask(connect(server), n=1)
        monkeypatch.setenv("LLMSTEP_OPENAI_API_KEY", "sk-own")
        ask(connect(server), n=1)
        sent = [headers["Authorization"] for _, headers, _ in server.posts]
    assert sent == ["Bearer sk-general", "Bearer sk-own"]


def test_an_unknown_model_names_those_there_are(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMSTEP_OPENAI_MODEL", "typo")
    message = {"error": {"message": "The model `typo` does not exist.", "code": 404}}
    with (
        ScriptedServer(status(404, message), models=({"id": "a"}, {"id": "b"})) as server,
        pytest.raises(ModelNotFoundError, match="'typo'") as caught,
    ):
        ask(connect(server))
    assert "a, b" in caught.value.hint


def test_several_models_need_a_name(connect: Connect) -> None:
    with (
        ScriptedServer(texts("x"), models=({"id": "a"}, {"id": "b"})) as server,
        pytest.raises(ModelNotFoundError, match="several models: a, b"),
    ):
        connect(server)


@pytest.mark.parametrize(
    ("entry", "window"),
    [
        ({"id": "m", "max_model_len": 2048}, 2048),
        ({"id": "m", "meta": {"n_ctx_train": 8192}}, 8192),
        ({"id": "m"}, 4096),
    ],
)
def test_the_window_is_the_servers_own(connect: Connect, entry: Any, window: int) -> None:
    with ScriptedServer(texts("x"), models=(entry,)) as server:
        assert connect(server).info.context_tokens == window


@pytest.mark.parametrize("models", [None, status(200, b"no json"), status(200, [1])])
def test_a_server_without_a_list_of_models_needs_a_name(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, models: Any
) -> None:
    with ScriptedServer(texts("x"), models=models) as server:
        with pytest.raises(ModelNotFoundError, match="does not say"):
            connect(server)
        monkeypatch.setenv("LLMSTEP_OPENAI_MODEL", "mine")
        assert connect(server).info.model == "mine"


def test_a_prompt_that_is_too_long(connect: Connect) -> None:
    message = {"error": {"message": "This model's maximum context length is 64 tokens"}}
    with ScriptedServer(status(400, message), models=({"id": "m", "max_model_len": 64},)) as server:
        backend = connect(server)
        with pytest.raises(PromptTooLongError, match="maximum context length"):
            ask(backend)
        with pytest.raises(PromptTooLongError, match="about 4"):
            ask(backend, prompt=(PromptPart("x" * 1000),))
        assert len(server.posts) == 1


def test_a_candidate_arrives_while_others_are_still_decoded(connect: Connect) -> None:
    with ScriptedServer(hang([choice(0, "simp", -0.5, "stop")])) as server:
        backend = connect(server)
        cancel = CancelToken()
        found: list[str] = []

        def take(candidate: Candidate) -> None:
            found.append(candidate.text)
            cancel.cancel()

        backend.generate(GenerationRequest(PROMPT, sampling=Sampling(n=2)), cancel, take)
        assert found == ["simp"]
        assert server.gone.wait(5)


def test_nothing_is_sent_before_a_suggestion_is_asked_for(connect: Connect) -> None:
    with ScriptedServer(texts("x")) as server:
        connect(server).prefill(PROMPT, CancelToken())
        assert server.posts == []


@pytest.mark.parametrize("proxy_login", ["", "user:p%40ss@"])
def test_a_proxy_is_honoured(monkeypatch: pytest.MonkeyPatch, proxy_login: str) -> None:
    with ScriptedServer(texts("simp")) as proxy:
        monkeypatch.setenv("http_proxy", f"http://{proxy_login}127.0.0.1:{proxy.server_port}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.setenv("LLMSTEP_OPENAI_BASE_URL", "http://gpu.example:8000/v1")
        backend = OpenAIBackend(BackendOptions(remote_model="m"))
        assert [c.text for c in ask(backend, n=1)] == ["simp"]
        path, headers, _ = proxy.posts[0]
    assert path == "http://gpu.example:8000/v1/completions"
    assert headers["Host"] == "gpu.example:8000"
    expected = "Basic dXNlcjpwQHNz" if proxy_login else None
    assert headers.get("Proxy-Authorization") == expected


def test_plain_http_to_another_machine_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with ScriptedServer(texts("simp")) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.server_port}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.setenv("LLMSTEP_OPENAI_BASE_URL", "http://gpu.example:8000/v1")
        OpenAIBackend(BackendOptions())
    assert "plain http" in caplog.text


def test_loopback_is_not_warned_of(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    with ScriptedServer(texts("simp")) as server:
        connect(server)
    assert "plain http" not in caplog.text


def test_a_candidate_is_handed_on_with_a_mark_before_the_stream_and_odd_events(
    connect: Connect,
) -> None:
    def answer(handler: Handler) -> None:
        handler.begin_stream()
        handler.wfile.write(b"\xef\xbb\xbf")
        handler.wfile.write(b"event: ping\ndata: still here\n\nretry: 10\n\ndata: null\n\n")
        handler.send_event({"choices": None, "filters": {"hate": "safe"}})
        handler.send_event({"choices": [choice(0, "simp", -0.5, "eos_token")]})
        handler.send_event("[DONE]")

    with ScriptedServer(answer) as server:
        assert [c.text for c in ask(connect(server), n=1)] == ["simp"]
        assert len(server.posts) == 1


def test_text_with_line_ends_of_another_standard_arrives_whole(connect: Connect) -> None:
    text = "exact a\u2028b\u2029c\x0bd\x85e"

    def answer(handler: Handler) -> None:
        handler.begin_stream()
        event = json.dumps({"choices": [choice(0, text, -0.5, "stop")]}, ensure_ascii=False)
        handler.send_event(event)
        handler.send_event("[DONE]")

    with ScriptedServer(answer) as server:
        assert [c.text for c in ask(connect(server), n=1, stop=())] == [text]


@pytest.mark.parametrize("code", [200, 400, 401, 403, 404, 413, 422, 429, 500])
@pytest.mark.parametrize("shape", ["json", "text", "event", "broken", "long", "models", "redirect"])
def test_a_key_that_the_server_repeats_stays_here(
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    code: int,
    shape: str,
) -> None:
    key = "sk-live/0123456789-abcdef"
    monkeypatch.setenv("LLMSTEP_OPENAI_API_KEY", key)
    monkeypatch.setattr("llmstep.backends.completion_client._MOST_TRIES", 2)

    def answer(handler: Handler) -> None:
        echoed = f"got Authorization {handler.headers['Authorization']}"
        if shape == "event":
            handler.begin_stream()
            handler.send_event({"error": {"message": echoed}})
        elif shape == "redirect":
            handler.send_json(b"", 302, [("Location", f"https://x.example/?key={key}")])
        else:
            long = "x" * 285 + echoed
            words = {"text": echoed.encode(), "broken": f"{{{echoed}".encode()}
            value = {"error": {"message": long if shape == "long" else echoed}}
            handler.send_json(words.get(shape, value), code)

    caplog.set_level("DEBUG")
    models = answer if shape == "models" else ({"id": "tiny"},)
    with ScriptedServer(answer, models=models) as server:
        if shape == "models":
            monkeypatch.setenv("LLMSTEP_OPENAI_MODEL", "tiny")
        with pytest.raises(LLMStepError) as caught:
            ask(connect(server))
    told = caught.value.message + caught.value.hint + caplog.text
    assert key not in told
    assert "0123456789" not in told
