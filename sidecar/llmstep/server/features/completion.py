"""Completion: the tactic itself, and the usual first words inside its quotes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lsprotocol import types

from llmstep.lean_text.place import Place
from llmstep.server.open_documents import find_place

if TYPE_CHECKING:
    from pygls.lsp.server import LanguageServer

_TACTIC = "llmstep"
_WORD = re.compile(r"(?:^|[\s·;(⟨>])(l[a-z]*)$")
_INSIDE_QUOTES = re.compile(r'\bllmstep\s+"([a-z_]*)$')
_FIRST_WORDS = (
    "apply", "by_cases", "cases", "constructor", "exact", "ext", "have", "induction", "intro",
    "linarith", "norm_num", "nlinarith", "obtain", "omega", "refine", "rcases", "ring", "rw",
    "simp", "simp_all", "use",
)  # fmt: skip
_DOCUMENTATION = (
    "Asks the language model for the next step of this proof. Write the beginning of the step "
    "between the quotes, or nothing."
)


def register(editor: LanguageServer) -> None:
    """Add the handler."""

    @editor.feature(
        types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=['"'])
    )
    async def complete(params: types.CompletionParams) -> types.CompletionList | None:
        place = find_place(editor.workspace, params.text_document.uri, params.position)
        if place is None:
            return None
        items = _complete_first_word(place) or _complete_tactic(place, _takes_snippets(editor))
        return types.CompletionList(is_incomplete=False, items=items)


def _takes_snippets(editor: LanguageServer) -> bool:
    text_document = editor.client_capabilities.text_document
    completion = text_document.completion if text_document else None
    item = completion.completion_item if completion else None
    return bool(item and item.snippet_support)


def _complete_tactic(place: Place, snippets: bool) -> list[types.CompletionItem]:
    match = _WORD.search(place.before)
    if match is None or not _TACTIC.startswith(match[1]) or not place.in_code():
        return []
    return [
        types.CompletionItem(
            label=f'{_TACTIC} ""',
            kind=types.CompletionItemKind.Snippet,
            detail="llmstep: suggest a step",
            documentation=_DOCUMENTATION,
            filter_text=_TACTIC,
            insert_text=f'{_TACTIC} "$1"' if snippets else f'{_TACTIC} ""',
            insert_text_format=(
                types.InsertTextFormat.Snippet if snippets else types.InsertTextFormat.PlainText
            ),
        )
    ]


def _complete_first_word(place: Place) -> list[types.CompletionItem]:
    match = _INSIDE_QUOTES.search(place.before)
    if match is None:
        return []
    return [
        types.CompletionItem(label=word, kind=types.CompletionItemKind.Keyword)
        for word in _FIRST_WORDS
        if word.startswith(match[1])
    ]
