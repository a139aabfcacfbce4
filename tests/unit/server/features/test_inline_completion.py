"""The next step as grey text: where, when, and marked as what it is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from llmstep.server.features import inline_completion
from llmstep.service.question import SuggestReply, SuggestRequest, SuggestStats
from llmstep.sources.ranking import Suggestion

from ..conftest import Connection, FakeService
from .test_features import URI, Editor

pytestmark = pytest.mark.asyncio
HEAD = "theorem t (p q : Prop) (hp : p) : p ∧ q := by\n"
AUTOMATIC, INVOKED = 2, 1
MARKS = "textDocument/publishDiagnostics"


class Answers:
    """What the engine is asked, and what it says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[SuggestRequest] = []
        self.background: list[bool] = []
        self.steps = [("constructor", -0.5), ("simp\nrfl", -0.6), ("omega", -1.0), ("ring", -9.0)]
        self.origin: tuple[Any, ...] = ("model", "library")
        self.slow = False

        async def suggest(
            _service: FakeService, request: SuggestRequest, _cancel: Any, _on: Any, asker: Any
        ) -> SuggestReply:
            self.asked.append(request)
            self.background.append(asker.background)
            if self.slow:
                await asyncio.Event().wait()
            found = tuple(Suggestion(text, score, self.origin) for text, score in self.steps)
            return SuggestReply(found, "fake", False, SuggestStats())

        monkeypatch.setattr(FakeService, "suggest", suggest)
        monkeypatch.setattr(FakeService, "reads_files", False, raising=False)
        monkeypatch.setattr(inline_completion, "DEBOUNCE_S", 0.05)
        monkeypatch.setenv("LLMSTEP_INLINE_STEPS", "on")


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    return Answers(monkeypatch)


@pytest.fixture
def editor(connection: Connection, answers: Answers) -> Editor:
    return Editor(connection)


async def inline(editor: Editor, text: str) -> list[str]:
    place = await editor.open(text)
    params = {**place, "context": {"triggerKind": AUTOMATIC}}
    answer = await editor.connection.request("textDocument/inlineCompletion", params)
    return [item["insertText"] for item in (answer["result"] or {"items": []})["items"]]


async def test_the_first_step_of_a_statement(editor: Editor, answers: Answers) -> None:
    found = await inline(editor, HEAD + "  |")
    assert found == ["constructor", "omega", 'llmstep ""']
    (request,) = answers.asked
    assert request.goals == ("p q : Prop\nhp : p\n⊢ p ∧ q",)
    assert request.banned == ("t",)
    assert request.text_before == HEAD + "  "
    assert answers.background == [True]


async def test_a_later_step_whose_goal_is_known(editor: Editor, answers: Answers) -> None:
    found = await inline(editor, HEAD + "  constructor\n  · exact hp\n  · |")
    assert found[0] == "constructor"
    assert answers.asked[0].goals == ("p q : Prop\nhp : p\n⊢ q",)


def change(editor: Editor, text: str, column: int | None = None) -> list[Any] | None:
    """Put a text in at the cursor, or at a column of its line; the marks that the editor gets."""
    place = editor.position if column is None else {**editor.position, "character": column}
    piece = {"range": {"start": place, "end": place}, "text": text}
    document = {"uri": URI, "version": 2}
    params = {"textDocument": document, "contentChanges": [piece]}
    editor.connection.sent.clear()
    editor.connection.give("textDocument/didChange", params)
    told = [m["params"] for m in editor.connection.sent if m["method"] == MARKS]
    return told[0]["diagnostics"] if told else None


async def test_a_step_that_was_taken_is_marked_until_the_next_edit(editor: Editor) -> None:
    await inline(editor, HEAD.replace("p q", "𝕜 q") + "  |\n")
    (mark,) = change(editor, "constructor") or []
    assert "not checked" in mark["message"]
    assert mark["source"] == "llmstep"
    assert [mark["range"][side]["character"] for side in ("start", "end")] == [2, 13]
    assert change(editor, " ", column=13) == []
    assert change(editor, " ", column=13) is None


async def test_grey_text_behind_by_is_marked_where_it_stands(editor: Editor) -> None:
    text = HEAD.replace("(p q", "(𝕜 q").rstrip()
    found = await inline(editor, text + "|")
    (mark,) = change(editor, found[0]) or []
    assert mark["range"]["start"]["character"] == editor.position["character"]


async def test_a_mark_goes_with_its_document(editor: Editor) -> None:
    await inline(editor, HEAD + "  |")
    assert change(editor, "omega")
    editor.connection.sent.clear()
    editor.connection.give("textDocument/didClose", {"textDocument": {"uri": URI}})
    (told,) = [m["params"] for m in editor.connection.sent if m["method"] == MARKS]
    assert told == {"uri": URI, "diagnostics": []}


@pytest.mark.parametrize("text", ["simp", "constructor -- mine", 'llmstep ""', "c"])
async def test_what_was_not_offered_is_not_marked(editor: Editor, text: str) -> None:
    await inline(editor, HEAD + "  |")
    assert change(editor, text) is None


async def test_a_step_that_was_typed_is_not_marked(editor: Editor) -> None:
    await inline(editor, HEAD + "  |")
    for number, letter in enumerate("constructor"):
        assert change(editor, letter, column=2 + number) is None


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "  simp\n  |",  # what is left is Lean's to say
        HEAD + "  exact |",
        HEAD + "  con|",
        HEAD + "  | simp",
        HEAD + "  -- |",
        HEAD + '  exact "|',
        HEAD + "  /- \n  |",
        "def x : Nat := |",
        "theorem t : |",
        "|",
    ],
)
async def test_elsewhere_nothing_is_asked(editor: Editor, answers: Answers, text: str) -> None:
    assert await inline(editor, text) == []
    assert answers.asked == []


async def test_it_is_off_unless_it_is_wanted(
    editor: Editor, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LLMSTEP_INLINE_STEPS")
    assert await inline(editor, HEAD + "  |") == ['llmstep ""']
    assert answers.asked == []


async def test_a_model_that_reads_files_is_asked_without_a_goal(
    editor: Editor, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeService, "reads_files", True)
    answers.origin = ("model",)
    assert await inline(editor, HEAD + "  simp\n  |") == [
        "constructor",
        "omega",
    ]
    # What the other sources say of a goal that nobody knows is not shown.
    answers.origin = ("library",)
    assert await inline(editor, HEAD + "  simp\n  |") == []


async def test_while_the_cursor_moves_nothing_is_asked(editor: Editor, answers: Answers) -> None:
    place = await editor.open(HEAD + "  |")
    params = {**place, "context": {"triggerKind": AUTOMATIC}}
    for identifier in (20, 21, 22):
        editor.connection.give("textDocument/inlineCompletion", params, id=identifier)
    first, second, last = [await editor.connection.answer(number) for number in (20, 21, 22)]
    assert first["result"] is None
    assert second["result"] is None
    assert len(last["result"]["items"]) == 3
    assert len(answers.asked) == 1


async def test_a_question_can_be_withdrawn(editor: Editor, answers: Answers) -> None:
    answers.slow = True
    place = await editor.open(HEAD + "  |")
    params = {**place, "context": {"triggerKind": INVOKED}}
    editor.connection.give("textDocument/inlineCompletion", params, id=20)
    while not answers.asked:
        await asyncio.sleep(0.01)
    editor.connection.give("$/cancelRequest", {"id": 20})
    assert (await editor.connection.answer(20))["error"]["code"] == -32800


async def test_where_no_answer_comes_the_call_is_offered_all_the_same(
    editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        from llmstep.errors import GenerationError

        raise GenerationError("no")

    monkeypatch.setattr(FakeService, "suggest", fail)
    assert await inline(editor, HEAD + "  |") == ['llmstep ""']
