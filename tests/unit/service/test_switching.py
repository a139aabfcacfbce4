"""The request field ``model``: another model for this question, never two in memory."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

import llmstep.service.resident
from llmstep.backends import open_backend
from llmstep.backends.base import Backend, BackendOptions, CancelToken
from llmstep.config import Settings
from llmstep.errors import (
    CancelledError,
    DeadlineError,
    InvalidParamsError,
    LLMStepError,
    ModelNotFoundError,
)
from llmstep.service.model_setup import find_setup
from llmstep.service.question import Asker, Document, PrepareRequest, SuggestReply, SuggestRequest
from llmstep.service.suggest import SuggestService

GOAL = "p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q"
CARD = """
id = "{name}"
aliases = ["{name}-alias"]
name = "a scripted model"
backends = ["echo"]
file = "{name}.json"
context_length = {window}
"""
WINDOWS = {"first": 1000, "second": 3000, "broken": 1000}


@attrs.define
class Loads:
    """What was opened and closed, in order, and how many were open at most."""

    events: list[tuple[str, str]] = attrs.field(factory=list)
    open_now: int = 0
    most_open: int = 0
    backends: list[weakref.ref[Backend]] = attrs.field(factory=list)

    def open(self, name: str, options: BackendOptions) -> Backend:
        assert options.path is not None
        model = options.path.stem
        self.events.append(("open", model))
        backend = open_backend(name, options)
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)

        def close() -> None:
            self.open_now -= 1
            self.events.append(("close", model))

        backend.close = close
        self.backends.append(weakref.ref(backend))
        return backend


@pytest.fixture
def loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loads:
    """Three models with cards: one answers ``first``, one ``second``, one cannot be loaded."""
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path))
    folder = tmp_path / "data" / "models"
    for name, window in WINDOWS.items():
        (folder / name).mkdir(parents=True)
        (folder / f"{name}.toml").write_text(CARD.format(name=name, window=window))
        rules = [
            {"goal": "stuck", "hang": True},
            {"candidates": [{"tactic": name, "score": -1}]},
        ]
        text = "not json" if name == "broken" else json.dumps(rules)
        (folder / name / f"{name}.json").write_text(text)
    loads = Loads()
    monkeypatch.setattr(llmstep.service.resident, "open_backend", loads.open)
    return loads


Open = Callable[..., SuggestService]


@pytest.fixture
def open_service(loads: Loads) -> Iterator[Open]:
    opened: list[SuggestService] = []

    def open_it(**changes: Any) -> SuggestService:
        settings = Settings(model="first", sources=("model",), cache=False)
        opened.append(SuggestService(attrs.evolve(settings, **changes)))
        return opened[-1]

    yield open_it
    for service in opened:
        service.close()
    assert loads.open_now == 0


def ask(service: SuggestService, model: str | None = None, **fields: Any) -> SuggestReply:
    return asyncio.run(service.suggest(SuggestRequest((GOAL,), model=model, **fields)))


def tactics(reply: SuggestReply) -> list[str]:
    return [suggestion.tactic for suggestion in reply.suggestions]


def test_a_request_chooses_its_model_and_the_next_one_does_not(
    open_service: Open, loads: Loads
) -> None:
    service = open_service()
    replies = [ask(service), ask(service, "second"), ask(service)]
    assert [tactics(reply) for reply in replies] == [["first"], ["second"], ["first"]]
    assert [reply.model for reply in replies] == ["first", "second", "first"]
    assert all(reply.stats.load_ms > 0 for reply in replies)
    assert loads.events == [
        ("open", "first"),
        ("close", "first"),
        ("open", "second"),
        ("close", "second"),
        ("open", "first"),
    ]
    assert loads.most_open == 1


def test_nothing_keeps_the_old_model_in_memory(open_service: Open, loads: Loads) -> None:
    service = open_service()
    ask(service)
    ask(service, "second")
    gc.collect()
    assert [backend() is None for backend in loads.backends] == [True, False]


def test_the_status_tells_of_the_resident_model(open_service: Open) -> None:
    service = open_service()
    assert (service.status().model, service.status().state) == ("first", "unloaded")
    for model in ("first", "second"):
        ask(service, model)
        status = service.status()
        assert (status.model, status.state) == (model, "ready")
        assert status.context_tokens == WINDOWS[model]


@pytest.mark.parametrize("name", ["first", "first-alias"])
def test_the_resident_model_by_any_name_is_not_loaded_again(
    open_service: Open, loads: Loads, name: str
) -> None:
    service = open_service()
    ask(service)
    assert ask(service, name).stats.load_ms == 0
    assert loads.events == [("open", "first")]


@pytest.mark.parametrize(
    "name", ["secnod", "no/such/model", "/no/such.gguf", "x" * 5000, "~nobody-at-all/x.gguf"]
)
def test_an_unknown_model_is_that_requests_answer_alone(
    open_service: Open, loads: Loads, name: str
) -> None:
    service = open_service()
    ask(service)
    with pytest.raises(ModelNotFoundError) as caught:
        ask(service, name)
    assert caught.value.hint
    assert tactics(ask(service)) == ["first"]
    assert service.status().error is None
    assert loads.events == [("open", "first")]


@pytest.mark.parametrize("name", ["none.gguf", "./none", "folder"])
def test_a_relative_path_is_one_of_the_askers_folder(
    open_service: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    (tmp_path / "client" / "folder").mkdir(parents=True)
    (tmp_path / "client" / "folder" / "config.json").write_text("{}", encoding="utf-8")
    service, asker = open_service(), Asker(folder=str(tmp_path / "client"))
    path = str(tmp_path / "client" / Path(name).name)

    async def run() -> None:
        with pytest.raises(LLMStepError) as caught:
            await service.suggest(SuggestRequest((GOAL,), model=name), asker=asker)
        assert path in f"{caught.value.message} {caught.value.hint}"
        caplog.clear()
        await service.prepare(PrepareRequest(model=name), asker)
        while path not in caplog.text:
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(run(), 30))


def test_a_name_nearly_right_is_guessed(open_service: Open) -> None:
    with pytest.raises(ModelNotFoundError, match="did you mean 'second'"):
        ask(open_service(), "secnod")


@pytest.mark.parametrize("name", ["", "  ", "a\0b"])
def test_an_impossible_name_is_refused(open_service: Open, name: str) -> None:
    with pytest.raises(InvalidParamsError, match="`model` must be"):
        ask(open_service(), name)


def test_a_model_that_cannot_be_loaded_gives_way_to_the_next(open_service: Open) -> None:
    service = open_service()
    ask(service)
    with pytest.raises(LLMStepError, match=r"broken\.json"):
        ask(service, "broken")
    assert (service.status().model, service.status().state) == ("broken", "failed")
    assert tactics(ask(service)) == ["first"]
    assert (service.status().state, service.status().error) == ("ready", None)


def test_each_model_has_its_own_answers_in_the_cache(open_service: Open, loads: Loads) -> None:
    service = open_service(cache=True)
    for model in (None, "second"):
        assert not ask(service, model).cached
    again = [ask(service, model) for model in (None, "second", "first")]
    assert [(reply.cached, reply.model) for reply in again] == [
        (True, "first"),
        (True, "second"),
        (True, "first"),
    ]
    assert [tactics(reply) for reply in again] == [["first"], ["second"], ["first"]]
    assert len([event for event in loads.events if event[0] == "open"]) == 2


def test_a_question_that_was_withdrawn_changes_no_model(open_service: Open, loads: Loads) -> None:
    service = open_service()

    async def run() -> None:
        cancel = CancelToken()
        stuck = asyncio.create_task(service.suggest(SuggestRequest(("stuck",)), cancel))
        while not service.status().running or service.status().state != "ready":
            await asyncio.sleep(0.01)
        withdrawn = CancelToken()
        request = SuggestRequest((GOAL,), model="second")
        waiting = asyncio.create_task(service.suggest(request, withdrawn))
        while not service.status().waiting:
            await asyncio.sleep(0.01)
        withdrawn.cancel()
        cancel.cancel()
        for task in (stuck, waiting):
            with pytest.raises(CancelledError):
                await task

    asyncio.run(asyncio.wait_for(run(), 30))
    assert loads.events == [("open", "first")]


def test_a_question_that_waited_too_long_changes_no_model(
    open_service: Open, loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmstep.service.suggest._GRACE_S", 0.05)
    service = open_service()

    async def run() -> None:
        cancel = CancelToken()
        stuck = asyncio.create_task(service.suggest(SuggestRequest(("stuck",)), cancel))
        while not service.status().running or service.status().state != "ready":
            await asyncio.sleep(0.01)
        with pytest.raises(DeadlineError, match="busy with other requests"):
            await service.suggest(SuggestRequest((GOAL,), model="second", timeout_ms=300))
        cancel.cancel()
        with pytest.raises(CancelledError):
            await stuck
        assert (await service.suggest(SuggestRequest((GOAL,)))).model == "first"

    asyncio.run(asyncio.wait_for(run(), 30))
    assert loads.events == [("open", "first")]


def test_prepare_loads_the_model_it_names(open_service: Open, caplog: Any) -> None:
    service = open_service()
    ask(service)

    async def run() -> None:
        await service.prepare(PrepareRequest(Document("file:///a.lean", "import Lean\n"), "second"))
        while service.status().model != "second" or service.status().state != "ready":
            await asyncio.sleep(0.01)
        await service.prepare(PrepareRequest(model="no-such-model"))
        while "no-such-model" not in caplog.text:
            await asyncio.sleep(0.01)
        reply = await service.suggest(SuggestRequest((GOAL,), model="second"))
        assert reply.stats.load_ms == 0

    asyncio.run(asyncio.wait_for(run(), 30))


def test_settings_hold_for_whichever_model(loads: Loads) -> None:
    settings = Settings(model="first", n=3, temperature=0.25, context_tokens=512)
    for name in (None, "second"):
        setup = find_setup(settings, name)
        assert setup.options.context_tokens == 512
        assert (setup.sampling().n, setup.sampling().temperature) == (3, 0.25)
    assert loads.events == []
