from __future__ import annotations

import pytest

from llmstep.backends import open_backend
from llmstep.backends.base import BackendOptions
from llmstep.backends.openai import OpenAIBackend

from .scripted_server import Connect, ScriptedServer


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LLMSTEP_OPENAI_BASE_URL", "LLMSTEP_OPENAI_MODEL", "LLMSTEP_OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr("llmstep.backends.completion_client._FIRST_PAUSE_SECONDS", 0.01)


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    def open_it(server: ScriptedServer) -> OpenAIBackend:
        monkeypatch.setenv("LLMSTEP_OPENAI_BASE_URL", server.url)
        backend = open_backend("openai", BackendOptions())
        assert isinstance(backend, OpenAIBackend)
        return backend

    return open_it
