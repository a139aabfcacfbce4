"""Editors attach the sidecar as a second language server; their capabilities are the real ones."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_lsp
from lsprotocol import types
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities

pytestmark = pytest.mark.asyncio
URI = "file:///proof/A.lean"
TEXT = "theorem t (𝕜 : Nat) : 𝕜 = 𝕜 := by\n  sorry\n"


@pytest_lsp.fixture(
    params=["neovim", "emacs", "visual-studio-code"],
    config=ClientServerConfig(
        server_command=[sys.executable, "-m", "llmstep", "serve", "--model", "echo"],
        server_env={**os.environ, "LLMSTEP_CACHE": "off", "LLMSTEP_INLINE_STEPS": "on"},
    ),
)
async def client(request: Any, lsp_client: LanguageClient) -> AsyncIterator[None]:
    await lsp_client.initialize_session(
        types.InitializeParams(
            capabilities=client_capabilities(request.param),
            workspace_folders=[types.WorkspaceFolder(uri="file:///proof", name="proof")],
        )
    )
    lsp_client.text_document_did_open(
        types.DidOpenTextDocumentParams(
            text_document=types.TextDocumentItem(uri=URI, language_id="lean4", version=1, text=TEXT)
        )
    )
    yield
    await lsp_client.shutdown_session()


async def test_a_sorry_is_replaced(client: LanguageClient) -> None:
    cursor = types.Range(types.Position(1, 4), types.Position(1, 4))
    actions = await client.text_document_code_action_async(
        types.CodeActionParams(
            text_document=types.TextDocumentIdentifier(uri=URI),
            range=cursor,
            context=types.CodeActionContext(diagnostics=[]),
        )
    )
    assert actions is not None
    (action,) = actions
    assert isinstance(action, types.CodeAction)
    assert action.edit is not None
    assert action.edit.changes is not None
    (edit,) = action.edit.changes[URI]
    assert edit.new_text == 'llmstep ""'
    assert edit.range == types.Range(types.Position(1, 2), types.Position(1, 7))


async def test_the_tactic_is_completed_after_an_edit(client: LanguageClient) -> None:
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(
            text_document=types.VersionedTextDocumentIdentifier(uri=URI, version=2),
            content_changes=[
                types.TextDocumentContentChangePartial(
                    range=types.Range(types.Position(1, 2), types.Position(1, 7)), text="llm"
                )
            ],
        )
    )
    result = await client.text_document_completion_async(
        types.CompletionParams(
            text_document=types.TextDocumentIdentifier(uri=URI), position=types.Position(1, 5)
        )
    )
    assert isinstance(result, types.CompletionList)
    assert [item.label for item in result.items] == ['llmstep ""']


async def test_names_of_the_file_are_completed_in_proofs_alone(client: LanguageClient) -> None:
    text = "theorem zorp_one : 1 = 1 := by rfl\n\ntheorem u : 1 = 1 := by\n  exact zorp\n"
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(
            text_document=types.VersionedTextDocumentIdentifier(uri=URI, version=2),
            content_changes=[types.TextDocumentContentChangeWholeDocument(text=text)],
        )
    )

    async def complete(line: int, column: int) -> list[types.CompletionItem]:
        result = await client.text_document_completion_async(
            types.CompletionParams(
                text_document=types.TextDocumentIdentifier(uri=URI),
                position=types.Position(line, column),
            )
        )
        assert isinstance(result, types.CompletionList)
        return list(result.items)

    (item,) = [item for item in await complete(3, 12) if item.label == "zorp_one"]
    assert isinstance(item.text_edit, types.TextEdit)
    assert item.text_edit.range == types.Range(types.Position(3, 8), types.Position(3, 12))
    assert await complete(2, 10) == []


async def test_the_next_step_is_grey_text_that_is_marked_once_it_is_taken(
    client: LanguageClient,
) -> None:
    def change(version: int, text: str, place: types.Range | None = None) -> None:
        part = (
            types.TextDocumentContentChangePartial(range=place, text=text)
            if place
            else types.TextDocumentContentChangeWholeDocument(text=text)
        )
        client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                text_document=types.VersionedTextDocumentIdentifier(uri=URI, version=version),
                content_changes=[part],
            )
        )

    change(2, "theorem u (n : Nat) : n = n := by\n  \n-- by\n  ")

    async def propose(line: int, column: int) -> list[str]:
        result = await client.text_document_inline_completion_async(
            types.InlineCompletionParams(
                text_document=types.TextDocumentIdentifier(uri=URI),
                position=types.Position(line, column),
                context=types.InlineCompletionContext(
                    trigger_kind=types.InlineCompletionTriggerKind.Automatic
                ),
            )
        )
        if result is None:
            return []
        assert isinstance(result, types.InlineCompletionList)
        return [str(item.insert_text) for item in result.items]

    *steps, call = await propose(1, 2)
    assert call == 'llmstep ""'
    assert "rfl" in steps
    assert not any("--" in step for step in steps)
    assert await propose(2, 5) == []
    assert "rfl" in await propose(1, 2)
    change(3, "rfl", types.Range(types.Position(1, 2), types.Position(1, 2)))
    await client.wait_for_notification(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    (mark,) = client.diagnostics[URI]
    assert "not checked" in mark.message
    assert mark.range == types.Range(types.Position(1, 2), types.Position(1, 5))


async def test_plugins_may_ask_for_suggestions(client: LanguageClient) -> None:
    reply = await client.protocol.send_request_async(
        "llmstep/suggest", {"goals": ["⊢ 𝕜 = 𝕜"], "prefix": ""}
    )
    assert reply.suggestions[0].tactic == "rfl"
    assert reply.model == "echo"
