"""``llmstep/lemmas`` through the protocol, with the real sources behind it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmstep.config import Settings
from llmstep.lean_text.statements import Statement
from llmstep.server.features.lemmas import lemmas_json, parse_lemmas
from llmstep.service.lookups import LemmaReply, Lookups
from llmstep.service.question import Partial
from llmstep.sources.index_writer import write_index
from llmstep.sources.premise_source import FoundLemma, FoundLemmas
from llmstep.sources.premise_steps import PremiseStep
from llmstep.sources.sources import Sources

from ..conftest import Connection, golden

pytestmark = pytest.mark.asyncio

STATEMENTS = [
    Statement("Nat.add_comm", "theorem", "(n m : ℕ)", "n + m = m + n", "Init.Nat"),
    Statement("Nat.mul_comm", "theorem", "(n m : ℕ)", "n * m = m * n", "Init.Nat"),
    Statement("List.length_append", "theorem", "", "(s ++ t).length = s.length + t.length", "Init"),
    Statement("Foo.continuous", "lemma", "", "Continuous foo", "Mathlib.Foo"),
]  # fmt: skip
OWN = "theorem own (a b : ℕ) : a + b + 0 = b + a := by simp\n\n"
FILE = f"import Init\nopen Nat\n\n{OWN}example : True := by\n  "


@pytest.fixture
def sources(tmp_path: Path) -> Iterator[Sources]:
    write_index(tmp_path / "i", [], STATEMENTS, fewest_rows=1)
    sources = Sources(Settings(library=str(tmp_path / "i")))
    yield sources
    sources.close()


@pytest.fixture
def asked(connection: Connection, sources: Sources) -> Iterator[Connection]:
    lookups = Lookups(sources)

    def serve(settings: Settings) -> Any:
        service = open_service(settings)
        service.lookups = lookups
        return service

    open_service = connection.server._session._open_service
    connection.server._session._open_service = serve
    yield connection
    lookups.close()


async def ask(connection: Connection, **params: Any) -> dict[str, Any]:
    connection.give("llmstep/lemmas", params, id=11)
    for _ in range(500):
        for message in connection.sent:
            if message.get("id") == 11:
                connection.sent.remove(message)
                return message
        await asyncio.sleep(0.01)
    raise AssertionError("no answer")


async def names(connection: Connection, **params: Any) -> list[str]:
    return [lemma["name"] for lemma in (await ask(connection, **params))["result"]["lemmas"]]


async def test_a_goal_gets_lemmas_of_file_and_library_with_a_step(asked: Connection) -> None:
    await asked.initialize()
    document = {"uri": "file:///A.lean", "textBefore": FILE}
    answer = await ask(asked, goal="x y : ℕ\n⊢ x + y = y + x", document=document)
    found = {lemma["name"]: lemma for lemma in answer["result"]["lemmas"]}
    assert found["Nat.add_comm"]["written"] == "add_comm"  # `open Nat`
    assert found["Nat.add_comm"]["origin"] == "library"
    assert found["Nat.add_comm"]["step"].startswith(("exact ", "rw [", "apply "))
    assert found["Nat.add_comm"]["form"] in ("exact", "rw", "apply")
    assert found["Nat.add_comm"]["statement"] == "(n m : ℕ) : n + m = m + n"
    assert found["own"]["origin"] == "file"
    assert found["own"]["module"] == ""
    # The file imports core alone.
    assert "Foo.continuous" not in found


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("add_comm", "Nat.add_comm"),
        ("Nat.mul_comm", "Nat.mul_comm"),
        ("multiplication is commutative", "Nat.mul_comm"),
        ("_ * _ = _ * _", "Nat.mul_comm"),
        ("length of a concatenation of lists", "List.length_append"),
        ("continuity", "Foo.continuous"),
    ],
)
async def test_words_names_and_formulas_find_what_they_mean(
    asked: Connection, text: str, first: str
) -> None:
    await asked.initialize()
    assert (await names(asked, text=text))[0] == first


async def test_names_are_written_as_the_file_must_write_them(asked: Connection) -> None:
    await asked.initialize()
    document = {"uri": "file:///A.lean", "textBefore": FILE}
    answer = await ask(asked, text="List.length_append", document=document)
    assert answer["result"]["lemmas"][0]["written"] == "List.length_append"
    opened = {"uri": "file:///A.lean", "textBefore": FILE.replace("open Nat", "open List")}
    answer = await ask(asked, text="List.length_append", document=opened)
    assert answer["result"]["lemmas"][0]["written"] == "length_append"


async def test_no_more_than_k_and_scores_fall(asked: Connection) -> None:
    await asked.initialize()
    lemmas = (await ask(asked, text="comm", k=1))["result"]["lemmas"]
    assert len(lemmas) == 1
    lemmas = (await ask(asked, text="Nat comm add"))["result"]["lemmas"]
    scores = [lemma["score"] for lemma in lemmas]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == 0


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "params.goal and params.text are missing"),
        ({"goal": "⊢ p", "text": "p"}, "one of `goal` and `text`"),
        ({"goal": " "}, "one of `goal` and `text`"),
        ({"text": ""}, "one of `goal` and `text`"),
        ({"text": "x" * 3000}, "`text` must have 2000"),
        ({"text": "x", "k": 0}, "`k` must be from 1 to 50"),
        ({"text": "x", "k": "3"}, "params.k must be a whole number"),
        ({"text": "x", "timeoutMs": 0}, "`timeoutMs`"),
        ({"text": "x", "document": {}}, "params.document.uri is missing"),
        ({"text": "\ud835"}, "Unicode"),
    ],
)
async def test_a_wrong_field_is_named(
    asked: Connection, params: dict[str, Any], words: str
) -> None:
    await asked.initialize()
    answer = await ask(asked, **params)
    assert answer["error"]["code"] == -32602
    assert words in answer["error"]["message"]
    assert answer["error"]["data"]["hint"]


async def test_odd_texts_find_nothing_and_fail_nothing(asked: Connection) -> None:
    await asked.initialize()
    for text in ("the", "∀", "(((", "«", ".", "𝕜 ⟨", '"', "--"):
        assert "result" in await ask(asked, text=text)
        assert "result" in await ask(asked, goal=f"⊢ {text}")


async def test_a_setting_that_leaves_all_out_is_told(tmp_path: Path) -> None:
    sources = Sources(Settings(sources=("model",)))
    lookups = Lookups(sources)
    try:
        reply = await lookups.find_lemmas(parse_lemmas({"text": "comm"}))
    finally:
        lookups.close()
        sources.close()
    assert reply.found.lemmas == ()
    assert reply.partial is not None
    assert "`sources`" in reply.partial.reason


async def test_a_look_up_that_hangs_delays_no_suggestion_and_can_be_withdrawn(
    asked: Connection, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    monkeypatch.setattr(sources, "find_lemmas", lambda **_question: release.wait(30))
    await asked.initialize()
    asked.give("llmstep/lemmas", {"text": "comm"}, id=11)
    suggested = await asked.request("llmstep/suggest", {"goals": ["⊢ p"], "prefix": ""}, id=12)
    assert "result" in suggested
    asked.give("$/cancelRequest", {"id": 11})
    assert (await asked.answer(11))["error"]["code"] == -32800
    late = await ask(asked, text="comm", timeoutMs=50)
    assert late["error"]["code"] == -32803
    release.set()


def lemma(name: str, written: str, module: str, score: float, **fields: Any) -> FoundLemma:
    statement = Statement(name, "theorem", fields["binders"], fields["says"], module)
    step = PremiseStep(*fields["step"], 1.0) if "step" in fields else None
    return FoundLemma(statement, written, fields["origin"], score, step)


async def test_the_goldens_are_what_is_sent_and_read() -> None:
    request = parse_lemmas(golden("client.lemmas")["params"])
    assert request.goal == "p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q"
    assert (request.text, request.k, request.timeout_ms) == (None, 2, 20_000)
    assert request.document is not None
    words = parse_lemmas(golden("client.lemmas.text")["params"])
    assert (words.goal, words.text, words.k) == (None, "conjunction is commutative", None)
    own = lemma(
        "Proof.and_of", "and_of", "Proof.Logic", -0.25, origin="project",
        binders="{a b : Prop} (ha : a) (hb : b)", says="a ∧ b",
        step=("exact and_of hp hq", "exact"),
    )  # fmt: skip
    fields = {"origin": "library", "binders": "{a b : Prop}", "says": "a ∧ b ↔ b ∧ a"}
    comm = lemma("and_comm", "and_comm", "Init.Core", -2.5, step=("rw [and_comm]", "rw"), **fields)
    sent = lemmas_json(LemmaReply(FoundLemmas((own, comm))), 41.5)
    assert sent == golden("server.lemmas")["result"]
    partial = Partial(
        "not read yet: mathlib", "They are read in the background; ask again in a moment."
    )
    found = FoundLemmas((lemma("and_comm", "and_comm", "Init.Core", 0, **fields),), ("mathlib",))
    sent = lemmas_json(LemmaReply(found, partial), 12.25)
    assert sent == golden("server.lemmas.partial")["result"]
