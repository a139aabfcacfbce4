"""Whole proofs over the wire: what a scripted model writes, and what the client is told of it."""

from __future__ import annotations

from typing import Any

import pytest

BLOCK = "constructor\n· exact hp\n· exact hq"
GOAL = "p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q"


@pytest.fixture
def prover(start_server: Any) -> Any:
    def start(*answers: str, **rule: Any) -> Any:
        script = [{**rule, "answers": [{"text": text, "score": -0.25} for text in answers]}]
        client = start_server("--model", "echo", script=script)
        client.initialize()
        return client

    return start


def prove(client: Any, **params: Any) -> Any:
    return client.suggest(GOAL, mode="proof", **params)


def test_the_goldens_question_is_answered_as_the_golden_says(
    start_server: Any, golden: Any
) -> None:
    text = f"<think>Split it.</think>\n```lean4\n{BLOCK}\n```"
    client = start_server("--model", "echo", script=[{"answers": [{"text": text, "score": -0.5}]}])
    client.initialize()
    client.send(golden("client.suggest.proof"))
    answer = client.answer(9)["result"]
    expected = golden("server.suggest.proof")["result"]
    assert answer["suggestions"] == expected["suggestions"]
    assert set(answer) == set(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"```lean4\n{BLOCK}\n```", {"proof": BLOCK, "stop": "end"}),
        (f"No fence: \n{BLOCK}".removeprefix("No fence: \n"), {"proof": BLOCK, "stop": "end"}),
        (
            "<think>" + " ".join(f"step {number}," for number in range(9000)),
            {
                "proof": "",
                "stop": "budget",
                "problem": "the model did not come to the end of its thought",
            },
        ),
        (
            "```lean\nbegin\n  exact hp,\nend\n```",
            {
                "proof": "",
                "stop": "end",
                "problem": "the answer is written in Lean 3 (begin … end)",
            },
        ),
        (
            "```lean4\ntheorem again (p q : Prop) (hp : p) (hq : q) : p ∧ q := by\n  constructor\n"
            "  · exact hp\n  · exact hq\n```",
            {"proof": BLOCK, "stop": "end"},
        ),
    ],
)
def test_what_a_model_writes_becomes_one_block_or_a_reason(
    prover: Any, text: str, expected: dict[str, Any]
) -> None:
    [found] = prove(prover(text))["result"]["suggestions"]
    assert {key: found[key] for key in ("proof", "stop", "problem") if key in found} == expected
    assert "<think>" not in found["proof"]


def test_several_proofs_come_with_the_whole_ones_first(prover: Any) -> None:
    client = prover("begin\nend", f"```lean4\n{BLOCK}\n```", "```lean4\nsimp\n```")
    found = prove(client, n=3)["result"]["suggestions"]
    assert [entry["proof"] for entry in found] == [BLOCK, "simp", ""]


def test_the_text_comes_as_it_is_written_and_the_thought_never(prover: Any) -> None:
    client = prover(f"<think>a secret plan</think>\n```lean4\n{BLOCK}\n```")
    answer = prove(client, partialResultToken="t")
    passed = [client.receive(lambda m: "method" in m)]
    while passed[-1]["params"]["value"].get("text", "").find("hq") < 0:
        passed.append(client.receive(lambda m: "method" in m))
    values = [message["params"]["value"] for message in passed]
    assert answer["result"]["suggestions"][0]["proof"] == BLOCK
    assert {value["stage"] for value in values} == {"thinking", "writing"}
    shown = "".join(value.get("text", "") for value in values)
    assert BLOCK in shown
    assert "secret" not in shown


def test_a_repair_tells_the_model_what_was_tried(start_server: Any) -> None:
    """The scripted model answers by what stands in its prompt."""
    script = [
        {"goal": "Unknown identifier `hr`", "answers": [{"text": BLOCK, "score": -0.1}]},
        {"goal": "p ∧ q", "answers": [{"text": "exact hr", "score": -0.1}]},
    ]
    client = start_server("--model", "echo", script=script)
    client.initialize()
    first = prove(client)["result"]["suggestions"][0]["proof"]
    assert first == "exact hr"
    attempt = {"text": first, "error": "line 1: Unknown identifier `hr`", "goals": [GOAL]}
    assert prove(client, attempt=attempt)["result"]["suggestions"][0]["proof"] == BLOCK


def test_the_hint_and_the_files_own_statement_are_in_the_prompt(start_server: Any) -> None:
    script = [
        {"goal": "by induction, please", "answers": [{"text": "hinted", "score": -0.1}]},
        {"goal": "theorem mine (p q : Prop)", "answers": [{"text": "stated", "score": -0.1}]},
    ]
    client = start_server("--model", "echo", script=script)
    client.initialize()
    text = "import Mathlib\n\ntheorem mine (p q : Prop) (hp : p) (hq : q) : p ∧ q := by\n  "
    document = {"uri": "file:///a.lean", "textBefore": text}
    assert prove(client, document=document)["result"]["suggestions"][0]["proof"] == "stated"
    hinted = prove(client, document=document, hint="by induction, please")
    assert hinted["result"]["suggestions"][0]["proof"] == "hinted"


def test_a_statement_longer_than_the_window_is_named(start_server: Any) -> None:
    environ = {"LLMSTEP_CONTEXT_TOKENS": "600"}
    client = start_server("--model", "echo", script=[], environ=environ)
    client.initialize()
    long = "p : Prop\n" + "\n".join(f"h{number} : p ∨ p ∧ p" for number in range(400)) + "\n⊢ p"
    error = client.suggest(long, mode="proof")["error"]
    assert "the theorem and its goal have" in error["message"]
    assert "the window of the model echo 600" in error["message"]
    assert "context_tokens" in error["data"]["hint"]
    assert client.suggest("⊢ p", mode="proof")["result"]["suggestions"] == []


def test_an_attempt_longer_than_the_window_is_cut(start_server: Any) -> None:
    script = [
        {"goal": "Unknown identifier", "answers": [{"text": BLOCK, "score": -0.1}]},
        {"answers": [{"text": "simp", "score": -0.1}]},
    ]
    client = start_server("--model", "echo", script=script)
    client.initialize()
    text = "\n".join(f"have h{number} := hp" for number in range(4000))
    goals = [GOAL, "\n".join(f"x{number} : Nat" for number in range(4000)) + "\n⊢ p"]
    attempt = {"text": text, "error": "line 1: Unknown identifier `hr`", "goals": goals}
    assert prove(client, attempt=attempt)["result"]["suggestions"][0]["proof"] == BLOCK


def test_a_model_that_writes_steps_says_which_ones_write_proofs(
    start_server: Any, golden: Any
) -> None:
    client = start_server("--model", "builtin", environ={"LLMSTEP_SOURCES": "model"})
    client.initialize()
    error = prove(client)["error"]
    expected = golden("server.error.noProofMode")["error"]
    assert error["code"] == expected["code"]
    assert error["message"] == expected["message"]
    assert error["data"]["reason"] == "noProofMode"
    assert set(error["data"]) == set(expected["data"])


def test_a_withdrawn_proof_stops_and_the_next_question_is_served(prover: Any) -> None:
    client = prover(f"```lean4\n{BLOCK}\n```", hang=True)
    client.send(
        {
            "jsonrpc": "2.0",
            "id": 70,
            "method": "llmstep/suggest",
            "params": {"goals": [GOAL], "prefix": "", "mode": "proof"},
        }
    )
    client.send({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": 70}})
    assert client.answer(70)["error"]["code"] == -32800
    assert client.request("llmstep/status")["result"]["queue"]["waiting"] == 0
