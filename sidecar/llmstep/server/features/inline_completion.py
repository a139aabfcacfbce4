"""Inline completion: the tactic as grey text in a proof that has only ``by``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types

from llmstep.server.open_documents import find_place

if TYPE_CHECKING:
    from pygls.lsp.server import LanguageServer


def register(editor: LanguageServer) -> None:
    """Add the handler.

    The options object is needed: without one pygls does not announce the capability.
    """

    @editor.feature(
        types.TEXT_DOCUMENT_INLINE_COMPLETION,
        types.InlineCompletionOptions(),
    )
    async def complete_inline(
        params: types.InlineCompletionParams,
    ) -> types.InlineCompletionList | None:
        place = find_place(editor.workspace, params.text_document.uri, params.position)
        if place is None or not (place.ends_in_by() and place.proof_is_empty() and place.in_code()):
            return None
        gap = "" if place.before == "" or place.before.endswith(" ") else " "
        item = types.InlineCompletionItem(insert_text=f'{gap}llmstep ""')
        return types.InlineCompletionList(items=[item])
