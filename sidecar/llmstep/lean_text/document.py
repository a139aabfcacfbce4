"""A Lean file as it was read: parsed once per version, and of the next version only what changed.

A question needs the same file for the key of its answer, the scope of names, the declarations
above the cursor and the prompt; the next question needs the file with a few letters more.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence

import attrs

from llmstep.lean_text.commands import Command, split_text
from llmstep.lean_text.declarations import (
    Declaration,
    Statement,
    enter_leads,
    full_name,
    read_declaration,
)
from llmstep.lean_text.heads import read_head
from llmstep.lean_text.lexer import plain_name
from llmstep.lean_text.scope import NameScope, Scope, name_scope

# Of the files that are open in all editors together; each costs some times its text.
_MOST_DOCUMENTS = 8
_MOST_CHARACTERS = 20_000_000
_LONGEST_KEYWORD = 40


@attrs.define(eq=False)
class _Entry:
    """A command with what is in force before it; what it declares is read when it is asked for."""

    command: Command
    scope: Scope
    line: int
    declaration: Declaration | None = None
    read: bool = False


class LeanDocument:
    """A file's text up to a place, and what it says.

    What an older version of the file has in common with it is taken over.
    """

    def __init__(self, text: str, older: LeanDocument | None = None) -> None:
        self.text = text
        same = _common_prefix(text, older.text) if older else 0
        kept = older._unchanged(same) if older else []
        start = kept[-1].command.end if kept else 0
        commands, self._sure = split_text(text, start)
        self._entries: list[_Entry] = list(kept)
        scope, line, at = Scope(), 0, 0
        if kept:
            last = kept[-1]
            scope, line, at = last.scope.after(last.command), last.line, last.command.at
        for command in commands:
            line, at = line + text.count("\n", at, command.at), command.at
            self._entries.append(_Entry(command, scope, line))
            scope = scope.after(command)
        self.commands: Sequence[Command] = [entry.command for entry in self._entries]
        self._finished: str | None = None
        self._whole: str | None = None
        self._names: NameScope | None = None

    def _unchanged(self, same: int) -> list[_Entry]:
        """The entries that a text shares whose first ``same`` characters are these.

        What ends them has to be the same to its last letter.
        """
        limit = min(same, self._sure) - _LONGEST_KEYWORD
        count = 0
        for entry in self._entries:
            if entry.command.end > limit:
                break
            count += 1
        return self._entries[:count]

    @property
    def finished_end(self) -> int:
        """Offset of the command that the text ends in; what stands before it is finished."""
        return self.commands[-1].start if self.commands else 0

    def finished_digest(self) -> str:
        """A checksum of the text before the command that it ends in."""
        if self._finished is None:
            self._finished = _digest(self.text[: self.finished_end])
        return self._finished

    def digest(self) -> str:
        """A checksum of the whole text."""
        if self._whole is None:
            self._whole = _digest(self.text)
        return self._whole

    def declarations(self, *, last: bool = False) -> list[Declaration]:
        """What the text declares above the command that it ends in, or including that."""
        entries = self._entries if last else self._entries[:-1]
        return [found for entry in entries if (found := self._declared(entry)) is not None]

    def declared_at(self) -> Iterator[tuple[Declaration, int]]:
        """What the whole text declares, each with the offset of its keyword."""
        for entry in self._entries:
            if (found := self._declared(entry)) is not None:
                yield found, entry.command.at

    def statements(self, *, last: bool = False) -> list[Statement]:
        """What a proof at the end of the text can name of it, in order."""
        return [s for declared in self.declarations(last=last) for s in declared.statements()]

    def scope(self) -> Scope:
        """What is in force in the command that the text ends in."""
        if not self._entries:
            return Scope()
        last = self._entries[-1]
        return enter_leads(last.scope, self.text[last.command.start : last.command.at])

    def names(self) -> NameScope:
        """What decides how a name is written at the end of the text."""
        if self._names is None:
            self._names = self._read_names()
        return self._names

    def _read_names(self) -> NameScope:
        if not self._entries:
            return NameScope()
        last = self._entries[-1]
        scope = self.scope()
        # What opens names inside a proof, `open Foo in simp`.
        inner = self.text[last.command.at : last.command.end]
        if last.command.keyword != "open" and "open" in inner:
            scope = scope.extended("open", inner.partition(":=")[2])
        head = read_head(self.text, last.command)
        own = full_name(head.name, scope.inside) if head else ""
        declarations = self.declarations()
        full = {s.name for declaration in declarations for s in declaration.statements()}
        full.update(declaration.statement.name for declaration in declarations)
        written = {d.written for d in declarations if d.written}
        return name_scope(scope, own, {plain_name(name) for name in written}, full)

    def _declared(self, entry: _Entry) -> Declaration | None:
        if not entry.read:
            entry.declaration = read_declaration(self.text, entry.command, entry.scope, entry.line)
            entry.read = True
        return entry.declaration


class _Documents:
    """The documents that were read last, shared by all that read them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: list[LeanDocument] = []

    def read(self, text: str) -> LeanDocument:
        with self._lock:
            known = list(self._latest)
        for document in known:
            if document.text is text or document.text == text:
                self._keep(document)
                return document
        older = max(known, key=lambda d: _common_prefix(text, d.text), default=None)
        document = LeanDocument(text, older)
        # The version before is seldom asked for again, another file of the same beginning is.
        edited = older and _common_prefix(text, older.text) > 0.9 * len(older.text)
        self._keep(document, older if edited else None)
        return document

    def _keep(self, document: LeanDocument, replaced: LeanDocument | None = None) -> None:
        with self._lock:
            others = [d for d in self._latest if d is not document and d is not replaced]
            total = len(document.text)
            self._latest = [document]
            for other in others[: _MOST_DOCUMENTS - 1]:
                total += len(other.text)
                if total <= _MOST_CHARACTERS:
                    self._latest.append(other)


_DOCUMENTS = _Documents()


def read_document(text: str) -> LeanDocument:
    """A text as it was read; of one that was read lately, or begins like one, only what is new."""
    return _DOCUMENTS.read(text)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _common_prefix(one: str, two: str) -> int:
    """How many characters two texts share at their beginning."""
    low, high = 0, min(len(one), len(two))
    if one[:high] == two[:high]:
        return high
    while low + 1 < high:  # the first `low` are the same, the first `high` are not
        middle = (low + high) // 2
        if one[low:middle] == two[low:middle]:
            low = middle
        else:
            high = middle
    return low
