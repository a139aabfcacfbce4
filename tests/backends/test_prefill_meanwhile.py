"""A prompt is computed on the model's thread while the other sources are asked."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("llama_cpp")

from llmstep.backends.llama_cpp import LlamaCppBackend
from llmstep.config import Settings
from llmstep.errors import GenerationError
from llmstep.service.question import SuggestRequest
from llmstep.service.suggest import SuggestService
from llmstep.sources.sources import Sources

pytestmark = pytest.mark.gguf
GOALS = ("p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q", "a b c : ℕ\nh : a < b\n⊢ a < b + c")


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path))
    settings = Settings(sources=("model", "goal", "portfolio"), cache=False, n=4)
    service = SuggestService(settings)
    yield service
    service.close()


def ask(service: SuggestService, goal: str) -> Any:
    return asyncio.run(service.suggest(SuggestRequest((goal,))))


def test_the_sources_do_not_keep_the_model_waiting(
    service: SuggestService, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefill, gather = LlamaCppBackend.prefill, Sources.gather
    computed = threading.Event()

    def note(self: LlamaCppBackend, *arguments: Any) -> Any:
        stats = prefill(self, *arguments)
        computed.set()
        return stats

    def gather_late(self: Sources, *arguments: Any) -> Any:
        assert computed.wait(60), "the prompt waits for the sources"
        return gather(self, *arguments)

    monkeypatch.setattr(LlamaCppBackend, "prefill", note)
    ask(service, GOALS[0])  # loads the model
    alone = ask(service, GOALS[1])
    monkeypatch.setattr(Sources, "gather", gather_late)
    computed.clear()
    ask(service, GOALS[0])
    computed.clear()
    again = ask(service, GOALS[1])
    assert again.stats.reused_tokens == again.stats.prompt_tokens
    assert again.suggestions == alone.suggestions


def test_a_prompt_that_cannot_be_computed_ahead_harms_nothing(
    service: SuggestService, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = [ask(service, goal).suggestions for goal in GOALS]

    def fail(*_: Any) -> Any:
        raise GenerationError("no")

    monkeypatch.setattr(LlamaCppBackend, "prefill", fail)
    assert [ask(service, goal).suggestions for goal in GOALS] == alone
