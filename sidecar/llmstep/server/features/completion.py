"""Completion: the tactic itself, what stands between its quotes, and names inside proofs."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import attrs
from lsprotocol import types

from llmstep.lean_text.blocks import names_of_steps, read_blocks
from llmstep.lean_text.document import read_document
from llmstep.lean_text.lexer import WORD_PATTERN
from llmstep.lean_text.place import Place
from llmstep.server.open_documents import LspDocument, find_document, find_place

if TYPE_CHECKING:
    from llmstep.server.editor import Editor
    from llmstep.server.session import Session
    from llmstep.sources.name_completion import FoundName, FoundNames, NameQuestion
    from llmstep.sources.sources import Sources

_TACTIC = "llmstep"
# What has been written of a name; no line is looked at for longer.
_WORD = re.compile(rf"{WORD_PATTERN}\.?\Z")
_LONGEST_WORD = 200
_MOST_STEPS = 5
_INSIDE_QUOTES = re.compile(r'(?<![\w.«])llmstep\s+"([^"\\]*)\Z')
_DOCUMENTATION = (
    "Asks the language model for the next step of this proof. Write the beginning of the step "
    "between the quotes, or nothing."
)
# Only such as every client has; lemmas are references.
_KINDS = {
    "tactic": types.CompletionItemKind.Keyword,
    "local": types.CompletionItemKind.Variable,
    "field": types.CompletionItemKind.Field,
    "constructor": types.CompletionItemKind.Constructor,
    "def": types.CompletionItemKind.Function,
    "abbrev": types.CompletionItemKind.Function,
    "instance": types.CompletionItemKind.Class,
}


def register(editor: Editor, session: Session) -> None:
    """Add the handler."""

    @editor.feature(
        types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=['"', "."])
    )
    async def complete(params: types.CompletionParams) -> types.CompletionList | None:
        # Here, because an editor waits for the answer to `initialize` first.
        from llmstep.sources.name_completion import FoundName, FoundNames

        uri = params.text_document.uri
        place = find_place(editor.workspace, uri, params.position)
        document = find_document(editor.workspace, uri)
        if place is None or document is None:
            return None
        named = session.settings.complete_names

        def look(sources: Sources) -> tuple[_Begun | None, FoundNames, list[str]]:
            begun = _read_begun(place, uri)
            if begun is None or not named:
                return begun, FoundNames(), []
            return begun, sources.complete_names(begun.question), _find_steps(sources, begun)

        found = await session.look_up(look, "names")
        if found is None:
            return types.CompletionList(is_incomplete=True, items=[])
        begun, names, steps = found
        if begun is None:
            return types.CompletionList(is_incomplete=False, items=[])
        snippets = bool(editor.can("textDocument.completion.completionItem.snippetSupport"))
        labels = bool(editor.can("textDocument.completion.completionItem.labelDetailsSupport"))
        items: list[types.CompletionItem] = []
        if not begun.quoted and begun.question.tactics and _TACTIC.startswith(begun.word):
            items.append(_tactic_item(snippets))
        locals_ = [FoundName(n, n, "local", "file") for n in begun.locals]
        for number, name in enumerate((*locals_, *names.names)):
            where = _range_of(begun.word, document, place)
            items.append(_name_item(name, number, where, labels))
        for number, step in enumerate(steps):
            items.append(_step_item(step, number, document, place, begun))
        return types.CompletionList(is_incomplete=not names.complete, items=items)


@attrs.frozen
class _Begun:
    """What has been begun at the cursor: ``word``, of a name that ``question`` looks for."""

    question: NameQuestion
    word: str
    quoted: bool  # between the quotes of `llmstep`; the rest is of what stands there
    locals: tuple[str, ...] = ()  # the proof's own names that begin so
    prefix: str = ""
    goal: str = ""  # where the text tells it


def _read_begun(place: Place, uri: str) -> _Begun | None:
    """What may be completed at a place, if anything."""
    from llmstep.sources.name_completion import NameQuestion

    quotes = _INSIDE_QUOTES.search(place.before)
    if quotes is not None:
        call = attrs.evolve(place, column=quotes.start())
        if not (call.in_code() and call.blocks().begins_step):
            return None
        return _read_quoted(call, quotes[1], uri)
    word = _word_before(place.before)
    start = attrs.evolve(place, column=place.column - len(word))
    if not word or start.before.endswith((".", "'")) or not start.in_code():
        return None
    blocks = start.blocks()
    if not blocks.in_proof or blocks.binds:
        return None
    begins = blocks.begins_step
    question = NameQuestion(
        word, start.text_before(), uri, tactics=begins, lemmas=not begins or blocks.may_be_term
    )
    return _Begun(question, word, quoted=False)


def _read_quoted(call: Place, prefix: str, uri: str) -> _Begun | None:
    """What may be completed between the quotes of a call, of which a step has been begun."""
    from llmstep.sources.name_completion import NameQuestion
    from llmstep.sources.told_goal import tell_goal

    word = _word_before(prefix)
    step = read_blocks(prefix[: len(prefix) - len(word)], inside=True)
    if step.binds:
        return None
    begins = step.begins_step
    before = call.text_before()
    declaration, blocks = call.open_declaration()
    named = [*names_of_steps(declaration, blocks), *call.binder_names()]
    shown = [name for name in dict.fromkeys(named) if name.startswith(word)]
    question = NameQuestion(word, before, uri, tactics=begins, lemmas=not begins)
    declared = read_document(before).declarations(last=True)[-1:]
    goal = tell_goal(declared[0], declaration, blocks) if declared and prefix else None
    locals_ = () if begins else tuple(shown)
    return _Begun(question, word, True, locals_, prefix, str(goal) if goal else "")


def _find_steps(sources: Sources, begun: _Begun) -> list[str]:
    """Whole steps that begin with what stands between the quotes, the likeliest first."""
    if not begun.goal:
        return []
    question, prefix = begun.question, begun.prefix
    evidence = sources.gather(begun.goal, question.text_before, prefix, question.uri)
    steps = (step for step, _ in evidence.propose())
    fitting = (
        s for s in steps if s.startswith(prefix) and s != prefix and not set(s) & set('"\\\n')
    )
    return list(itertools.islice(fitting, _MOST_STEPS))


def _step_item(
    step: str, number: int, document: LspDocument, place: Place, begun: _Begun
) -> types.CompletionItem:
    """A whole step in the place of what has been written of it between the quotes."""
    return types.CompletionItem(
        label=step,
        kind=types.CompletionItemKind.Text,
        detail="a step on similar goals, or of lemmas that fit; not checked by Lean",
        filter_text=step,
        sort_text=f"2{number:04d}",
        text_edit=types.TextEdit(_range_of(begun.prefix, document, place), step),
    )


def _range_of(written: str, document: LspDocument, place: Place) -> types.Range:
    """Where the text in front of the cursor stands, in the client's units."""
    begin = types.Position(place.line, place.column - len(written))
    here = types.Position(place.line, place.column)
    return document.position_codec.range_to_client_units(document.lines, types.Range(begin, here))


def _word_before(text: str) -> str:
    found = _WORD.search(text[-_LONGEST_WORD:])
    return found[0] if found else ""


def _tactic_item(snippets: bool) -> types.CompletionItem:
    form = types.InsertTextFormat.Snippet if snippets else types.InsertTextFormat.PlainText
    return types.CompletionItem(
        label=f'{_TACTIC} ""',
        kind=types.CompletionItemKind.Snippet,
        detail="llmstep: suggest a step",
        documentation=_DOCUMENTATION,
        filter_text=_TACTIC,
        sort_text="0",
        insert_text=f'{_TACTIC} "$1"' if snippets else f'{_TACTIC} ""',
        insert_text_format=form,
    )


def _name_item(
    name: FoundName, number: int, where: types.Range, labels: bool
) -> types.CompletionItem:
    """A name as an editor shows it; what was written of it is replaced, dots included.

    Where it comes from stands beside the name; if nothing can stand there, behind the statement.
    """
    source = name.module or ("this file" if name.origin == "file" else f"the {name.origin}")
    return types.CompletionItem(
        label=name.text,
        kind=_KINDS.get(name.kind, types.CompletionItemKind.Reference),
        detail=name.statement or (None if labels else source),
        label_details=types.CompletionItemLabelDetails(description=source) if labels else None,
        documentation=f"{name.statement}\n\n{name.kind}, {source}" if name.statement else None,
        filter_text=name.typed,
        sort_text=f"1{number:04d}",
        text_edit=types.TextEdit(where, name.text),
    )
