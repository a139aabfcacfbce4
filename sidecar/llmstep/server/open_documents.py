"""The Lean documents that an editor has open, and the place of the cursor in one.

Lines are the client's: they end in LF, CRLF or CR, as LSP 3.17 says, and at no other character.
pygls splits at whatever Python counts as a line end (form feed, U+2028 ...), so that every later
position would be off by a line; hence document and workspace of our own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs
from lsprotocol import types
from pygls.workspace import TextDocument, Workspace

from llmstep.lean_text.place import Place

LANGUAGE_IDS = frozenset({"lean", "lean4"})
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")


class LspDocument(TextDocument):
    """A document whose lines are those of the protocol."""

    @property
    def lines(self) -> Sequence[str]:
        """The lines with their ends; a text that ends in a line end has no further one here."""
        return tuple(_LINE.findall(self.source))

    def apply_change(self, change: types.TextDocumentContentChangeEvent) -> None:
        """Apply a change; a column behind the end of its line means the end."""
        if isinstance(change, types.TextDocumentContentChangePartial):
            start, end = self.clamp(change.range.start), self.clamp(change.range.end)
            change = attrs.evolve(change, range=types.Range(start, end))
        super().apply_change(change)

    def clamp(self, position: types.Position) -> types.Position:
        """The position with a column that its line has; in the client's units, as it came."""
        lines = self.lines
        if position.line >= len(lines):
            return position
        most = self.position_codec.client_num_units(lines[position.line].rstrip("\r\n"))
        return types.Position(position.line, min(position.character, most))


class LspWorkspace(Workspace):
    """A workspace of such documents."""

    def _create_text_document(
        self,
        doc_uri: str,
        source: str | None = None,
        version: int | None = None,
        language_id: str | None = None,
    ) -> TextDocument:
        return LspDocument(
            doc_uri,
            source=source,
            version=version,
            language_id=language_id,
            sync_kind=self._sync_kind,
            position_codec=self.position_codec,
        )


def find_place(workspace: Workspace, uri: str, position: types.Position) -> Place | None:
    """The place in an open Lean document; ``None`` in another one, and where there is no such line.

    A column behind the end of its line means the end, as LSP says.
    """
    document = find_document(workspace, uri)
    if document is None:
        return None
    lines = document.lines
    bare = tuple(line.rstrip("\r\n") for line in lines)
    if not lines or lines[-1] != bare[-1]:
        bare = (*bare, "")  # the line behind the last line end
    if position.line >= len(bare):
        return None
    if position.line >= len(lines):
        return Place(bare, position.line, 0)
    at = document.position_from_client_units(document.clamp(position))
    return Place(bare, at.line, at.character)


def find_document(workspace: Workspace, uri: str) -> LspDocument | None:
    """The open Lean document of that name, if there is one."""
    document = workspace.get_text_document(uri)
    if document.language_id is None or not isinstance(document, LspDocument):
        return None  # not open: never read from disk on a client's word
    is_lean = document.language_id in LANGUAGE_IDS or uri.endswith(".lean")
    return document if is_lean else None
