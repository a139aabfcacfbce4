"""Inline completion, as grey text: the tactic after an empty ``by``, and, if wanted, the next step.

A step is proposed only where its goal can be told from the text, or where the model reads the file.
Lean has not seen it. The protocol has no place beside grey text to say so, and what the text itself
says is put into the file; so a step that was taken is marked where it stands, until the next edit.
Nothing is asked before the cursor has rested for a moment.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
from lsprotocol import types

from llmstep.lean_text.document import read_document
from llmstep.lean_text.place import Place
from llmstep.server.open_documents import find_document, find_place

if TYPE_CHECKING:
    from pygls.lsp.server import LanguageServer

    from llmstep.server.session import Session

DEBOUNCE_S = 0.3
UNCHECKED = "Lean had not checked this step when llmstep offered it"
_TIMEOUT_MS = 10_000
_ASKED, _OFFERED = 4, 3
# Grey text that is wrong most of the time is a nuisance.
_LOWEST_SCORE = math.log(0.1)
# Stands for a goal that only the model can make out, from the file.
_UNKNOWN_GOAL = "⊢ _"


def register(editor: LanguageServer, session: Session) -> UncheckedSteps:
    """Add the handler.

    The options object is needed: without one pygls does not announce the capability.

    Returns:
        What has to see the changes of documents.
    """
    unchecked = UncheckedSteps(editor)
    numbers = itertools.count()
    latest = 0

    @editor.feature(
        types.TEXT_DOCUMENT_INLINE_COMPLETION,
        types.InlineCompletionOptions(),
    )
    async def complete_inline(
        params: types.InlineCompletionParams,
    ) -> types.InlineCompletionList | None:
        nonlocal latest
        uri = params.text_document.uri
        place = find_place(editor.workspace, uri, params.position)
        if place is None:
            return None
        number = latest = next(numbers)
        steps: list[str] = []
        if session.settings.inline_steps and not place.after.strip():
            if params.context.trigger_kind == types.InlineCompletionTriggerKind.Automatic:
                await asyncio.sleep(DEBOUNCE_S)
            if number != latest:
                return None  # the cursor is somewhere else by now
            steps = await _find_steps(session, place, uri)
        texts = list(steps)
        if place.ends_in_by() and place.proof_is_empty() and place.in_code():
            texts.append('llmstep ""')
        if not texts:
            return None
        gap = "" if place.before == "" or place.before.endswith(" ") else " "
        unchecked.offer(uri, place, [f"{gap}{step}" for step in steps])
        items = [types.InlineCompletionItem(insert_text=f"{gap}{text}") for text in texts]
        return types.InlineCompletionList(items=items)

    return unchecked


class UncheckedSteps:
    """Marks steps that were taken from grey text."""

    def __init__(self, editor: LanguageServer) -> None:
        self._editor = editor
        # Of each document, the place, and the line as each step would make it.
        self._offered: dict[str, tuple[Place, list[str]]] = {}
        self._marked: set[str] = set()

    def offer(self, uri: str, place: Place, steps: list[str]) -> None:
        """Steps that may be taken at a place from now on."""
        if steps:
            self._offered[uri] = place, [f"{place.before}{step}" for step in steps]

    def look(self, uri: str, changes: Sequence[types.TextDocumentContentChangeEvent]) -> None:
        """Mark a step that was taken with these changes of a document; an older mark goes."""
        document = find_document(self._editor.workspace, uri)
        place, taken = self._offered.get(uri, (None, []))
        marks = []
        if document is not None and place is not None and place.line < len(document.lines):
            line = document.lines[place.line].rstrip()
            if line in taken and any(len(change.text) > 1 for change in changes):
                del self._offered[uri]
                begin = types.Position(place.line, len(place.before))
                where = types.Range(begin, types.Position(place.line, len(line)))
                where = document.position_codec.range_to_client_units(document.lines, where)
                severity = types.DiagnosticSeverity.Information
                marks = [types.Diagnostic(where, UNCHECKED, severity=severity, source="llmstep")]
        if marks or uri in self._marked:
            (self._marked.add if marks else self._marked.discard)(uri)
            self._editor.text_document_publish_diagnostics(
                types.PublishDiagnosticsParams(uri, marks)
            )


@attrs.frozen
class _Told:
    """What is known at a place where a step can begin."""

    goal: str  # empty where the text does not tell it
    own: str  # full name of what is being proved
    text_before: str


def _read_place(place: Place) -> _Told | None:
    """What is known at a place; ``None`` where no step can begin, or one stands there already."""
    from llmstep.sources.told_goal import tell_goal

    apart = not place.before.strip() or place.before.endswith(" ") or place.ends_in_by()
    if not apart or not place.in_code():
        return None
    text, blocks = place.open_declaration()
    if not blocks.begins_step or blocks.may_be_term:
        return None
    before = place.text_before()
    declared = read_document(before).declarations(last=True)[-1:]
    if not declared:
        return None
    goal = tell_goal(declared[0], text, blocks)
    return _Told(str(goal) if goal else "", declared[0].statement.name, before)


async def _find_steps(session: Session, place: Place, uri: str) -> list[str]:
    """Likely next steps, which nobody has checked."""
    from llmstep.service.question import Document, SuggestRequest

    told = await session.look_up(lambda _sources: _read_place(place), "inline")
    if told is None or not (told.goal or session.service.reads_files):
        return []
    request = SuggestRequest(
        goals=(told.goal or _UNKNOWN_GOAL,),
        document=Document(uri, told.text_before),
        n=_ASKED,
        timeout_ms=_TIMEOUT_MS,
        banned=(told.own,) if told.own else (),
    )
    reply = await session.suggest_quietly(request)
    if reply is None:
        return []
    likely = [
        suggestion.tactic
        for suggestion in reply.suggestions
        if suggestion.score >= _LOWEST_SCORE
        and "\n" not in suggestion.tactic
        # Without a goal the other sources speak of nothing.
        and (told.goal or suggestion.origin == ("model",))
    ]
    return likely[:_OFFERED]
