"""What is computed ahead of a question is of use to it, or not done."""

from __future__ import annotations

import threading
import time
from typing import Any

import attrs
import pytest

from llmstep.backends import LLAMA_CPP
from llmstep.backends.base import BackendOptions, CancelToken
from llmstep.backends.echo import EchoBackend
from llmstep.config import Settings
from llmstep.service import resident
from llmstep.service.ask import Ask
from llmstep.service.model_setup import find_setup
from llmstep.service.preparing import prefill_meanwhile
from llmstep.service.question import Asker, SuggestRequest
from llmstep.service.resident import ResidentModels


@pytest.mark.parametrize("happens", ["nothing", "withdrawn", "unloaded"])
def test_a_prompt_is_computed_ahead_only_where_the_question_and_its_model_are_still_there(
    happens: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []

    def open_backend(*_: Any) -> EchoBackend:
        events.append("load")
        return EchoBackend(BackendOptions())

    monkeypatch.setattr(resident, "open_backend", open_backend)
    monkeypatch.setattr(EchoBackend, "prefill", lambda *_: events.append("prefill"))
    setup = find_setup(Settings(model="echo"))
    # As a backend that chooses its tokens itself.
    setup = attrs.evolve(setup, model=attrs.evolve(setup.model, backend=LLAMA_CPP))
    models, token, free = ResidentModels(), CancelToken(), threading.Event()
    lane = models.lane(setup)
    lane.submit(lambda: models.backend(setup), CancelToken()).result(20)
    busy = lane.submit(lambda: free.wait(20), CancelToken())
    request = SuggestRequest(("p : Prop\n⊢ p",))
    ask = Ask(request, Asker(), token, None, None, time.monotonic(), 60.0)
    prefill_meanwhile(models, setup, ask, setup.sampling())
    if happens == "withdrawn":
        token.cancel()
    elif happens == "unloaded":
        models.free(setup)
    free.set()
    assert busy.result(20)
    lane.submit(lambda: None, CancelToken(), background=True).result(20)
    models.close()
    assert events == (["load", "prefill"] if happens == "nothing" else ["load"])
