"""Documents of an editor: of an open file its text in the editor counts, not the file on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lsprotocol import types

from llmstep.server.open_documents import find_document

if TYPE_CHECKING:
    from pygls.lsp.server import LanguageServer


def register(
    editor: LanguageServer,
    note: Callable[[str, str | None], object],
    look: Callable[[str, Sequence[types.TextDocumentContentChangeEvent]], object],
) -> None:
    """Add the handlers.

    Args:
        editor: Keeps the documents.
        note: Told a document's name and text, or ``None`` when it is closed.
        look: Shown a document's name and its changes when it has them; none when it is closed.
    """

    def tell(uri: str) -> None:
        if (document := find_document(editor.workspace, uri)) is not None:
            note(uri, document.source)

    @editor.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: types.DidOpenTextDocumentParams) -> None:
        tell(params.text_document.uri)

    @editor.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(params: types.DidChangeTextDocumentParams) -> None:
        tell(params.text_document.uri)
        look(params.text_document.uri, params.content_changes)

    @editor.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: types.DidCloseTextDocumentParams) -> None:
        note(params.text_document.uri, None)
        look(params.text_document.uri, ())
