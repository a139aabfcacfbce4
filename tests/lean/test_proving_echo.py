"""What models write, as it reaches Lean: the real sidecar and a scripted model, one document."""

from __future__ import annotations

import json
from collections.abc import Iterator

import attrs
import check
import pytest
from language_client import LanguageClient

pytestmark = pytest.mark.leanbed

RIGHT = "constructor\n· exact hp\n· exact hq"
OPTIONS = (
    'llmstep.command "llmstep serve --model echo --in-process"',
    "llmstep.prove.gapMs 0",
    "llmstep.prove.rounds 2",
    "llmstep.candidateTimeoutMs 1000",
    'llmstep.search.closers ""',
)
STATEMENT = "(p q : Prop) (hp : p) (hq : q) : p ∧ q := by\n  llmprove\n"


def fenced(block: str, language: str = "lean4") -> str:
    return f"```{language}\n{block}\n```"


# What the model writes for the theorem of that name, and what becomes of it: the proof, or words.
PLAYS: dict[str, tuple[str, str]] = {
    "right_at_once": (fenced(RIGHT), "🎉 constructor"),
    "fence_missing": (RIGHT, "🎉 constructor"),
    "fence_not_closed": (f"```lean4\n{RIGHT}", "🎉 constructor"),
    "restated": (
        fenced(
            "import Mathlib\n\ntheorem other (p q : Prop) (hp : p) (hq : q) : p ∧ q := by\n"
            "  constructor\n  · exact hp\n  · exact hq"
        ),
        "🎉 constructor",
    ),
    "two_blocks": (f"First:\n{fenced('exact wrong')}\nNo:\n{fenced(RIGHT)}", "🎉 constructor"),
    "thought_first": (
        f"<think>\n{fenced('exact wrong')}\n</think>\n{fenced(RIGHT)}",
        "🎉 constructor",
    ),
    "colours_and_nulls": (fenced(f"\x1b[32m{RIGHT}\x1b[0m\x00"), "🎉 constructor"),
    "windows_line_ends": (fenced(RIGHT).replace("\n", "\r\n"), "🎉 constructor"),
    "thought_without_end": (
        "<think>" + " ".join(f"step {number}," for number in range(9000)),
        "the model did not come to the end of its thought (it stopped for: budget)",
    ),
    "endless_repetition": ("<think>" + "and then again " * 9000, "it stopped for: repetition"),
    "longer_than_its_tokens": (
        "```lean4\nconstructor\n· exact hp\n· exact one_more\n"
        + "\n".join(f"  -- and line {number}" for number in range(3000)),
        "the longest part that runs",
    ),
    "lean_3": (fenced("begin\n  exact ⟨hp, hq⟩,\nend"), "the answer is written in Lean 3"),
    "no_proof_at_all": ("I cannot prove this, sorry.", "no part of one runs"),
    "another_language": (
        "Das folgt sofort: man zerlegt die Aussage in beide Teile.",
        "no part of one runs",
    ),
    "uses_sorry": (fenced("exact ⟨hp, sorry⟩"), "contains sorry"),
    "hides_sorry": (fenced("exact sorryAx _ true"), "sorry"),
    "native": (fenced("native_decide"), "contains native_decide"),
    "an_axiom": (fenced("exact Lean.ofReduceBool true true rfl ▸ ⟨hp, hq⟩"), "ofReduceBool"),
    "declares_an_axiom": (fenced("axiom cheat : p ∧ q\nexact cheat"), "no part of one runs"),
    "itself": (fenced("exact itself p q hp hq"), "uses the theorem that is being proved"),
    "a_loop": (fenced("repeat skip"), "took longer than|recursion|heartbeats"),
}


@attrs.frozen
class Document:
    """A document in which every theorem was asked for: its messages by theorem."""

    client: LanguageClient
    messages: dict[str, list[str]]
    lines: dict[str, int]


def starts(text: str) -> dict[str, int]:
    """The line of each call, from 0 on."""
    lines = text.split("\n")
    return {line.split()[1]: at + 1 for at, line in enumerate(lines) if line.startswith("theorem ")}


@pytest.fixture(scope="module")
def played(
    checker: check.LeanChecker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Document]:
    assert not checker.check(check.ROOT / "LLMstep.lean")
    folder = tmp_path_factory.mktemp("echo")
    # A prompt holds the theorems above, too: the last one that is named is the one in question.
    script = [
        {"goal": f"theorem {name} (", "answers": [{"text": text, "score": -0.1}]}
        for name, (text, _) in reversed(PLAYS.items())
    ]
    (folder / "script.json").write_text(json.dumps(script), encoding="utf-8")
    environment = {
        "LLMSTEP_ECHO_SCRIPT": str(folder / "script.json"),
        # Of several blocks the last one counts.
        "LLMSTEP_PROOF_PROMPT": "deepseek-v2",
    }
    client = LanguageClient(checker, folder, **environment)
    head = [
        "import LLMstep",
        'set_option llmstep.command "llmstep serve --model echo --in-process"',
    ]
    head += [f"set_option {option}" for option in OPTIONS]
    text = "\n".join([*head, "", *(f"theorem {name} {STATEMENT}" for name in PLAYS)])
    client.open("Echo.lean", text)
    client.elaborated()
    lines = starts(text)
    messages = {
        name: [
            d["message"] for d in client.diagnostics if d["range"]["start"]["line"] in (at, at - 1)
        ]
        for name, at in lines.items()
    }
    yield Document(client, messages, lines)
    client.stop()


@pytest.mark.parametrize("name", PLAYS)
def test_each_answer_ends_in_a_proof_or_in_a_clear_line(played: Document, name: str) -> None:
    told = "\n".join(played.messages[name])
    expected = PLAYS[name][1]
    assert any(part in told for part in expected.split("|")), told
    assert "secret" not in told
    assert "<think>" not in told
    assert "PANIC" not in told


def test_all_proofs_are_clicked_and_an_edit_in_the_end_is_seen(played: Document) -> None:
    """Lean has gone on through all of it: what was proved is put in place, from the last one up."""
    client = played.client
    proved = [name for name, (_, expected) in PLAYS.items() if "🎉" in expected]
    text = client.text
    for name in reversed(proved):
        (action,) = [
            a for a in client.actions(played.lines[name]) if a["title"].startswith("Try this")
        ]
        edit = action["edit"]["documentChanges"][0]["edits"][0]
        assert edit["newText"] == "constructor\n  · exact hp\n  · exact hq"
        text = text.replace(
            f"theorem {name} {STATEMENT}",
            f"theorem {name} {STATEMENT.replace('llmprove', edit['newText'])}",
        )
    kept = text[: text.index("theorem thought_without_end")]
    client.change(f"{kept}example : True := wrong\n")
    (told,) = client.elaborated()
    assert "wrong" in told
