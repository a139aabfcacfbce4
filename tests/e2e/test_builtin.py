"""The real process with the built-in model: what a user gets."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from llmstep import paths

pytest.importorskip("llama_cpp", reason="needs llama-cpp-python")
pytestmark = pytest.mark.gguf
OTHERS = {"library", "file", "portfolio", "project", "premises"}
GOAL = "p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q"


@pytest.fixture
def client(start_server: Any) -> Any:
    client = start_server("--model", "builtin")
    client.initialize()
    return client


def tactics(answer: dict[str, Any]) -> list[str]:
    return [suggestion["tactic"] for suggestion in answer["result"]["suggestions"]]


@pytest.mark.parametrize("prefix", ["", "exact", "exact ⟨", "exa", "  constructor", "ex⟨ℕ"])
def test_every_suggestion_starts_with_the_prefix(client: Any, prefix: str) -> None:
    answer = client.suggest(GOAL, prefix)
    found = tactics(answer)
    assert all(tactic.startswith(prefix) for tactic in found), found
    assert len(set(found)) == len(found)
    scores = [suggestion["score"] for suggestion in answer["result"]["suggestions"]]
    assert all(math.isfinite(score) and score <= 0 for score in scores)
    if prefix in ("", "exact"):
        assert len(found) >= 4
        assert answer["result"]["stats"]["generatedTokens"] > 0
    assert client.noise == b""


def test_what_streams_is_what_is_answered(client: Any) -> None:
    answer = client.suggest(GOAL, "", partialResultToken="t")
    streamed: set[str] = set()
    by_model = {s["tactic"] for s in answer["result"]["suggestions"] if "model" in s["origin"]}
    # All of the model's candidates stream, and the likeliest of the other sources.
    while not streamed.issuperset(by_model) or len(streamed.intersection(tactics(answer))) < 4:
        progress = client.receive(lambda m: m.get("method") == "$/progress")["params"]
        assert progress["token"] == "t"
        streamed |= {suggestion["tactic"] for suggestion in progress["value"]["suggestions"]}


def test_the_same_question_is_answered_the_same_way(client: Any) -> None:
    assert tactics(client.suggest(GOAL)) == tactics(client.suggest(GOAL))


def test_the_prompt_is_reused(client: Any) -> None:
    first = client.suggest(GOAL)["result"]["stats"]
    second = client.suggest(GOAL, "exact")["result"]["stats"]
    assert second["reusedTokens"] > first["promptTokens"] // 2


def test_a_second_sidecar_answers_from_the_cache(start_server: Any) -> None:
    answers = []
    for _ in range(2):
        client = start_server("--model", "builtin", environ={"LLMSTEP_CACHE": "on"})
        client.initialize()
        answers.append(client.suggest(GOAL))
        client.end()
    assert [answer["result"]["cached"] for answer in answers] == [False, True]
    assert tactics(answers[0]) == tactics(answers[1])


def test_cancel_in_the_middle_of_a_generation(client: Any) -> None:
    for number in range(5):
        params = {"goals": [f"{GOAL} ∧ {number} = {number}"], "prefix": "", "n": 64}
        client.send({"jsonrpc": "2.0", "id": number, "method": "llmstep/suggest", "params": params})
        client.notify("$/cancelRequest", {"id": number})
        assert client.answer(number)["error"]["code"] == -32800
    client.assert_alive()


def test_prepare_loads_the_model_before_anyone_asks(client: Any) -> None:
    client.notify("llmstep/prepare", {"document": {"uri": "a", "textBefore": "import Lean\n"}})
    # The inference thread may not have begun when the first question comes.
    order = ["unloaded", "loading", "ready"]
    seen = 0
    while (status := client.request("llmstep/status")["result"])["state"] != "ready":
        assert order.index(status["state"]) >= seen
        seen = order.index(status["state"])
    assert client.suggest(GOAL)["result"]["stats"]["loadMs"] == 0


@pytest.mark.skipif(sys.platform == "darwin", reason="does not tell which files are mapped")
def test_a_request_switches_the_model_and_the_next_one_back(start_server: Any) -> None:
    script = [{"candidates": [{"tactic": "scripted", "score": -1}]}]
    environ = {"LLMSTEP_SOURCES": "model", "LLMSTEP_MODEL": "builtin"}
    # An engine would keep both.
    client = start_server("-v", script=script, environ=environ, in_process=True)
    client.initialize()
    weights = str(paths.models_dir() / "llmstep-builtin.gguf")
    process = psutil.Process(client.process.pid)

    def mapped() -> bool:
        return weights in {region.path for region in process.memory_maps()}

    first = client.suggest(GOAL)
    assert first["result"]["model"] == "builtin"
    assert mapped()
    answer = client.suggest(GOAL, model="echo")["result"]
    assert (answer["model"], [s["tactic"] for s in answer["suggestions"]]) == ("echo", ["scripted"])
    status = client.request("llmstep/status")["result"]
    assert (status["model"], status["backend"], status["state"]) == ("echo", "echo", "ready")
    assert not mapped()
    error = client.suggest(GOAL, model="no-such-model")["error"]
    assert (error["code"], "no-such-model" in error["message"]) == (-32803, True)
    assert client.request("llmstep/status")["result"]["model"] == "echo"
    again = client.suggest(GOAL)["result"]
    assert again["model"] == "builtin"
    assert again["stats"]["loadMs"] > 0
    assert tactics({"result": again}) == tactics(first)
    assert mapped()


def test_the_end_of_the_input_during_a_generation(client: Any) -> None:
    params = {"goals": [GOAL], "prefix": "", "n": 64}
    client.send({"jsonrpc": "2.0", "id": 1, "method": "llmstep/suggest", "params": params})
    assert client.end() == 0


def _damage(kind: str, folder: Path) -> Path:
    path = folder / f"{kind}.gguf"
    whole = (paths.models_dir() / "llmstep-builtin.gguf").read_bytes()
    contents = {
        "missing": None,
        "empty": b"",
        "text": b"this is no model\n" * 100,
        "truncated": whole[: len(whole) // 2],
        "head": whole[:100],
        "architecture": whole.replace(b"llama", b"mamma", 2),
    }[kind]
    if contents is not None:
        path.write_bytes(contents)
    return path


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "truncated", "head", "architecture"])
def test_a_model_file_that_cannot_be_used(start_server: Any, tmp_path: Path, kind: str) -> None:
    path = _damage(kind, tmp_path)
    client = start_server("--model", str(path))
    assert "result" in client.initialize()
    result = client.suggest(GOAL)["result"]
    assert result["suggestions"]
    assert {origin for s in result["suggestions"] for origin in s["origin"]} <= OTHERS
    assert path.name in result["partial"]["reason"]
    assert result["partial"]["hint"]
    status = client.request("llmstep/status")["result"]
    assert status["state"] == "failed"
    assert path.name in status["error"]
    assert client.noise == b""
    assert client.end() == 0


def test_where_only_the_model_is_asked_its_absence_is_an_error(start_server: Any) -> None:
    client = start_server("--model", "/no/such.gguf", environ={"LLMSTEP_SOURCES": "model"})
    client.initialize()
    error = client.suggest(GOAL)["error"]
    assert (error["code"], "/no/such.gguf" in error["message"]) == (-32803, True)


def test_settings_that_were_not_taken_stand_in_the_answer(start_server: Any) -> None:
    client = start_server("--model", "echo", environ={"LLMSTEP_N": "many"})
    client.initialize(tempo=3)
    first, second = client.suggest()["result"]["warnings"]
    assert "LLMSTEP_N" in first
    assert "tempo" in second


def test_a_model_that_comes_late_is_taken(start_server: Any, tmp_path: Path) -> None:
    path = tmp_path / "late.gguf"
    client = start_server("--model", str(path))
    client.initialize()
    assert client.suggest(GOAL)["result"]["partial"]
    path.symlink_to(paths.models_dir() / "llmstep-builtin.gguf")
    result = client.suggest(GOAL, "exact")["result"]
    assert "partial" not in result
    assert any("model" in suggestion["origin"] for suggestion in result["suggestions"])
