"""``llmstep/models/pull`` against a stand-in for the hub on loopback."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("huggingface_hub")

from llmstep.service.catalog import find_card

from ...service.fake_hub import FakeHub
from ...service.test_adoption import gguf
from ..conftest import Connection, golden

pytestmark = pytest.mark.asyncio

DATA = gguf() + bytes(1_000_000)
CARD = (
    'id = "llemma-7b"\nname = "x"\nbackends = ["llama_cpp"]\nrepo = "a/prover"\nfile = "p.gguf"\n'
)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path))
    with FakeHub("a/prover", {"p.gguf": DATA}) as server:
        server.take_over(monkeypatch, tmp_path / "cache")
        monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 100_000)
        yield server
        server.shutdown()


async def wait_for(connection: Connection, wanted: Any) -> dict[str, Any]:
    """The first message sent of which that is true."""
    while True:
        for message in connection.sent:
            if wanted(message):
                return message
        await asyncio.sleep(0.01)


async def answer(connection: Connection, identifier: Any) -> dict[str, Any]:
    return await wait_for(connection, lambda m: "method" not in m and m["id"] == identifier)


def told(connection: Connection) -> list[dict[str, Any]]:
    return [m["params"] for m in connection.sent if m.get("method") == "$/progress"]


async def test_a_pull_is_told_from_its_beginning_to_its_end(
    connection: Connection, hub: FakeHub, tmp_path: Path
) -> None:
    await connection.initialize()
    folder = tmp_path / "data" / "models"
    folder.mkdir(parents=True)
    (folder / "llemma-7b.toml").write_text(CARD)
    connection.protocol.receive(golden("client.pull"))
    reply = await answer(connection, 6)
    place = folder / "llemma-7b" / "p.gguf"
    assert reply["result"] == {"id": "llemma-7b", "path": str(place), "fetched": True}
    assert reply["result"].keys() == golden("server.pull")["result"].keys()
    assert place.read_bytes() == DATA
    progress = told(connection)
    assert {params["token"] for params in progress} == {"editor/1"}
    begin, *reports, end = (params["value"] for params in progress)
    assert begin == golden("server.progress.begin")["params"]["value"]
    assert end == golden("server.progress.end")["params"]["value"]
    assert all(
        r.keys() == golden("server.progress.report")["params"]["value"].keys() for r in reports
    )
    percentages = [report["percentage"] for report in reports]
    assert percentages == sorted(set(percentages))
    assert percentages[-1] == 100
    assert connection.sent[-1] is reply
    # A second one finds it, and has nothing to show.
    again = await request(connection, "llemma-7b", 9)
    assert again["result"]["fetched"] is False
    assert len(told(connection)) == len(progress)


async def request(connection: Connection, name: str, identifier: int, **params: Any) -> Any:
    connection.give("llmstep/models/pull", {"name": name, **params}, id=identifier)
    return await answer(connection, identifier)


async def test_a_model_without_a_card_gets_one(connection: Connection, hub: FakeHub) -> None:
    await connection.initialize()
    reply = await request(connection, "a/prover:p.gguf", 8, id="mine", prompt="fim", stop=["#"])
    assert reply["result"]["id"] == "mine"
    assert told(connection) == []
    card = find_card("mine")
    assert card is not None
    assert (card.prompt, card.stop) == ("fim", ("#",))


async def test_a_cancelled_pull_is_answered_at_once_and_goes_on_later(
    connection: Connection, hub: FakeHub
) -> None:
    await connection.initialize()
    params = {"name": "a/prover", "workDoneToken": 5}
    connection.give("llmstep/models/pull", params, id=8)
    await wait_for(
        connection, lambda m: m.get("params", {}).get("value", {}).get("kind") == "begin"
    )
    connection.give("$/cancelRequest", {"id": 8})
    reply = await answer(connection, 8)
    assert reply["error"]["code"] == -32800
    assert told(connection)[-1] == {"token": 5, "value": {"kind": "end", "message": "cancelled"}}
    count = len(told(connection))
    # The next one waits until the first has let go of its file.
    assert (await request(connection, "a/prover", 9))["result"]["id"] == "p"
    assert len(told(connection)) == count


async def test_what_goes_wrong_is_told_with_a_hint(connection: Connection, hub: FakeHub) -> None:
    await connection.initialize()
    hub.files = {"p.gguf": b"<html>"}
    failed = await request(connection, "a/prover", 8, workDoneToken="t")
    assert failed["error"]["code"] == -32803
    assert failed["error"]["data"]["hint"]
    assert [params["value"]["kind"] for params in told(connection)][-1] == "end"
    for params, words in (
        ({"name": "nothing"}, "no model card 'nothing'"),
        ({"name": "a/prover", "prompt": "nosuch"}, "nosuch"),
        ({"name": "a/other"}, "there is no repository a/other"),
    ):
        connection.give("llmstep/models/pull", params, id=str(params))
        assert words in (await answer(connection, str(params)))["error"]["message"]


@pytest.mark.parametrize(
    ("params", "words"),
    [
        (None, "params must be an object"),
        ({}, "params.name is missing"),
        ({"name": ""}, "params.name is missing"),
        ({"name": 3}, "params.name must be a string"),
        ({"name": "x", "stop": "y"}, "params.stop must be a list"),
        ({"name": "x", "workDoneToken": []}, "params.workDoneToken must be"),
    ],
)
async def test_a_wrong_field_is_named(connection: Connection, params: Any, words: str) -> None:
    await connection.initialize()
    connection.give("llmstep/models/pull", params, id=8)
    reply = await answer(connection, 8)
    assert reply["error"]["code"] == -32602
    assert words in reply["error"]["message"]


async def test_a_suggestion_is_answered_meanwhile_and_never_pulls(
    connection: Connection, hub: FakeHub
) -> None:
    await connection.initialize()
    connection.give("llmstep/models/pull", {"name": "a/prover"}, id=8)
    suggestion = await connection.request("llmstep/suggest", {"goals": ["⊢ p"], "prefix": ""}, id=9)
    assert "result" in suggestion
    assert "result" in await answer(connection, 8)


async def test_the_server_starts_without_what_downloads_need() -> None:
    code = (
        "import sys, llmstep.server.server\n"
        "sys.exit(any(m in sys.modules for m in ('llmstep.service.hub', 'huggingface_hub')))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    assert await process.wait() == 0
