from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest

from llmstep.errors import PARSE_ERROR
from llmstep.logs import set_level
from llmstep.runtime.framing import Malformed
from llmstep.service.question import Document
from llmstep.sources.ranking import Suggestion

pytestmark = pytest.mark.asyncio
QUESTION: dict[str, Any] = {"goals": ["⊢ True"], "prefix": "h"}


def code(answer: dict[str, Any]) -> int:
    error = answer["error"]
    assert error["message"]
    assert error["data"]["hint"]
    return error["code"]


async def test_initialize_starts_the_engine_and_tells_the_protocol(connection: Any) -> None:
    result = (await connection.initialize())["result"]
    assert result["serverInfo"]["name"] == "llmstep"
    assert result["capabilities"]["experimental"] == {"llmstep": {"protocolVersion": 1}}
    assert connection.service.started


async def test_lean_needs_no_lsp_types() -> None:
    program = (
        "import asyncio, sys\n"
        "from llmstep.server.server import LLMStepServer\n"
        "from llmstep.server.session import Session\n"
        "class Out:\n"
        "    def write(self, data): assert b'protocolVersion' in data, data\n"
        "async def run():\n"
        "    server = LLMStepServer(Session({'model': 'echo', 'sources': 'model'}), Out())\n"
        "    options = {'protocolVersion': 1}\n"
        "    params = {'capabilities': {}, 'initializationOptions': options}\n"
        "    server.protocol.receive(\n"
        "        {'jsonrpc': '2.0', 'id': 1, 'method': 'initialize', 'params': params})\n"
        "    early = [name for name in sys.modules if name.startswith('llmstep.s')]\n"
        "    late = ('llmstep.sources', 'llmstep.service')\n"
        "    assert not [name for name in early if name.startswith(late)], early\n"
        "asyncio.run(run())\n"
        "heavy = {'lsprotocol', 'pygls', 'llama_cpp', 'numpy', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


async def test_what_comes_together_with_initialize_is_answered(connection: Any) -> None:
    connection.begin()
    answer = await connection.request("llmstep/suggest", QUESTION)
    assert answer["result"]["suggestions"]
    assert len(connection.services) == 1


async def test_a_client_that_leaves_at_once_opens_no_service(connection: Any) -> None:
    connection.begin()
    connection.server.close()
    await asyncio.sleep(0)
    assert not connection.services


async def test_settings_in_the_initialization_options(connection: Any, caplog: Any) -> None:
    await connection.initialize(n=3, maxTokens=9, temperature="hot", colour="red")
    settings = connection.service.settings
    assert (settings.n, settings.max_tokens, settings.temperature) == (3, 9, None)
    assert "`temperature` must be a number" in caplog.text
    assert "there is no setting `colour`" in caplog.text


async def test_flags_win_over_initialization_options(connection: Any) -> None:
    other = type(connection)({"model": "from the flag"})
    await other.initialize(model="from the client")
    assert other.service.settings.model == "from the flag"


async def test_another_protocol_version_is_refused(connection: Any) -> None:
    answer = await connection.initialize(protocolVersion=99)
    assert code(answer) == -32803
    assert answer["error"]["data"]["serverProtocolVersion"] == 1
    assert code(await connection.request("llmstep/status")) == -32002
    assert "result" in await connection.initialize()


async def test_requests_before_initialize(connection: Any) -> None:
    for method in ("llmstep/suggest", "llmstep/nothing", "shutdown", "textDocument/completion"):
        assert code(await connection.request(method, QUESTION)) == -32002


async def test_a_second_initialize(connection: Any) -> None:
    await connection.initialize()
    assert code(await connection.initialize()) == -32600
    assert len(connection.services) == 1


async def test_suggest_streams_and_answers(connection: Any) -> None:
    await connection.initialize()
    answer = await connection.request("llmstep/suggest", {**QUESTION, "partialResultToken": 5})
    assert answer["result"]["suggestions"] == [
        {"tactic": "exact h𝕜", "score": -0.5, "origin": ["model"]}
    ]
    assert [m["method"] for m in connection.sent] == ["$/progress"]
    assert connection.sent[0]["params"] == {
        "token": 5,
        "value": {"suggestions": [{"tactic": "exact h𝕜", "score": -0.5, "origin": ["model"]}]},
    }


async def test_without_a_token_nothing_is_streamed(connection: Any) -> None:
    await connection.initialize()
    await connection.request("llmstep/suggest", QUESTION)
    await asyncio.sleep(0)
    assert connection.sent == []


async def test_a_candidate_after_the_answer_is_dropped(connection: Any) -> None:
    await connection.initialize()
    await connection.request("llmstep/suggest", {**QUESTION, "partialResultToken": 5})
    connection.sent.clear()
    late = connection.service.report
    await asyncio.to_thread(late, Suggestion("simp", -1.0))
    await asyncio.sleep(0)
    assert connection.sent == []


async def test_cancel_ends_the_work_and_answers(connection: Any) -> None:
    await connection.initialize()
    connection.give("llmstep/suggest", {"goals": ["slow"], "prefix": ""}, id="a")
    await asyncio.sleep(0)
    connection.give("$/cancelRequest", {"id": "a"})
    assert code(await connection.answer("a")) == -32800
    assert connection.service.cancelled == 1
    assert "result" in await connection.request("llmstep/suggest", QUESTION, id="a")


@pytest.mark.parametrize("params", [{"id": 99}, {"id": None}, {"id": []}, {}, [1], "x"])
async def test_cancel_of_what_is_not_there(connection: Any, params: Any) -> None:
    await connection.initialize()
    connection.give("$/cancelRequest", params)
    await asyncio.sleep(0)
    assert connection.sent == []


async def test_an_id_in_flight_cannot_be_used_again(connection: Any) -> None:
    await connection.initialize()
    connection.give("llmstep/suggest", {"goals": ["slow"], "prefix": ""}, id=3)
    assert code(await connection.request("llmstep/status", id=3)) == -32600
    connection.give("$/cancelRequest", {"id": 3})
    assert code(await connection.answer(3)) == -32800


async def test_errors_of_the_engine_keep_code_and_hint(connection: Any) -> None:
    await connection.initialize()
    answer = await connection.request("llmstep/suggest", {"goals": ["broken"], "prefix": ""})
    assert answer["error"] == {
        "code": -32803,
        "message": "the model failed",
        "data": {"hint": "try another one"},
    }


async def test_a_bug_is_an_internal_error_without_traceback(connection: Any, caplog: Any) -> None:
    await connection.initialize()
    answer = await connection.request("llmstep/suggest", {"goals": ["bug"], "prefix": ""})
    assert code(answer) == -32603
    assert set(answer["error"]["data"]) == {"hint"}
    assert "Traceback" in caplog.text


async def test_nan_never_travels(connection: Any) -> None:
    await connection.initialize()
    answer = await connection.request("llmstep/suggest", {"goals": ["nan"], "prefix": ""})
    assert code(answer) == -32603


@pytest.mark.parametrize("params", [None, [], 3, "x", {"goals": 1}, {"goals": ["a"]}])
async def test_params_of_a_wrong_type(connection: Any, params: Any) -> None:
    await connection.initialize()
    assert code(await connection.request("llmstep/suggest", params)) == -32602


async def test_prepare_reaches_the_engine(connection: Any, caplog: Any) -> None:
    await connection.initialize()
    connection.give("llmstep/prepare", {})
    connection.give("llmstep/prepare", {"document": {"uri": "a", "textBefore": "broken"}})
    for _ in range(3):
        await asyncio.sleep(0)
    documents = [ask.document for ask in connection.service.prepared]
    assert [document and document.uri for document in documents] == [None, "a"]
    assert "cannot prefill" in caplog.text


@pytest.mark.parametrize(("flags", "model"), [({}, "second"), ({"model": "echo"}, None)])
async def test_a_request_names_its_model_unless_the_command_line_did(
    connection: Any, flags: dict[str, Any], model: str | None
) -> None:
    connection = type(connection)(flags)
    await connection.initialize()
    document = {"uri": "a", "textBefore": "b"}
    params = {**QUESTION, "document": document, "model": "second"}
    assert "result" in await connection.request("llmstep/suggest", params)
    connection.give("llmstep/prepare", {"document": document, "model": "second"})
    await asyncio.sleep(0)
    (asked,), (prepared,) = connection.service.asked, connection.service.prepared
    assert (asked.model, prepared.model) == (model, model)
    assert asked.document == prepared.document == Document("a", "b")


@pytest.mark.parametrize("method", ["llmstep/nothing", "$/nothing", "", "llmstep/Suggest"])
async def test_unknown_methods(connection: Any, method: str) -> None:
    await connection.initialize()
    assert code(await connection.request(method)) == -32601
    connection.give(method)
    await asyncio.sleep(0)
    assert connection.sent == []


@pytest.mark.parametrize("method", ["initialized", "exit", "llmstep/prepare", "$/cancelRequest"])
async def test_a_notification_with_an_id_is_answered(connection: Any, method: str) -> None:
    await connection.initialize()
    assert code(await connection.request(method)) == -32600


async def test_a_request_without_an_id_is_not_run(connection: Any) -> None:
    await connection.initialize()
    connection.give("llmstep/suggest", QUESTION)
    await asyncio.sleep(0)
    assert connection.sent == []
    assert connection.service.asked == []


@pytest.mark.parametrize("identifier", [None, 1.5, True, [], {}])
async def test_impossible_ids(connection: Any, identifier: Any) -> None:
    await connection.initialize()
    connection.give("llmstep/status", id=identifier)
    assert connection.sent[-1]["id"] is None
    assert code(connection.sent[-1]) == -32600


@pytest.mark.parametrize(
    "message",
    [
        {"id": 8, "method": "llmstep/status"},
        {"id": 8, "jsonrpc": "1.0", "method": "llmstep/status"},
        {"id": 8, "jsonrpc": "2.0"},
        {"id": 8, "jsonrpc": "2.0", "method": 5},
        {"id": 8, "jsonrpc": "2.0", "method": None},
    ],
)
async def test_messages_that_are_no_requests(connection: Any, message: dict[str, Any]) -> None:
    await connection.initialize()
    connection.protocol.receive(message)
    assert code(await connection.answer(8)) == -32600


@pytest.mark.parametrize(
    "message",
    [
        {"jsonrpc": "2.0", "id": 3, "result": {}},
        {"jsonrpc": "2.0", "id": [], "result": {}},
        {"jsonrpc": "2.0", "id": None, "error": {"code": 1, "message": "x"}},
        {"jsonrpc": "2.0", "id": "x", "error": 5},
    ],
)
async def test_answers_to_nothing_are_ignored(connection: Any, message: dict[str, Any]) -> None:
    await connection.initialize()
    connection.protocol.receive(message)
    assert connection.sent == []


async def test_malformed_frames_are_answered_with_a_null_id(connection: Any) -> None:
    connection.protocol.receive(Malformed(PARSE_ERROR, "the message is not JSON", "send"))
    assert connection.sent == [
        {
            "jsonrpc": "2.0",
            "id": None,
            "error": {
                "code": -32700,
                "message": "the message is not JSON",
                "data": {"hint": "send"},
            },
        }
    ]


async def test_half_a_surrogate_in_an_id_is_echoed(connection: Any) -> None:
    await connection.initialize()
    assert "result" in await connection.request("llmstep/status", id="\ud835")


async def test_after_shutdown(connection: Any) -> None:
    await connection.initialize()
    connection.give("llmstep/suggest", {"goals": ["slow"], "prefix": ""}, id=3)
    await asyncio.sleep(0)
    assert (await connection.request("shutdown", id=4))["result"] is None
    assert code(await connection.answer(3)) == -32800
    assert code(await connection.request("llmstep/suggest", QUESTION)) == -32600
    connection.give("llmstep/prepare", {})
    await asyncio.sleep(0)
    assert connection.service.prepared == []


async def test_goals_are_logged_at_debug_only(connection: Any, caplog: Any) -> None:
    await connection.initialize(logLevel="info")
    try:
        for goal in ("private", "private bug", "private nan", "private broken"):
            await connection.request("llmstep/suggest", {"goals": [goal], "prefix": "private"})
        assert "connected to lean" in caplog.text
        assert "private" not in caplog.text
        set_level("debug")
        await connection.request("llmstep/suggest", {"goals": ["private"], "prefix": ""})
        assert "private" in caplog.text
    finally:
        set_level("warning")
