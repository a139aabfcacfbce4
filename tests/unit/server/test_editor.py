"""The LSP side, through the protocol as an editor uses it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from llmstep.server import progress
from llmstep.sources.indexer import IndexingProgress
from llmstep.sources.projects import ProjectStatus

pytestmark = pytest.mark.asyncio
QUESTION: dict[str, Any] = {"goals": ["⊢ True"], "prefix": "h"}
TEMPLATES: dict[str, Any] = {"textDocument": {"uri": "file:///a.lean"}}


def code(answer: dict[str, Any]) -> int:
    error = answer["error"]
    assert error["message"]
    assert error["data"]["hint"]
    return error["code"]


@pytest.mark.parametrize("params", [None, 3, "x", [], {}, {"textDocument": 1}, TEMPLATES])
async def test_lsp_params_of_a_wrong_type(connection: Any, params: Any) -> None:
    await connection.initialize_editor()
    assert code(await connection.request("textDocument/completion", params)) == -32602


async def test_lsp_notifications_of_a_wrong_type_are_logged(connection: Any, caplog: Any) -> None:
    await connection.initialize_editor()
    connection.give("textDocument/didOpen", {"textDocument": 3})
    connection.give("textDocument/didChange", {"textDocument": {"uri": "x", "version": 1}})
    connection.give("llmstep/prepare", {"document": 3})
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert connection.sent == []
    assert "textDocument/didOpen" in caplog.text
    assert "params.document must be an object" in caplog.text


async def test_nothing_is_kept_of_what_is_done(connection: Any) -> None:
    await connection.initialize_editor()
    protocol = connection.protocol
    opened = {"uri": "file:///a.lean", "languageId": "lean4", "version": 1, "text": "x"}
    connection.give("textDocument/didOpen", {"textDocument": opened})
    for version in range(50):
        await connection.request("llmstep/suggest", QUESTION)
        connection.give("llmstep/prepare", {})
        connection.give(
            "textDocument/didChange",
            {
                "textDocument": {"uri": "file:///a.lean", "version": version},
                "contentChanges": [{"text": "y"}],
            },
        )
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    kept = (protocol._in_flight, protocol._background, protocol.extension.protocol._request_futures)
    assert [len(table) for table in kept] == [0, 0, 0]


async def test_capabilities_newer_than_our_types_do_no_harm(connection: Any) -> None:
    params = {"capabilities": {"textDocument": {"completion": 17}}, "initializationOptions": {}}
    assert "result" in await connection.request("initialize", params)


async def test_an_editor_needs_no_options(connection: Any) -> None:
    params = {"processId": None, "rootUri": None, "capabilities": {}}
    assert "result" in await connection.request("initialize", params)


@pytest.mark.parametrize("method", ["textDocument/didOpen", "$/setTrace"])
async def test_a_notification_with_an_id_is_answered(connection: Any, method: str) -> None:
    await connection.initialize_editor()
    assert code(await connection.request(method, {})) == -32600


async def test_an_lsp_request_without_an_id_is_not_run(connection: Any) -> None:
    await connection.initialize_editor()
    connection.give("textDocument/completion", {})
    await asyncio.sleep(0)
    assert connection.sent == []


async def test_file_text_is_not_logged(connection: Any, caplog: Any) -> None:
    await connection.initialize_editor()
    opened = {"uri": "file:///a.lean", "languageId": "lean4", "version": 1, "text": "private"}
    connection.give("textDocument/didOpen", {"textDocument": opened})
    connection.give("textDocument/didOpen", {"textDocument": {**opened, "version": "private"}})
    connection.give("textDocument/didChange", {"textDocument": {"text": "private"}})
    await asyncio.sleep(0)
    assert "textDocument/didOpen" in caplog.text
    assert "textDocument/didOpen: params.textDocument.version has a wrong type" in caplog.text
    assert "textDocument/didChange: params.textDocument.version is missing" in caplog.text
    assert "private" not in caplog.text


async def test_loading_a_large_model_is_shown(
    connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_PATIENCE_SECONDS", 0)
    monkeypatch.setattr(progress, "_POLL_SECONDS", 0)
    params = {"processId": None, "rootUri": None}
    params["capabilities"] = {"window": {"workDoneProgress": True}}
    await connection.request("initialize", params)
    connection.service.state = "loading"
    connection.give("initialized", {})
    while not connection.sent:
        await asyncio.sleep(0)
    create = connection.sent.pop()
    assert create["method"] == "window/workDoneProgress/create"
    connection.protocol.receive({"jsonrpc": "2.0", "id": create["id"], "result": None})
    while not connection.sent:
        await asyncio.sleep(0)
    begin = connection.sent.pop()
    assert begin["params"]["token"] == create["params"]["token"]
    assert begin["params"]["value"] == {"kind": "begin", "title": "Loading fake"}
    connection.service.state = "ready"
    while not connection.sent:
        await asyncio.sleep(0)
    end = connection.sent.pop()
    assert end["params"]["value"] == {"kind": "end", "message": "ready"}
    pygls = connection.protocol.extension.protocol
    assert [pygls._request_futures, pygls._result_types, pygls.progress.tokens] == [{}, {}, {}]


async def test_a_client_that_refuses_the_progress_bar(
    connection: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(progress, "_PATIENCE_SECONDS", 0)
    params = {"processId": None, "rootUri": None}
    params["capabilities"] = {"window": {"workDoneProgress": True}}
    await connection.request("initialize", params)
    connection.service.state = "loading"
    connection.give("initialized", {})
    while not connection.sent:
        await asyncio.sleep(0)
    create = connection.sent.pop()
    error = {"code": -32601, "message": "no"}
    connection.protocol.receive({"jsonrpc": "2.0", "id": create["id"], "error": error})
    await asyncio.sleep(0.01)
    assert connection.sent == []
    assert "progress" not in caplog.text


async def test_open_documents_count_as_they_are(connection: Any) -> None:
    await connection.initialize_editor()
    uri = "file:///a.lean"
    opened = {"uri": uri, "languageId": "lean4", "version": 1, "text": "one"}
    connection.give("textDocument/didOpen", {"textDocument": opened})
    connection.give(
        "textDocument/didChange",
        {"textDocument": {"uri": uri, "version": 2}, "contentChanges": [{"text": "two"}]},
    )
    other = {"uri": "file:///b.txt", "languageId": "plaintext", "version": 1, "text": "three"}
    connection.give("textDocument/didOpen", {"textDocument": other})
    connection.give("textDocument/didClose", {"textDocument": {"uri": uri}})
    await asyncio.sleep(0)
    noted = connection.service.noted
    assert noted == [(uri, "one"), (uri, "two"), (uri, None)]


async def test_reading_a_library_is_shown(connection: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_INDEX_POLL_SECONDS", 0)
    params = {"processId": None, "rootUri": None}
    params["capabilities"] = {"window": {"workDoneProgress": True}}
    await connection.request("initialize", params)
    reading = IndexingProgress("mathlib", "mathlib-1", "reading", 2000, 8000)
    connection.service.projects = (ProjectStatus("/p", (reading,), ()),)
    connection.give("initialized", {})
    while not connection.sent:
        await asyncio.sleep(0)
    create = connection.sent.pop()
    assert create["method"] == "window/workDoneProgress/create"
    connection.protocol.receive({"jsonrpc": "2.0", "id": create["id"], "result": None})
    while len(connection.sent) < 2:
        await asyncio.sleep(0)
    begin, report = [message["params"]["value"] for message in connection.sent[:2]]
    assert begin == {"kind": "begin", "title": "Reading lemmas", "percentage": 0}
    assert report["percentage"] == 25
    assert report["message"] == "mathlib: 2,000 of 8,000 files"
    connection.service.projects = ()
    while connection.sent[-1]["params"]["value"]["kind"] != "end":
        await asyncio.sleep(0)
