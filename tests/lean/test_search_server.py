"""`llmsearch` in an editor: ``lean --server`` on the bed, with click and edit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import check
import pytest
from language_client import LanguageClient

pytestmark = pytest.mark.leanbed

HEAD = (
    'import LLMstep\nset_option llmstep.command "{command}"\n'
    'set_option llmstep.search.closers "assumption | rfl"\n'
)
ECHO = "llmstep serve --model echo"
SEEN_SECONDS = 60
# Nothing proves it, and there is always a step: `q` may be assumed to be false.
ENDLESS = "(f : Nat → Nat) (h : ∀ x, f (f x) = x) (k : ∀ x, f x = x → x = 0) : f 5 = 6"


@pytest.fixture(scope="module")
def package(checker: check.LeanChecker) -> check.LeanChecker:
    assert not checker.check(check.ROOT / "LLMstep.lean")
    return checker


@pytest.fixture
def client(package: check.LeanChecker, tmp_path: Path) -> Iterator[LanguageClient]:
    client = LanguageClient(package, tmp_path)
    yield client
    client.stop()


def theorem(statement: str, *tactics: str, command: str = ECHO) -> str:
    """A theorem with these tactics, from line 4 on."""
    lines = "".join(f"  {tactic}\n" for tactic in tactics)
    return f"{HEAD.format(command=command)}theorem here {statement} := by\n{lines}"


def test_a_click_puts_the_proof_in_place(client: LanguageClient) -> None:
    swap = "(a b c : Prop) (h : a ∨ b) (f : a → c) (g : b → c) : c ∧ (a ∨ b)"
    client.open("Click.lean", theorem(swap, "llmsearch"))
    messages = client.elaborated()
    assert not any("error" in text for text in messages), messages
    (action,) = [a for a in client.actions(4) if a["title"].startswith("Try this")]
    text = client.apply(action)
    proof = [
        "constructor",
        "· rcases h with ha | hb",
        "  · exact f ha",
        "  · exact g hb",
        "· exact h",
    ]
    assert text == theorem(swap, *proof)
    assert client.elaborated() == []


def test_a_proof_of_several_lines_goes_into_a_place_that_takes_one(client: LanguageClient) -> None:
    swap = "(a b c : Prop) (f : a → c) (g : b → c) : (a ∨ b → c) ∧ True"
    client.open("Places.lean", theorem(swap, "constructor <;> first | trivial | llmsearch"))
    client.elaborated()
    (action,) = [a for a in client.actions(4, 42) if a["title"].startswith("Try this")]
    client.apply(action)
    assert client.elaborated() == []


def test_it_tells_how_far_it_is_while_it_runs(client: LanguageClient, tmp_path: Path) -> None:
    record = tmp_path / "record"
    mute = f"python3 tests/lean/misbehaving_sidecar.py mute record={record}"
    client.open("Progress.lean", theorem(ENDLESS, "llmsearch", command=mute))
    client.until(lambda _: any("tactics checked" in d["message"] for d in client.diagnostics))
    (told,) = [d["message"] for d in client.diagnostics if "tactics checked" in d["message"]]
    assert "questions to the model" in told
    assert told.rsplit("\n⊢ ", 1)[1].strip()
    client.change(theorem(ENDLESS, "sorry", command=mute))
    wait_for(lambda: "$/cancelRequest" in record.read_text(encoding="utf-8"))
    assert not any("tactics checked" in text for text in client.elaborated())


def test_an_edit_stops_it_and_the_next_search_begins_anew(
    client: LanguageClient, tmp_path: Path
) -> None:
    # A model that never answers: with one that does, the search may be over before it is seen.
    mute = f"python3 tests/lean/misbehaving_sidecar.py mute record={tmp_path / 'record'}"
    client.open("Edit.lean", theorem(ENDLESS, "llmsearch", command=mute))
    client.until(lambda _: any("tactics checked" in d["message"] for d in client.diagnostics))
    provable = "(p q : Prop) (hp : p) (hq : q) : p ∧ q"
    client.change(theorem(provable, "llmsearch"))
    messages = client.elaborated()
    assert any("exact ⟨hp, hq⟩" in text for text in messages), messages


def wait_for(seen: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + SEEN_SECONDS
    while not seen():
        assert time.monotonic() < end
        time.sleep(0.01)
