"""The three editor features, through the protocol as an editor uses them."""

from __future__ import annotations

import gc
from typing import Any

import pytest

pytestmark = pytest.mark.asyncio
URI = "file:///proof/A.lean"
LITERALS = {"codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": []}}}}


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


class Editor:
    """A document with a cursor, written as text with a ``|``; a bar of Lean is a ``¦``."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.text: Any = None

    async def open(self, text: str, language: str = "lean4", **capabilities: Any) -> dict[str, Any]:
        if self.text is None:
            capabilities = capabilities or {"textDocument": LITERALS}
            assert "result" in await self.connection.initialize_editor(**capabilities)
        before, _, after = text.partition("|")
        before, after = before.replace("¦", "|"), after.replace("¦", "|")
        self.text = before + after
        document = {"uri": URI, "languageId": language, "version": 1, "text": self.text}
        self.connection.give("textDocument/didOpen", {"textDocument": document})
        line = before.count("\n")
        column = units(before[before.rfind("\n") + 1 :])
        self.position = {"line": line, "character": column}
        return {"textDocument": {"uri": URI}, "position": self.position}

    async def act(self, only: list[str] | None = None) -> list[dict[str, Any]]:
        context = {"diagnostics": []} if only is None else {"diagnostics": [], "only": only}
        answer = await self.connection.request(
            "textDocument/codeAction",
            {
                "textDocument": {"uri": URI},
                "range": {"start": self.position, "end": self.position},
                "context": context,
            },
        )
        return answer["result"]

    def apply(self, action: dict[str, Any]) -> str:
        (edit,) = action["edit"]["changes"][URI]
        encoded = [line.encode("utf-16-le") for line in self.text.split("\n")]
        line = encoded[edit["range"]["start"]["line"]]
        start, end = (edit["range"][side]["character"] * 2 for side in ("start", "end"))
        changed = line[:start] + edit["newText"].encode("utf-16-le") + line[end:]
        encoded[edit["range"]["start"]["line"]] = changed
        return "\n".join(piece.decode("utf-16-le") for piece in encoded)


@pytest.fixture
def editor(connection: Any) -> Editor:
    return Editor(connection)


async def complete(editor: Editor, text: str, **options: Any) -> list[dict[str, Any]]:
    place = await editor.open(text, **options)
    answer = await editor.connection.request("textDocument/completion", place)
    return answer["result"]["items"]


@pytest.mark.parametrize("text", ["  l|", "by ll|", "· llmstep|", "  𝕜; llm|"])
async def test_the_tactic_is_completed(editor: Editor, text: str) -> None:
    (item,) = await complete(editor, text)
    assert item["label"] == 'llmstep ""'
    assert item["insertText"] == 'llmstep ""'
    assert item["filterText"] == "llmstep"


async def test_an_editor_with_snippets_gets_a_cursor_in_the_quotes(editor: Editor) -> None:
    snippets = {"completion": {"completionItem": {"snippetSupport": True}}}
    (item,) = await complete(editor, "  llm|", textDocument=snippets)
    assert item["insertText"] == 'llmstep "$1"'
    assert item["insertTextFormat"] == 2


async def test_what_our_types_cannot_read_does_not_hide_the_rest(editor: Editor) -> None:
    said = {"completion": {"completionItem": {"snippetSupport": True}}, "hover": 17}
    (item,) = await complete(editor, "  llm|", textDocument=said)
    assert item["insertText"] == 'llmstep "$1"'


async def test_a_client_that_knows_only_commands_gets_no_action(editor: Editor) -> None:
    await editor.open("  sor|ry", textDocument={"codeAction": {"dynamicRegistration": True}})
    assert await editor.act() == []


@pytest.mark.parametrize("said", [{"textDocument": {}}, {"general": {}}])
async def test_a_client_that_said_nothing_of_actions_gets_what_it_asks_for(
    editor: Editor, said: dict[str, Any]
) -> None:
    await editor.open("theorem t : p := by\n  sor|ry", **said)
    assert [action["kind"] for action in await editor.act()] == ["quickfix"]


async def test_what_is_withdrawn_before_its_turn_leaves_nothing_behind(
    editor: Editor, recwarn: pytest.WarningsRecorder
) -> None:
    place = await editor.open("  l|")
    methods = ("completion", "inlineCompletion", "codeAction")
    for number, method in enumerate(methods):
        context = {"triggerKind": 1, "diagnostics": []}
        where = {**place, "range": {"start": place["position"], "end": place["position"]}}
        editor.connection.give(
            f"textDocument/{method}", {**where, "context": context}, id=number + 20
        )
        editor.connection.give("$/cancelRequest", {"id": number + 20})
    for number in range(len(methods)):
        assert (await editor.connection.answer(number + 20))["error"]["code"] == -32800
    gc.collect()
    # What earlier tests left behind is collected here, too.
    assert not [w for w in recwarn if "never awaited" in str(w.message)]


@pytest.mark.parametrize("text", ["|", "x|", "  lemma|", "fooll|", "-- ll|", 'exact "ll|"'])
async def test_elsewhere_nothing_is_offered(editor: Editor, text: str) -> None:
    assert await complete(editor, text) == []


async def test_another_language_is_left_alone(editor: Editor) -> None:
    place = await editor.open("ll|", language="python")
    place["textDocument"]["uri"] = "file:///a.py"
    answer = await editor.connection.request("textDocument/completion", place)
    assert answer["result"] is None


async def test_a_document_that_is_not_open_is_never_read(editor: Editor) -> None:
    place = await editor.open("ll|")
    place["textDocument"]["uri"] = "file:///etc/hostname.lean"
    answer = await editor.connection.request("textDocument/completion", place)
    assert answer["result"] is None


async def test_the_document_follows_the_edits(editor: Editor) -> None:
    place = await editor.open("theorem 𝕜 : a := by\n  |")
    change = {
        "range": {"start": editor.position, "end": editor.position},
        "text": "llm",
    }
    editor.connection.give(
        "textDocument/didChange",
        {"textDocument": {"uri": URI, "version": 2}, "contentChanges": [change]},
    )
    place["position"] = {"line": 1, "character": 5}
    answer = await editor.connection.request("textDocument/completion", place)
    assert [item["label"] for item in answer["result"]["items"]] == ['llmstep ""']


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("theorem t : a := by\n  sor|ry", ['theorem t : a := by\n  llmstep ""']),
        ("theorem t : 𝕜 := |sorry", ['theorem t : 𝕜 := by llmstep ""']),
        ("  exact ⟨𝕜, sorry|⟩", ['  exact ⟨𝕜, by llmstep ""⟩']),
        ("theorem t : a := by|", ['theorem t : a := by\n  llmstep ""']),
        ("theorem t : a := |by  ", ['theorem t : a := by\n  llmstep ""']),
        ("  have h : a := by|\n  simp", ['  have h : a := by\n    llmstep ""\n  simp']),
        ("  ¦ zero => sorry|", ['  | zero => llmstep ""', '  | zero => by llmstep ""']),
    ],
)
async def test_code_actions_put_the_tactic_in_place(
    editor: Editor, text: str, expected: list[str]
) -> None:
    await editor.open(text)
    actions = await editor.act()
    assert [editor.apply(action) for action in actions] == expected
    assert {action["kind"] for action in actions} == {"quickfix"}


@pytest.mark.parametrize(
    "text",
    [
        "-- sor|ry",
        "sorry_not|",
        "foo.sor|ry",
        "sorry simp|",
        "by| simp",
        "by|\n  simp",
        "|",
        "-- by|",
    ],
)
async def test_no_code_action_elsewhere(editor: Editor, text: str) -> None:
    await editor.open(text)
    assert await editor.act() == []


async def test_only_the_kinds_that_are_wanted(editor: Editor) -> None:
    await editor.open("sor|ry")
    assert await editor.act(["refactor"]) == []
    assert len(await editor.act(["quickfix"])) == 1
    assert len(await editor.act([""])) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("theorem t : a := by|", ' llmstep ""'),
        ("theorem t : a := by |", 'llmstep ""'),
        ("theorem t : a := by\n  |", 'llmstep ""'),
        ("theorem t : a := by\n  |\n  simp", None),
        ("-- by|", None),
        ("simp |", None),
    ],
)
async def test_inline_completion(editor: Editor, text: str, expected: str | None) -> None:
    place = await editor.open(text)
    answer = await editor.connection.request(
        "textDocument/inlineCompletion", {**place, "context": {"triggerKind": 2}}
    )
    result = answer["result"]
    assert (result and result["items"][0]["insertText"]) == expected


async def test_the_features_are_announced(connection: Any) -> None:
    capabilities = (await connection.initialize_editor())["result"]["capabilities"]
    assert capabilities["completionProvider"] == {"triggerCharacters": ['"', "."]}
    assert capabilities["codeActionProvider"] == {"codeActionKinds": ["quickfix"]}
    assert capabilities["inlineCompletionProvider"] == {}
    assert capabilities["textDocumentSync"]["change"] == 2
