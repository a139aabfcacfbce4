"""What a model is asked is known by the same name before and behind an engine's death."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llmstep.backends.base import CancelToken
from llmstep.backends.echo import EchoBackend
from llmstep.config import Settings
from llmstep.errors import LLMStepError
from llmstep.runtime.notes import Casualties, WorkMark, read_work
from llmstep.service.casualty_guard import CasualtyGuard
from llmstep.service.collector import Collector
from llmstep.service.model_question import ModelAnswer, ModelQuestion, ask_models, prefill
from llmstep.service.model_setup import find_setup
from llmstep.service.question import SuggestRequest
from llmstep.service.resident import ResidentModels


def test_an_engine_that_dies_of_a_prompt_has_died_of_its_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, deaths = str(tmp_path / "work"), str(tmp_path / "casualties")
    compute = EchoBackend.prefill
    at: list[list[str]] = []

    def note(self: EchoBackend, *arguments: Any) -> Any:
        at.append(read_work(work))
        return compute(self, *arguments)

    monkeypatch.setattr(EchoBackend, "prefill", note)
    setup = find_setup(Settings(model="echo"))
    request, sampling, token = SuggestRequest(("p : Prop\n⊢ p",)), setup.sampling(4), CancelToken()
    collector = Collector(request, None, token, None)
    question = ModelQuestion(setup, request, sampling, token, collector, True)

    def start() -> ResidentModels:
        return ResidentModels(guard=CasualtyGuard(WorkMark(work), Casualties(deaths)))

    models = start()
    prefill(models, setup, request, sampling, token)
    assert isinstance(ask_models(models, [question])[0], ModelAnswer)
    assert at[0] == at[1] != []  # ahead, and by the question itself
    Casualties(deaths).add(at[0], "SIGABRT")
    models = start()
    # That the prompt went well does not make up for a death behind it.
    prefill(models, setup, request, sampling, token)
    Casualties(deaths).add(at[0], "SIGABRT")
    models = start()
    with pytest.raises(LLMStepError, match="has ended the engine twice: SIGABRT"):
        prefill(models, setup, request, sampling, token)
    assert isinstance(ask_models(models, [question])[0], LLMStepError)
    assert len(at) == 3
