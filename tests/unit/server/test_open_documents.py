"""Lines and columns are the client's, whatever else is in the file."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from llmstep.server.open_documents import LspWorkspace, find_place

URI = "file:///a.lean"
# Line ends of the protocol, and what Python or Unicode counts as one besides.
ODD = ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
TEXT = st.lists(st.sampled_from([*ODD, "a", " by", "𝕜", "é"]), max_size=12).map("".join)


def open_text(text: str, encoding: str = "utf-16") -> LspWorkspace:
    workspace = LspWorkspace(None, position_encoding=encoding)
    workspace.put_text_document(types.TextDocumentItem(URI, "lean4", 1, text))
    return workspace


def protocol_lines(text: str) -> list[str]:
    return re.split("\r\n|\r|\n", text)


@given(TEXT)
def test_every_line_of_the_protocol_is_a_place_and_no_other(text: str) -> None:
    workspace = open_text(text)
    expected = protocol_lines(text)
    for line, words in enumerate(expected):
        place = find_place(workspace, URI, types.Position(line, 10_000))
        assert place is not None
        assert (place.lines[place.line], place.column) == (words, len(words))
    for line in (len(expected), len(expected) + 1, 10_000):
        assert find_place(workspace, URI, types.Position(line, 0)) is None


@given(TEXT, TEXT, st.data())
def test_an_edit_changes_what_the_client_changed(text: str, new: str, data: st.DataObject) -> None:
    """Against a model that knows nothing but the protocol's words."""
    lines = protocol_lines(text)
    ends = [match[0] for match in re.finditer("\r\n|\r|\n", text)] + [""]
    offsets = [0]
    for line, end in zip(lines, ends, strict=True):
        offsets.append(offsets[-1] + len(line) + len(end))

    def draw() -> tuple[int, types.Position]:
        row = data.draw(st.integers(0, len(lines) - 1))
        column = data.draw(st.integers(0, len(lines[row])))
        units = len(lines[row][:column].encode("utf-16-le")) // 2
        if column == len(lines[row]) and data.draw(st.booleans()):
            units += 7  # behind the end means the end
        return offsets[row] + column, types.Position(row, units)

    (start, first), (end, last) = sorted((draw(), draw()), key=lambda found: found[0])
    workspace = open_text(text)
    change = types.TextDocumentContentChangePartial(types.Range(first, last), new)
    workspace.update_text_document(types.VersionedTextDocumentIdentifier(2, URI), change)
    assert workspace.get_text_document(URI).source == text[:start] + new + text[end:]


@pytest.mark.parametrize("odd", ODD[3:])
def test_the_cursor_behind_an_odd_character_is_where_the_client_sees_it(odd: str) -> None:
    workspace = open_text(f"-- {odd}\ntheorem t : p := by\n")
    place = find_place(workspace, URI, types.Position(1, 19))
    assert place is not None
    assert place.lines[place.line] == "theorem t : p := by"
