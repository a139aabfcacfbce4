"""The Lean documents that an editor has open, and the place of the cursor in one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types

from llmstep.lean_text.place import Place

if TYPE_CHECKING:
    from pygls.workspace import TextDocument, Workspace

LANGUAGE_IDS = frozenset({"lean", "lean4"})


def find_place(workspace: Workspace, uri: str, position: types.Position) -> Place | None:
    """The place in an open Lean document; ``None`` in a document of another language."""
    document = find_document(workspace, uri)
    if document is None:
        return None
    lines = document.lines
    at = document.position_codec.position_from_client_units(lines, position)
    bare = tuple(line.rstrip("\r\n") for line in lines) or ("",)
    if at.line >= len(bare):  # behind the last line end
        return Place((*bare, ""), len(bare), 0)
    return Place(bare, at.line, at.character)


def find_document(workspace: Workspace, uri: str) -> TextDocument | None:
    """The open Lean document of that name, if there is one."""
    document = workspace.get_text_document(uri)
    if document.language_id is None:  # not open: never read from disk on a client's word
        return None
    is_lean = document.language_id in LANGUAGE_IDS or uri.endswith(".lean")
    return document if is_lean else None
