"""What a front remembers of an editor's documents is what the engine would have."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llmstep.front.documents
from llmstep.front.documents import OpenDocuments

URI = "file:///a.lean"


def give(documents: OpenDocuments, method: str, params: dict[str, Any]) -> None:
    body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params}).encode()
    documents.note(method, params, body)


def opened(text: str) -> OpenDocuments:
    documents = OpenDocuments()
    item = {"uri": URI, "languageId": "lean4", "version": 1, "text": text}
    give(documents, "textDocument/didOpen", {"textDocument": item})
    return documents


def change(
    documents: OpenDocuments, start: tuple[int, int], end: tuple[int, int], text: str
) -> None:
    place = {
        "start": {"line": start[0], "character": start[1]},
        "end": {"line": end[0], "character": end[1]},
    }
    document = {"uri": URI, "version": 2}
    changes = [{"range": place, "text": text}]
    params = {"textDocument": document, "contentChanges": changes}
    give(documents, "textDocument/didChange", params)


def folded(documents: OpenDocuments, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(llmstep.front.documents, "_MOST_CHANGE_BYTES", 0)
    (document,) = documents._documents.values()
    documents._fold(document)
    (body,) = documents.replay()
    return json.loads(body)["params"]["textDocument"]["text"]


def test_frames_are_replayed_as_they_came() -> None:
    documents = opened("a\n")
    change(documents, (1, 0), (1, 0), "b")
    first, second = (json.loads(body) for body in documents.replay())
    assert first["method"] == "textDocument/didOpen"
    assert second["method"] == "textDocument/didChange"
    give(documents, "textDocument/didClose", {"textDocument": {"uri": URI}})
    assert documents.replay() == []


def test_what_is_not_open_is_not_remembered() -> None:
    documents = OpenDocuments()
    change(documents, (0, 0), (0, 0), "x")
    give(documents, "textDocument/didOpen", {"textDocument": "nonsense"})
    assert documents.replay() == []


@pytest.mark.parametrize(
    ("encoding", "column"), [("utf-16", 2), ("utf-32", 1), ("utf-8", 4)], ids=str
)
def test_columns_are_counted_as_agreed(
    encoding: str, column: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = opened("𝕜 : a\r\nsecond\rthird\n\fno line end\u2028here")
    documents.encoding = encoding
    change(documents, (0, column), (0, column), "!")
    change(documents, (2, 0), (2, 5), "THIRD")
    change(documents, (3, 1), (3, 3), "yes")
    text = folded(documents, monkeypatch)
    assert text == "𝕜! : a\r\nsecond\rTHIRD\n\fyes line end\u2028here"


def test_a_whole_text_and_places_that_do_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = opened("old")
    document = {"uri": URI, "version": 2}
    params = {"textDocument": document, "contentChanges": [{"text": "ab\ncd"}]}
    give(documents, "textDocument/didChange", params)
    change(documents, (0, 99), (0, 99), "!")
    change(documents, (9, 0), (9, 9), "end")
    assert folded(documents, monkeypatch) == "ab!\ncdend"


@settings(deadline=None)
@given(st.text(alphabet="ab𝕜é\r\n", max_size=20), st.integers(0, 5), st.integers(0, 8))
def test_an_insertion_is_found_where_a_language_server_has_it(
    text: str, line: int, column: int
) -> None:
    from pygls.workspace import PositionCodec, TextDocument

    documents = opened(text)
    change(documents, (line, column), (line, column), "X")
    (document,) = documents._documents.values()
    documents._fold(document)
    mine = json.loads(documents.replay()[0])["params"]["textDocument"]["text"]
    assert mine.replace("X", "", 1) == text
    lines = TextDocument(URI, text, position_codec=PositionCodec()).lines
    if line < len(lines):
        before = mine[: mine.index("X")]
        assert before.startswith("".join(lines[:line]))
