"""Code actions: put the tactic in the place of a ``sorry`` or into an empty ``by``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs
from lsprotocol import types

from llmstep.lean_text.place import Place
from llmstep.server.open_documents import find_document, find_place

if TYPE_CHECKING:
    from llmstep.server.editor import Editor

_SORRY = re.compile(r"(?<![\w.«'])sorry(?![\w.'])")
_TEXTS = {"tactic": 'llmstep ""', "term": 'by llmstep ""', "argument": '(by llmstep "")'}


def register(editor: Editor) -> None:
    """Add the handler."""

    @editor.feature(
        types.TEXT_DOCUMENT_CODE_ACTION,
        types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix]),
    )
    async def act(params: types.CodeActionParams) -> list[types.CodeAction]:
        said = editor.can("textDocument.codeAction")
        if not (_takes_literals(said) and _wants_quick_fixes(params.context.only)):
            return []
        uri = params.text_document.uri
        place = find_place(editor.workspace, uri, params.range.start)
        document = find_document(editor.workspace, uri)
        if place is None or document is None:
            return []
        actions = []
        for title, edit in _find_edits(place):
            wire_range = document.position_codec.range_to_client_units(document.lines, edit.range)
            change = attrs.evolve(edit, range=wire_range)
            actions.append(
                types.CodeAction(
                    title=title,
                    kind=types.CodeActionKind.QuickFix,
                    edit=types.WorkspaceEdit(changes={uri: [change]}),
                )
            )
        return actions


def _takes_literals(said: object) -> bool:
    """Whether the client takes actions: of an older one an action is a command, which we have not.

    One that asks without having said anything of actions is no editor, and takes what it gets.
    """
    return not isinstance(said, dict) or bool(said.get("codeActionLiteralSupport"))


def _wants_quick_fixes(only: object) -> bool:
    # Kinds are hierarchical: a client that asks for "" or "quickfix" wants ours.
    return only is None or any(
        kind in ("", types.CodeActionKind.QuickFix)
        for kind in only  # pyright: ignore[reportGeneralTypeIssues]
    )


def _find_edits(place: Place) -> Iterator[tuple[str, types.TextEdit]]:
    """Titles and edits; the edits' columns count code points."""
    for match in _SORRY.finditer(place.lines[place.line]):
        if not match.start() <= place.column <= match.end():
            continue
        at_sorry = attrs.evolve(place, column=match.start())
        if not at_sorry.in_code():
            continue
        for kind in sorted(at_sorry.wants()):
            text = _TEXTS[kind]
            where = _range(place.line, match.start(), match.end())
            yield f"Replace `sorry` by `{text}`", types.TextEdit(where, text)
    line = place.lines[place.line]
    at_end = attrs.evolve(place, column=len(line))
    if line.strip() and at_end.ends_in_by() and at_end.proof_is_empty() and at_end.in_code():
        indent = " " * (len(line) - len(line.lstrip(" ")) + 2)
        where = _range(place.line, len(line.rstrip()), len(line))
        yield "Insert `llmstep` here", types.TextEdit(where, f"\n{indent}{_TEXTS['tactic']}")


def _range(line: int, start: int, end: int) -> types.Range:
    return types.Range(types.Position(line, start), types.Position(line, end))
