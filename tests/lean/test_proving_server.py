"""`llmprove` in an editor: ``lean --server`` on the bed, a scripted model, click and edit."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import check
import pytest
from language_client import LanguageClient

pytestmark = pytest.mark.leanbed

HEAD = (
    'import LLMstep\nset_option llmstep.command "{command}"\n'
    'set_option llmstep.search.closers "assumption | rfl"\n{options}'
    "theorem here {statement} := by\n  "
)
SEEN_SECONDS = 60
BOTH = "(p q : Prop) (hp : p) (hq : q) : p ∧ q"
# Proved by the model alone: gaps are left to it where these options are set.
NO_GAPS = "set_option llmstep.prove.gapMs 0\n"
HARD = "(f : Nat → Nat) (h : ∀ n, f (n + 1) = f n) (k : f 0 = 3) : f 1 = 3 ∧ f 2 = 3"
NO_PROOFS = {
    "code": -32803,
    "message": "the model builtin writes single steps, no whole proofs",
    "data": {"hint": "llmstep models pull kimina-prover-rl-0.6b", "reason": "noProofMode"},
}


@pytest.fixture(scope="module")
def client(
    checker: check.LeanChecker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LanguageClient]:
    assert not checker.check(check.ROOT / "LLMstep.lean")
    client = LanguageClient(checker, tmp_path_factory.mktemp("proving"))
    yield client
    client.stop()


@attrs.frozen
class Played:
    """What one call came to: messages, the questions asked, the text after the click."""

    messages: list[str]
    questions: list[dict[str, Any]]
    clicked: str


@attrs.frozen
class Stage:
    """A document whose sidecar plays a script."""

    client: LanguageClient
    folder: Path

    def head(self, script: list[dict[str, Any]], statement: str, options: str = "") -> str:
        (self.folder / "script.json").write_text(json.dumps(script), encoding="utf-8")
        words = f"script={self.folder}/script.json record={self.folder}/record"
        command = f"python3 tests/lean/proving_sidecar.py {words}"
        return HEAD.format(command=command, statement=statement, options=options)

    def recorded(self) -> list[str]:
        record = self.folder / "record"
        return record.read_text(encoding="utf-8").splitlines() if record.exists() else []

    def questions(self) -> list[dict[str, Any]]:
        asked = [json.loads(line) for line in self.recorded() if line.startswith('{"')]
        return [params for params in asked if params.get("mode") == "proof"]

    def play(
        self, *script: dict[str, Any], statement: str = BOTH, options: str = "", call: str = ""
    ) -> Played:
        head = self.head(list(script), statement, options)
        self.client.open(f"{self.folder.name}.lean", f"{head}{call or 'llmprove'}\n")
        messages = self.client.elaborated()
        line = head.count("\n")
        actions = [a for a in self.client.actions(line) if a["title"].startswith("Try this")]
        clicked = ""
        if actions:
            clicked = self.client.apply(actions[0]).removeprefix(head)
            if any("🎉" in text for text in messages):
                assert self.client.elaborated() == []
        self.client.close()
        return Played(messages, self.questions(), clicked)


@pytest.fixture
def stage(client: LanguageClient, tmp_path: Path) -> Stage:
    return Stage(client, tmp_path)


def test_right_at_once(stage: Stage) -> None:
    proof = "constructor\n· exact hp\n· exact hq"
    played = stage.play(
        {"think": 40, "stream": ["constructor\n"], "proof": proof}, call='llmprove "split it"'
    )
    assert played.clicked == "constructor\n  · exact hp\n  · exact hq\n"
    (question,) = played.questions
    assert question["hint"] == "split it"
    assert question["banned"] == ["here"]
    assert "attempt" not in question


def test_a_wrong_name_is_mended_without_a_second_question(stage: Stage) -> None:
    played = stage.play({"proof": "constructor\n· exact no_such_lemma\n· exact hq"})
    assert played.clicked == "constructor\n  · exact hp\n  · exact hq\n"
    assert len(played.questions) == 1
    assert any("was mended: line 2" in text for text in played.messages), played.messages


def test_lean_tells_the_model_what_was_wrong(stage: Stage) -> None:
    wrong = "constructor\n· rw [h_wrong]\n· rw [h, h, k]"
    played = stage.play(
        {"proof": wrong},
        {"proof": "exact ⟨(h 0).trans k, (h 1).trans ((h 0).trans k)⟩"},
        statement=HARD,
        options=NO_GAPS,
    )
    assert played.clicked.startswith("exact ⟨(h 0).trans k")
    first, second = played.questions
    assert "attempt" not in first
    assert second["attempt"]["text"] == wrong
    assert second["attempt"]["error"].startswith("line 2: ")
    assert "h_wrong" in second["attempt"]["error"]
    assert "⊢ f 1 = 3" in second["attempt"]["goals"][0]


def test_never_right_shows_what_runs(stage: Stage) -> None:
    played = stage.play(
        {"proof": "constructor\n· exact (h 0).trans k\n· exact never"},
        statement=HARD,
        options=NO_GAPS,
    )
    assert len(played.questions) == 3
    assert played.clicked == "constructor\n  · exact (h 0).trans k\n"
    told = "\n".join(played.messages)
    assert "the longest part that runs" in told
    assert "⊢ f 2 = 3" in told
    assert "sorry" not in played.clicked


@pytest.mark.parametrize(
    ("proof", "said"),
    [
        ("", "has written no proof"),
        ("sorry", "contains sorry"),
        ("native_decide", "contains native_decide"),
        ("exact here f h k", "uses the theorem that is being proved"),
        ("repeat skip", "took longer than|deterministic|heartbeats|recursion"),
        ("theorem again : f 1 = 3 := by\n  exact k", "does not parse|expected"),
        ("Der Beweis ist leicht: man sieht ihn.", "expected|unknown|Unknown"),
    ],
    ids=["nothing", "sorry", "native_decide", "itself", "a loop", "a theorem", "another language"],
)
def test_what_is_no_proof_ends_in_a_clear_line(stage: Stage, proof: str, said: str) -> None:
    options = (
        f"{NO_GAPS}set_option llmstep.candidateTimeoutMs 1000\nset_option llmstep.prove.rounds 2\n"
    )
    played = stage.play({"proof": proof, "stop": "repetition"}, statement=HARD, options=options)
    assert len(played.questions) == 2
    assert played.clicked == ""
    told = "\n".join(played.messages)
    assert "no proof after 2 rounds" in told
    assert any(part in told for part in said.split("|")), told


def test_several_proofs_are_tried_one_after_the_other(stage: Stage) -> None:
    played = stage.play(
        {"proof": ["exact never", "exact ⟨(h 0).trans k, (h 1).trans ((h 0).trans k)⟩"]},
        statement=HARD,
        options=NO_GAPS,
    )
    assert played.clicked.startswith("exact ⟨(h 0)")
    assert len(played.questions) == 1


def test_a_server_that_dies_is_asked_once_more(stage: Stage) -> None:
    played = stage.play({"die": True}, {"proof": "exact ⟨hp, hq⟩"})
    assert played.clicked == "exact ⟨hp, hq⟩\n"
    assert len(played.questions) == 2


def test_a_server_that_keeps_dying_is_named(stage: Stage) -> None:
    played = stage.play({"die": True}, statement=HARD, options=NO_GAPS)
    assert any("out of memory" in text for text in played.messages), played.messages
    assert len(played.questions) == 2


def test_thought_without_an_end_ends_with_the_time(stage: Stage) -> None:
    options = f"{NO_GAPS}set_option llmstep.prove.timeoutMs 3000\n"
    played = stage.play({"think": 900, "hang": True}, statement=HARD, options=options)
    told = "\n".join(played.messages)
    assert "the time is over (llmstep.prove.timeoutMs)" in told
    assert "thinking, 900 tokens" in told
    assert "$/cancelRequest" in stage.recorded()


@pytest.mark.parametrize(
    "entry",
    [{"error": NO_PROOFS}, {"steps": ["exact hp"]}],
    ids=["a model of steps", "an old sidecar"],
)
def test_without_a_prover_the_search_is_tried(stage: Stage, entry: dict[str, Any]) -> None:
    played = stage.play(entry)
    assert played.clicked == "exact ⟨hp, hq⟩\n"
    told = "\n".join(played.messages)
    assert "single steps" in told
    assert "This proof is that of llmsearch" in told
    if "error" in entry:
        assert "llmstep models pull" in told


def test_an_edit_withdraws_the_question(stage: Stage, client: LanguageClient) -> None:
    head = stage.head([{"think": 5, "stream": ["constructor\n", "· exact"], "hang": True}], HARD)
    client.open("Edit.lean", f"{head}llmprove\n")
    client.until(lambda _: any("round 1 of 3" in d["message"] for d in client.diagnostics))
    (told,) = [d["message"] for d in client.diagnostics if "round 1 of 3" in d["message"]]
    assert "writing, 7 tokens\n  constructor\n  · exact" in told
    client.change(f"{head}sorry\n")
    wait_for(lambda: "$/cancelRequest" in stage.recorded())
    assert not any("round 1" in text for text in client.elaborated())
    client.close()


def wait_for(seen: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + SEEN_SECONDS
    while not seen():
        assert time.monotonic() < end
        time.sleep(0.01)
