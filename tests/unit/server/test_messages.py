from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest

from llmstep.errors import InvalidParamsError
from llmstep.server.messages import (
    PROTOCOL_VERSION,
    Handshake,
    ProtocolVersionError,
    parse_handshake,
    parse_prepare,
    parse_suggest,
)
from llmstep.server.replies import progress_json, reply_json, status_json, writing_json
from llmstep.service.question import (
    Attempt,
    Document,
    Partial,
    PrepareRequest,
    ServiceStatus,
    SuggestReply,
    SuggestRequest,
    SuggestStats,
    WritingProgress,
    WrittenProof,
)
from llmstep.sources.ranking import Suggestion

CONTRACT = Path(__file__).parents[2] / "contract"
GOOD: dict[str, Any] = {"goals": ["⊢ True"], "prefix": ""}


def golden(name: str) -> dict[str, Any]:
    return json.loads((CONTRACT / f"{name}.json").read_text(encoding="utf-8"))


def test_the_full_question() -> None:
    request, token = parse_suggest(golden("client.suggest")["params"])
    assert request == SuggestRequest(
        goals=("p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q",),
        prefix="exact",
        document=Document(
            "file:///home/ada/proof/Basic.lean",
            "import LLMstep\n\ntheorem both (p q : Prop) (hp : p) (hq : q) : p ∧ q := by\n  ",
        ),
        n=8,
        timeout_ms=30000,
        banned=("both",),
    )
    assert token == "llmstep/2"


def test_the_shortest_question() -> None:
    request, token = parse_suggest(golden("client.suggest.minimal")["params"])
    assert request == SuggestRequest(goals=("p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q",))
    assert token is None


def test_unicode_arrives_unchanged_but_for_blanks() -> None:
    request, _ = parse_suggest(golden("client.suggest.unicode")["params"])
    assert request.goals[0].splitlines()[1] == "𝕜 : Type u_1"
    assert request.goals[1] == '⊢ "a\\b" = c'
    assert request.prefix == "exact ⟨"
    assert request.banned == ("foo.«bar baz»",)
    assert request.premises == ("ENNReal.coe_toReal",)


def test_a_question_to_another_model() -> None:
    request, _ = parse_suggest(golden("client.suggest.model")["params"])
    assert request == SuggestRequest(
        goals=("p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q",), model="llemma-7b"
    )


def test_null_counts_as_absent_and_unknown_fields_are_ignored() -> None:
    fields = ("document", "n", "timeoutMs", "banned", "premises", "model", "partialResultToken")
    request, token = parse_suggest({**GOOD, **dict.fromkeys(fields), "new": 1})
    assert (request, token) == parse_suggest(GOOD)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"goals": None}, "params.goals"),
        ({"goals": "⊢ True"}, "params.goals"),
        ({"goals": [1]}, "params.goals"),
        ({"goals": ["⊢ a", None]}, "item 1"),
        ({"goals": []}, "goals"),
        ({"goals": [" \n"]}, "goals"),
        ({"goals": ["\ud835"]}, "params.goals[0]"),
        ({"prefix": None}, "params.prefix"),
        ({"prefix": 3}, "params.prefix"),
        ({"prefix": "\udd5c"}, "params.prefix"),
        ({"document": "x"}, "params.document"),
        ({"document": {}}, "params.document.uri"),
        ({"document": {"uri": 1}}, "params.document.uri"),
        ({"document": {"uri": "a", "textBefore": []}}, "params.document.textBefore"),
        ({"n": 0}, "`n`"),
        ({"n": 10_000}, "`n`"),
        ({"n": -1}, "`n`"),
        ({"n": 1.5}, "params.n"),
        ({"n": True}, "params.n"),
        ({"n": "8"}, "params.n"),
        ({"timeoutMs": -1}, "`timeoutMs`"),
        ({"timeoutMs": 0}, "`timeoutMs`"),
        ({"timeoutMs": {}}, "params.timeoutMs"),
        ({"banned": "foo"}, "params.banned"),
        ({"premises": [[]]}, "params.premises"),
        ({"model": 7}, "params.model"),
        ({"model": ["echo"]}, "params.model"),
        ({"model": " "}, "`model`"),
        ({"model": "a\0b"}, "`model`"),
        ({"partialResultToken": []}, "params.partialResultToken"),
        ({"partialResultToken": False}, "params.partialResultToken"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidParamsError) as caught:
        parse_suggest({**GOOD, **change})[0].check()
    assert field in caught.value.message


@pytest.mark.parametrize("params", [None, [], ["⊢ True"], "x", 5, True])
def test_params_must_be_an_object(params: Any) -> None:
    with pytest.raises(InvalidParamsError, match="params must be an object"):
        parse_suggest(params)


def test_messages_do_not_repeat_the_users_text() -> None:
    with pytest.raises(InvalidParamsError) as caught:
        parse_suggest({**GOOD, "document": "theorem secret"})
    assert "secret" not in caught.value.message


def test_prepare() -> None:
    document = Document("file:///home/ada/proof/Basic.lean", "import LLMstep\n\n")
    assert parse_prepare(golden("client.prepare.empty")["params"]) == PrepareRequest()
    assert parse_prepare(None) == PrepareRequest()
    assert parse_prepare(golden("client.prepare")["params"]) == PrepareRequest(document)
    model = parse_prepare(golden("client.prepare.model")["params"])
    assert model == PrepareRequest(document, "llemma-7b")
    for params in (3, {"model": 3}, {"model": ""}):
        with pytest.raises(InvalidParamsError):
            parse_prepare(params)


def test_handshake_of_lean() -> None:
    handshake = parse_handshake(golden("client.initialize")["params"])
    assert handshake == Handshake(1, "lean", is_editor=False)


@pytest.mark.parametrize(
    ("params", "is_editor"),
    [
        ({}, True),
        ({"capabilities": {}}, True),
        ({"initializationOptions": {"model": "x"}}, True),
        ({"initializationOptions": {"protocolVersion": 1}}, False),
        ({"initializationOptions": {"protocolVersion": 1}, "capabilities": {}}, False),
        ({"initializationOptions": {"protocolVersion": 1}, "capabilities": 3}, False),
        (
            {
                "initializationOptions": {"protocolVersion": 1},
                "capabilities": {"textDocument": {}},
            },
            True,
        ),
    ],
)
def test_who_needs_the_lsp(params: dict[str, Any], is_editor: bool) -> None:
    assert parse_handshake(params).is_editor is is_editor


def test_handshake_of_another_version_names_both_upgrades() -> None:
    with pytest.raises(ProtocolVersionError) as caught:
        parse_handshake(golden("client.initialize.future")["params"])
    expected = golden("server.initialize.mismatch")["error"]
    assert caught.value.code == expected["code"]
    assert caught.value.message == expected["message"]
    assert caught.value.hint == expected["data"]["hint"]
    assert "python3 bootstrap.py setup" in caught.value.hint
    assert "lake update llmstep" in caught.value.hint


@pytest.mark.parametrize("params", [None, {}, {"initializationOptions": None}, []])
def test_handshake_of_a_plain_editor(params: Any) -> None:
    assert parse_handshake(params) == Handshake()


def test_handshake_carries_settings() -> None:
    options = {"protocolVersion": PROTOCOL_VERSION, "model": "x", "maxTokens": 7}
    handshake = parse_handshake({"initializationOptions": options})
    assert handshake.settings == {"model": "x", "maxTokens": 7}
    assert handshake.client == "editor"


def test_handshake_with_impossible_options() -> None:
    assert parse_handshake({"initializationOptions": [1]}).problem is not None
    for version in ("1", True, 1.5):
        with pytest.raises(InvalidParamsError, match="protocolVersion"):
            parse_handshake({"initializationOptions": {"protocolVersion": version}})


def shape(value: Any) -> Any:
    """Keys and kinds of values, as Lean's parser sees them."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return "number"
    return type(value).__name__


def test_the_reply_has_the_goldens_keys() -> None:
    reply = SuggestReply(
        (Suggestion("exact ⟨hp, hq⟩", -0.125), Suggestion("exact And.intro hp hq", -0.75)),
        "default",
        False,
        SuggestStats(41, 0, 17, 312.5, 498.25),
    )
    assert reply_json(reply) == golden("server.suggest")["result"]
    empty = attrs.evolve(reply, suggestions=())
    assert reply_json(empty) == golden("server.suggest.empty")["result"]


def test_an_answer_without_the_model_says_why() -> None:
    wanted = golden("server.suggest.partial")["result"]
    reply = SuggestReply(
        (Suggestion("exact ⟨hp, hq⟩", -0.125, ("library",)),),
        "llemma-7b",
        False,
        SuggestStats(total_ms=21.5),
        partial=Partial(wanted["partial"]["reason"], wanted["partial"]["hint"]),
    )
    assert reply_json(reply, wanted["warnings"]) == wanted


def test_what_was_left_out_of_the_prompt_is_told() -> None:
    reply = SuggestReply((), "default", False, SuggestStats(), dropped=("h₁", "inst✝"))
    assert reply_json(reply)["dropped"] == ["h₁", "inst✝"]


def test_a_proof_is_asked_for_with_what_was_tried() -> None:
    first, token = parse_suggest(golden("client.suggest.proof")["params"])
    assert (first.mode, first.hint, first.attempt) == ("proof", "split the conjunction", None)
    assert token == "llmstep/9"
    second, _ = parse_suggest(golden("client.suggest.proof.attempt")["params"])
    assert second.attempt == Attempt(
        "constructor\n· exact hr\n· exact hq",
        "line 2: Unknown identifier `hr`",
        ("case left\np q : Prop\nhp : p\nhq : q\n⊢ p",),
    )
    step, _ = parse_suggest(golden("client.suggest.minimal")["params"])
    assert step.mode == "tactic"


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("mode", "whole", "params.mode"),
        ("mode", 1, "params.mode"),
        ("attempt", "text", "params.attempt"),
        ("attempt", {"text": "simp"}, "params.attempt"),
        ("attempt", {"text": "simp", "error": "x", "goals": [1]}, "params.attempt.goals"),
        ("hint", [], "params.hint"),
        ("hint", "x" * 2001, "`hint`"),
        ("n", 9, "`n`"),
        ("prefix", "exact", "`prefix`"),
    ],
)
def test_a_wrong_field_of_a_proof_is_named(field: str, value: object, named: str) -> None:
    params = {**golden("client.suggest.proof")["params"], field: value}
    with pytest.raises(InvalidParamsError) as caught:
        parse_suggest(params)[0].check()
    assert named in caught.value.message


@pytest.mark.parametrize(
    ("name", "proof"),
    [
        ("proof", WrittenProof("constructor\n· exact hp\n· exact hq", -0.5)),
        ("proof.cut", WrittenProof("constructor", -0.75, "repetition")),
    ],
)
def test_proofs_travel_as_the_golden_has_them(name: str, proof: WrittenProof) -> None:
    stats = SuggestStats(230, 118, 412, 0.0, 21040.5)
    reply = SuggestReply((), "kimina-prover-rl-0.6b", False, stats, proofs=(proof,))
    assert reply_json(reply) == golden(f"server.suggest.{name}")["result"]


def test_progress_of_a_proof_is_the_golden() -> None:
    thinking = WritingProgress(0, True, 128)
    assert writing_json("llmstep/9", thinking) == golden("server.progress.proof.thinking")["params"]
    writing = WritingProgress(0, False, 391, "constructor\n")
    assert writing_json("llmstep/9", writing) == golden("server.progress.proof.writing")["params"]


def test_progress_is_the_golden() -> None:
    sent = progress_json("llmstep/2", [Suggestion("exact ⟨hp, hq⟩", -0.125)])
    assert sent == golden("server.progress")["params"]


def test_the_status_has_at_least_the_goldens_keys() -> None:
    status = ServiceStatus(
        "default", "llama_cpp", "ready", None, 3.0, 2048, 187654144, 0, 0, 12, 3, 9
    )
    sent = shape(status_json(status))
    expected = shape(golden("server.status")["result"])
    assert {key: sent[key] for key in expected} == expected


def test_the_status_without_a_cache() -> None:
    status = ServiceStatus("m", "echo", "failed", "no file", 0.0, None, 1, 0, 0, None, 0, 0)
    sent = status_json(status)
    assert sent["cache"] is None
    assert sent["error"] == "no file"
    assert json.loads(json.dumps(sent)) == sent
