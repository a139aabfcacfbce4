"""The same scenarios in every editor that is installed, on Lean's own server and on the sidecar."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.editors.drivers.editor import MARK, Editor, Observe, kill, split_mark, wait_for

# The first of them compiles the package; none is about a time.
pytestmark = [pytest.mark.leanbed, pytest.mark.timeout(1200)]

LEAN = ("lean",)
SIDECAR = ("llmstep",)
HEAD = 'import LLMstep\nset_option llmstep.command "llmstep serve --model echo"\n'
MISBEHAVING = Path(__file__).parents[1] / "lean" / "misbehaving_sidecar.py"
CLOSES = "🎉 exact ⟨hp, hq⟩"
TAKE = "Try this: exact ⟨hp, hq⟩"
STEP = "llmstep: suggest a step"


def theorem(proof: str, kind: str = "k_closes", head: str = HEAD) -> str:
    """A theorem with this proof; ``tests/lean/echo.json`` answers by the hypothesis ``kind``."""
    return (
        f"{head}theorem here (p q : Prop) (hp : p) (hq : q) (_{kind} : True) : p ∧ q := by{proof}"
    )


def statement(proof: str) -> str:
    """A theorem for the sidecar alone, which reads any Lean text."""
    return f"theorem here (𝕜 : Nat) : 𝕜 = 𝕜 := by{proof}"


def test_a_typed_call_lists_suggestions_and_one_is_taken(
    editor: Editor, tmp_path: Path, observe: Observe
) -> None:
    editor.show(tmp_path / "Call.lean", theorem(f"\n  {MARK}\n"), LEAN)
    editor.type('llmstep "ex"')
    editor.wait_for_message("Try these:", CLOSES)
    observe("list")
    editor.move(3, 4)
    editor.wait_for_action(TAKE)
    editor.wait_for_text(theorem("\n  exact ⟨hp, hq⟩\n"))
    editor.settle()
    wait_for(lambda: editor.messages, lambda messages: not messages, "no message")
    observe("take")


@pytest.mark.parametrize(
    ("row", "proof", "result"),
    [
        ("lean sorry", f"\n  so{MARK}rry\n", "\n  exact ⟨hp, hq⟩\n"),
        ("lean empty", f"{MARK}\n", None),
    ],
)
def test_lean_suggests_a_step_where_one_is_missing(
    editor: Editor, tmp_path: Path, observe: Observe, row: str, proof: str, result: str | None
) -> None:
    editor.show(tmp_path / "Step.lean", theorem(proof, "k_step"), LEAN)
    editor.settle()
    editor.wait_for_action(STEP)
    resolves = editor.announces("textDocument", "codeAction", "resolveSupport")
    if not resolves:
        # It gets the call, which suggests the step.
        editor.wait_for_message("Try these:", CLOSES)
        _, line, column = split_mark(editor.text.replace('llmstep ""', f"{MARK}llmstep"))
        editor.move(line, column)
        editor.wait_for_action(TAKE)
    wait_for(lambda: "exact ⟨hp, hq⟩" in editor.text, what="the step")
    editor.settle()
    wait_for(lambda: editor.messages, lambda messages: not messages, "no message")
    if result is not None:
        assert editor.text == theorem(result, "k_step")
    observe(row, "yes" if resolves else "through the call")


def test_typing_withdraws_the_question(editor: Editor, tmp_path: Path, observe: Observe) -> None:
    record = tmp_path / "record"
    mute = f"{sys.executable} {MISBEHAVING} mute record={record}"
    head = HEAD.replace("llmstep serve --model echo", mute)

    def recorded(method: str) -> bool:
        return record.exists() and method in record.read_text(encoding="utf-8")

    editor.show(tmp_path / "Cancel.lean", theorem(f'\n  llmstep "{MARK}"\n', head=head), LEAN)
    wait_for(lambda: recorded("llmstep/suggest"), what="the question")
    editor.type("e")
    wait_for(lambda: recorded("$/cancelRequest"), what="its withdrawal")
    observe("cancel")


def test_a_sidecar_that_was_killed_comes_back(
    editor: Editor, tmp_path: Path, observe: Observe
) -> None:
    editor.show(tmp_path / "Killed.lean", theorem(f'\n  llmstep "{MARK}"\n'), LEAN)
    editor.wait_for_message("Try these:", CLOSES)
    kill(editor.find_sidecars(attached=False))
    editor.type("e")
    editor.settle()
    editor.wait_for_message("Try these:", CLOSES)
    assert editor.find_sidecars(attached=False)
    observe("lean restart")


def test_the_call_is_completed(editor: Editor, tmp_path: Path, observe: Observe) -> None:
    editor.show(tmp_path / "Complete.lean", statement(f"\n  {MARK}\n"), SIDECAR)
    editor.type("ll")
    assert 'llmstep ""' in wait_for(editor.list_completions)
    editor.take_completion('llmstep ""')
    editor.wait_for_text(statement('\n  llmstep ""\n'))
    observe("call")
    editor.type("e")
    inside = editor.text == statement('\n  llmstep "e"\n')
    observe("between", inside)


def test_the_first_word_is_completed(editor: Editor, tmp_path: Path, observe: Observe) -> None:
    editor.show(tmp_path / "Word.lean", statement(f'\n  llmstep "{MARK}"\n'), SIDECAR)
    editor.type("ex")
    labels = wait_for(editor.list_completions)
    assert {"exact", "ext"} <= set(labels)
    editor.take_completion("exact")
    editor.wait_for_text(statement('\n  llmstep "exact"\n'))
    observe("word")


@pytest.mark.parametrize(
    ("row", "before", "title", "after"),
    [
        ("sorry", f"\n  so{MARK}rry\n", "Replace `sorry`", '\n  llmstep ""\n'),
        ("empty", f"{MARK}\n", "Insert `llmstep`", '\n  llmstep ""\n'),
    ],
)
def test_the_call_is_put_in_place(
    editor: Editor, tmp_path: Path, observe: Observe, row: str, before: str, title: str, after: str
) -> None:
    editor.show(tmp_path / "Place.lean", statement(before), SIDECAR)
    editor.wait_for_action(title)
    editor.wait_for_text(statement(after))
    observe(row)


def test_both_servers_share_a_buffer(editor: Editor, tmp_path: Path, observe: Observe) -> None:
    observe("both", editor.joins_servers)
    if not editor.joins_servers:
        pytest.skip(f"{editor.name} has one server for a buffer")
    editor.show(tmp_path / "Both.lean", theorem(f"\n  so{MARK}rry\n", "k_step"), (*LEAN, *SIDECAR))
    editor.settle()
    wait_for(
        editor.list_actions,
        lambda titles: STEP in titles and any(t.startswith("Replace `sorry`") for t in titles),
        "the actions of both",
    )
    editor.take_action("Replace `sorry`")
    editor.wait_for_message("Try these:", CLOSES)


def test_a_second_server_that_was_killed_comes_back(
    editor: Editor, tmp_path: Path, observe: Observe
) -> None:
    editor.show(tmp_path / "Again.lean", statement(f"\n  so{MARK}rry\n"), SIDECAR)
    kill(editor.find_sidecars(attached=True))
    editor.restart_server()
    wait_for(lambda: bool(editor.find_sidecars(attached=True)), what="a new process")
    editor.wait_for_action("Replace `sorry`")
    editor.wait_for_text(statement('\n  llmstep ""\n'))
    observe("restart", editor.restart)


def test_grey_text_is_asked_for_or_not(editor: Editor, tmp_path: Path, observe: Observe) -> None:
    editor.show(tmp_path / "Grey.lean", statement(f"{MARK}\n"), SIDECAR)
    observe("grey", editor.announces("textDocument", "inlineCompletion"))
