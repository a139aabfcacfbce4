"""No model is no reason for no answer, and nothing that hangs holds up anybody else."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

import llmstep.service.finder
import llmstep.service.resident
from llmstep.backends import open_backend
from llmstep.backends.base import CancelToken
from llmstep.config import Settings
from llmstep.errors import BackendUnavailableError, DeadlineError, LLMStepError
from llmstep.service.model_setup import find_setup
from llmstep.service.question import Asker, SuggestReply, SuggestRequest
from llmstep.service.resident import ResidentModels
from llmstep.service.suggest import SuggestService

GOAL = "p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q"
Open = Callable[..., SuggestService]


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What hangs in a test hangs until its end."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def open_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path))
    opened: list[SuggestService] = []

    def open_it(script: Any = None, **changes: Any) -> SuggestService:
        if script is not None:
            path = tmp_path / "script.json"
            path.write_text(json.dumps(script), encoding="utf-8")
            monkeypatch.setenv("LLMSTEP_ECHO_SCRIPT", str(path))
        settings = Settings(model="echo", sources=("model", "portfolio"), cache=False)
        opened.append(SuggestService(attrs.evolve(settings, **changes)))
        return opened[-1]

    yield open_it
    for service in opened:
        service.close()


def ask(service: SuggestService, **fields: Any) -> SuggestReply:
    return asyncio.run(service.suggest(SuggestRequest((GOAL,), **fields)))


def assert_partial(reply: SuggestReply, words: str) -> None:
    assert reply.suggestions
    assert all("model" not in suggestion.origin for suggestion in reply.suggestions)
    assert reply.partial is not None
    assert words in reply.partial.reason
    assert reply.partial.hint


def test_a_whole_answer_is_not_marked(open_service: Open) -> None:
    reply = ask(open_service())
    assert reply.partial is None
    assert any("model" in suggestion.origin for suggestion in reply.suggestions)


def test_a_model_that_is_not_there(open_service: Open) -> None:
    reply = ask(open_service(model="no-such-model"))
    assert_partial(reply, "no-such-model")
    assert reply.model == "no-such-model"


def test_a_request_for_a_model_that_is_not_there(open_service: Open) -> None:
    service = open_service()
    reply = ask(service, model="no-such-model")
    assert_partial(reply, "no-such-model")
    assert ask(service).partial is None


def test_a_damaged_model(open_service: Open, tmp_path: Path) -> None:
    service = open_service([])
    (tmp_path / "script.json").write_text("no json")
    assert_partial(ask(service), "script.json")
    (tmp_path / "script.json").write_text('[{"candidates": [{"tactic": "simp", "score": -1}]}]')
    assert ask(service).partial is None


def test_a_library_that_is_not_installed(
    open_service: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise BackendUnavailableError("llama-cpp-python is not installed")

    monkeypatch.setattr(llmstep.service.resident, "open_backend", fail)
    reply = ask(open_service())
    assert_partial(reply, "not installed")
    assert reply.partial
    assert "doctor --fix" in reply.partial.hint


def test_a_model_that_fails_at_this_goal(open_service: Open) -> None:
    assert_partial(ask(open_service([{"error": "out of luck"}])), "out of luck")


def test_a_partial_answer_is_not_remembered(open_service: Open) -> None:
    rules = [{"error": "out of luck"}]
    service = open_service(rules, cache=True)
    assert ask(service).partial
    again = ask(service)
    assert again.partial
    assert not again.cached


def test_a_model_that_loads_slowly_is_not_waited_for(
    open_service: Open, monkeypatch: pytest.MonkeyPatch, gate: threading.Event
) -> None:
    def slow(name: str, options: Any) -> Any:
        gate.wait(60)
        return open_backend(name, options)

    monkeypatch.setattr(llmstep.service.resident, "open_backend", slow)
    monkeypatch.setattr(llmstep.service.finder, "_PATIENCE_S", 0.1)
    service = open_service()
    assert_partial(ask(service), "still being loaded")
    gate.set()
    while service.status().state != "ready":
        time.sleep(0.01)
    assert ask(service).partial is None


def test_without_other_sources_the_model_is_waited_for(
    open_service: Open, monkeypatch: pytest.MonkeyPatch, gate: threading.Event
) -> None:
    def slow(name: str, options: Any) -> Any:
        time.sleep(0.3)
        return open_backend(name, options)

    monkeypatch.setattr(llmstep.service.resident, "open_backend", slow)
    monkeypatch.setattr(llmstep.service.finder, "_PATIENCE_S", 0.01)
    assert ask(open_service(sources=("model",))).suggestions


def test_a_model_that_is_busy(open_service: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmstep.service.suggest._GRACE_S", 0.05)
    service = open_service([{"goal": "stuck", "hang": True}])

    async def run() -> SuggestReply:
        stuck = asyncio.create_task(service.suggest(SuggestRequest(("⊢ stuck",))))
        while not service.status().running:
            await asyncio.sleep(0.01)
        reply = await service.suggest(SuggestRequest((GOAL,), timeout_ms=300))
        stuck.cancel()
        return reply

    assert_partial(asyncio.run(run()), "busy with other requests")


def test_eight_requests_whose_disk_hangs_delay_no_ninth(
    open_service: Open, monkeypatch: pytest.MonkeyPatch, gate: threading.Event
) -> None:
    def find(settings: Settings, name: str | None = None) -> Any:
        if name and name.startswith("dead"):
            gate.wait(120)
        return find_setup(settings, name)

    monkeypatch.setattr(llmstep.service.finder, "find_setup", find)
    service = open_service(sources=("model",))

    async def run() -> None:
        stuck = [
            asyncio.create_task(
                service.suggest(SuggestRequest((GOAL,), model=f"dead-{n}", timeout_ms=500))
            )
            for n in range(8)
        ]
        await asyncio.sleep(0.05)
        assert (await service.suggest(SuggestRequest((GOAL,)))).suggestions
        for task in stuck:
            with pytest.raises(DeadlineError, match="disk does not answer"):
                await task
        # The threads are still stuck; the next question is not.
        assert (await service.suggest(SuggestRequest((GOAL,)))).suggestions

    asyncio.run(asyncio.wait_for(run(), 60))


def test_the_other_sources_answer_where_the_disk_hangs(
    open_service: Open, monkeypatch: pytest.MonkeyPatch, gate: threading.Event
) -> None:
    monkeypatch.setattr(llmstep.service.finder, "find_setup", lambda *_: gate.wait(120) and None)
    monkeypatch.setattr("llmstep.service.suggest._FIND_PATIENCE_S", 0.05)
    service = open_service()
    service.start()
    assert_partial(ask(service), "disk does not answer")
    assert service.status().state == "unloaded"


def test_a_cache_that_hangs_costs_one_question_a_moment(
    open_service: Open, monkeypatch: pytest.MonkeyPatch, gate: threading.Event
) -> None:
    monkeypatch.setattr("llmstep.service.remembered._PATIENCE_S", 0.05)
    monkeypatch.setattr(
        "llmstep.service.remembered.SuggestionCache", lambda *_: gate.wait(120) and None
    )
    service = open_service(cache=True)
    for _ in range(3):
        assert ask(service).suggestions
    assert service.status().cache_entries == 0


def test_a_library_that_hangs_leaves_the_model(
    open_service: Open, monkeypatch: pytest.MonkeyPatch, gate: threading.Event
) -> None:
    service = open_service()
    monkeypatch.setattr(service._sources, "gather", lambda *_: gate.wait(120))
    reply = ask(service, timeout_ms=600)
    assert reply.suggestions
    assert reply.partial
    assert "sources besides the model" in reply.partial.reason


@pytest.mark.skipif(os.name != "posix", reason="POSIX pipes")
def test_a_pipe_in_place_of_a_model_hangs_nobody(open_service: Open, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    os.mkfifo(folder / "config.json")
    os.mkfifo(tmp_path / "model.gguf")
    service = open_service()

    async def run() -> None:
        for path in (folder, tmp_path / "model.gguf"):
            request = SuggestRequest((GOAL,), model=str(path), timeout_ms=4000)
            assert_partial(await service.suggest(request), "")
        assert (await service.suggest(SuggestRequest((GOAL,)))).partial is None

    asyncio.run(asyncio.wait_for(run(), 60))
    # Let go of the thread that opened the pipe.
    descriptor = os.open(folder / "config.json", os.O_RDWR | os.O_NONBLOCK)
    time.sleep(0.05)
    os.close(descriptor)


def test_a_thread_stuck_in_a_library_is_given_up(
    open_service: Open, monkeypatch: pytest.MonkeyPatch, gate: threading.Event
) -> None:
    monkeypatch.setattr("llmstep.service.resident._STUCK_S", 0.05)
    monkeypatch.setattr("llmstep.service.suggest._GRACE_S", 0.05)
    service = open_service(sources=("model",))
    assert ask(service).suggestions
    setup = find_setup(Settings(model="echo", sources=("model",), cache=False))
    service.models.lane(setup).submit(lambda: gate.wait(120), cancel := CancelToken())
    with pytest.raises(DeadlineError):
        ask(service, timeout_ms=50)
    cancel.cancel()
    time.sleep(0.1)
    assert ask(service).suggestions


def test_clients_take_turns_and_only_their_own_questions_replace_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path))
    models = ResidentModels()
    settings = Settings(model="echo", sources=("model",), cache=False)
    first, second = SuggestService(settings, models), SuggestService(settings, models)

    async def run() -> None:
        few = Asker(1, attrs.evolve(settings, n=2))
        assert len((await first.suggest(SuggestRequest((GOAL,)), asker=few)).suggestions) == 2
        many = await second.suggest(SuggestRequest((GOAL,)), asker=Asker(2))
        assert len(many.suggestions) > 2
        assert many.stats.load_ms == 0, "one load serves both"

    asyncio.run(run())
    first.close()
    assert asyncio.run(second.suggest(SuggestRequest((GOAL,)))).suggestions
    second.close()
    models.unload_unused(0)
    while models.list_models():
        time.sleep(0.01)
    models.close()


def test_too_many_hanging_look_ups_are_refused() -> None:
    from llmstep.service.finder import Errands

    errands, gate = Errands(2), threading.Event()
    first = errands.begin("a", gate.wait)
    assert errands.begin("a", gate.wait) is first
    errands.begin("b", gate.wait)
    with pytest.raises(LLMStepError, match="2 look-ups have not come back"):
        errands.begin("c", gate.wait)
    gate.set()
    assert first.result(20)
    assert errands.begin("c", lambda: 3).result(20) == 3
