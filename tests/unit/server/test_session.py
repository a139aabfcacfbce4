"""What a session makes of what its client says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llmstep.server.server import LLMStepServer
from llmstep.server.session import Session

from .conftest import Connection

pytestmark = pytest.mark.asyncio

QUESTION = {"goals": ["⊢ True"], "prefix": ""}


@pytest.fixture
def connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """A client that has been started in a folder of its own."""
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path / "home"))
    made = Connection()
    environ = {"LLMSTEP_LIBRARY": "mine.tactics"}
    made.server = LLMStepServer(Session({}, made._open, environ, str(tmp_path / "client")), made)
    made.protocol = made.server.protocol
    return made


async def test_relative_paths_are_those_of_the_clients_folder(
    connection: Connection, tmp_path: Path
) -> None:
    await connection.initialize(model="proofs.gguf")
    assert connection.service.settings.model == str(tmp_path / "client" / "proofs.gguf")
    assert connection.service.settings.library == str(tmp_path / "client" / "mine.tactics")
    assert connection.server._session.asker.folder == str(tmp_path / "client")


@pytest.mark.parametrize("said", ["workspaceFolders", "rootUri"])
async def test_an_editors_options_are_seen_from_the_folder_that_it_has_opened(
    connection: Connection, said: str, tmp_path: Path
) -> None:
    uri = (tmp_path / "project").as_uri()
    folder: Any = [{"uri": uri, "name": "p"}] if said == "workspaceFolders" else uri
    options = {"model": "proofs.gguf", "prompt": "mine.toml"}
    params = {"capabilities": {}, said: folder, "initializationOptions": options}
    await connection.request("initialize", {"processId": None, "rootUri": None, **params})
    settings = connection.service.settings
    assert settings.model == str(tmp_path / "project" / "proofs.gguf")
    assert settings.prompt == str(tmp_path / "project" / "mine.toml")
    assert settings.library == str(tmp_path / "client" / "mine.tactics")


@pytest.mark.parametrize("odd", [[], [7], [{"uri": 7}], "untitled:x", "file://elsewhere/x", 7])
async def test_a_folder_that_is_none_of_this_machine_is_left(
    connection: Connection, odd: object, tmp_path: Path
) -> None:
    named = "workspaceFolders" if isinstance(odd, list) else "rootUri"
    params = {"processId": None, "rootUri": None, "capabilities": {}, named: odd}
    params["initializationOptions"] = {"model": "proofs.gguf", "protocolVersion": 1}
    await connection.request("initialize", params)
    assert connection.service.settings.model == str(tmp_path / "client" / "proofs.gguf")
