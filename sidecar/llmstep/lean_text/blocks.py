"""Tactic blocks, found by their layout: whether a step can begin at a place, and what stands above.

Lean's grammar is open, so this reads tokens, brackets, columns and a few words: ``by`` opens a
block, the column of its first step is that of all of them, and a line that begins further to the
left ends it.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from llmstep.lean_text.lexer import BRACKETS, Token, scan_tokens
from llmstep.lean_text.vocabulary import (
    ARM_TACTICS,
    BINDERS,
    BINDING_TACTICS,
    BLOCK_OPENERS,
    NAMING_TACTICS,
    PATTERN_TACTICS,
    WRAPPING_TACTICS,
)

_SKIPPED = frozenset(("space", "comment", "newline"))
# What ends the names behind a binder.
_BOUND = frozenset(("=>", "↦", ",", ":", "∈", "<", "≤"))
# No proof that somebody wrote nests deeper; what is deeper is not followed.
_DEEPEST = 100
_LONGEST_STEP = 2_000
_ARM, _UNSURE_ARM, _CONV = "=>", "?=>", "conv"


@attrs.define(eq=False)
class Block:
    """A tactic block, or a bracket in a term, that is open at a place.

    Attributes:
        opener: What opened it: ``by``, ``·``, a bracket, ``=>``, ``?=>`` where that may as well be
            a term's, ``conv``; empty for the inside of a block of which no more is known.
        start: Offset behind its opener.
        tactics: Whether it holds steps; a bracket in a term does not.
        column: Column of its steps; -1 as long as there is none.
        steps: Where its finished steps begin and end.
        step: Where the step begins that is not finished; -1 if none has begun.
        head: The first word of that step.
        begins: Whether the next token begins a step, or what is wrapped by the open one.
        binding: Whether names are being bound, by ``fun`` or a quantifier.
        words: Words and symbols of the open step outside brackets.
    """

    opener: str
    start: int
    tactics: bool = True
    column: int = -1
    steps: list[tuple[int, int]] = attrs.Factory(list)
    step: int = -1
    head: str = ""
    begins: bool = True
    binding: bool = False
    words: set[str] = attrs.Factory(set)

    def end_step(self, at: int) -> None:
        """The open step is finished; the next token begins another."""
        if self.step >= 0:
            self.steps.append((self.step, at))
        self.step, self.head, self.begins, self.binding = -1, "", True, False
        self.words = set()


@attrs.frozen(eq=False)
class BlockPlace:
    """A place among tactic blocks: those that are open there, the innermost last."""

    blocks: tuple[Block, ...]

    @property
    def in_proof(self) -> bool:
        """Whether the place lies in a tactic block, however deep in a term of it."""
        return any(block.tactics for block in self.blocks)

    @property
    def begins_step(self) -> bool:
        """Whether a step can begin here."""
        last = self.blocks[-1] if self.blocks else None
        return last is not None and last.tactics and last.begins and last.opener != _CONV

    @property
    def may_be_term(self) -> bool:
        """Whether it stands behind a ``=>`` of which nobody can tell what it belongs to."""
        return self.begins_step and self.blocks[-1].opener == _UNSURE_ARM

    @property
    def binds(self) -> bool:
        """Whether names are bound here: what is written names nothing that is known."""
        for block in reversed(self.blocks):
            if block.binding:
                return True
            if block.tactics:
                return _binds(block)
        return False

    @property
    def head(self) -> str:
        """The first word of the step that the place lies in."""
        return next((block.head for block in reversed(self.blocks) if block.tactics), "")


def _binds(block: Block) -> bool:
    if block.head in BINDING_TACTICS:
        return True
    if block.head in NAMING_TACTICS:
        return not block.words & {":", ":=", "at"}
    return block.head in PATTERN_TACTICS and "with" in block.words


def read_blocks(text: str, *, inside: bool = False) -> BlockPlace:
    """The blocks that are open at the end of a text, where a word could begin.

    The text is a declaration's, or, `inside` it, steps alone.
    """
    reader = _Reader(inside)
    for token in scan_tokens(text):
        if token.kind not in _SKIPPED:
            reader.take(token)
        reader.count_lines(token)
    indent = text[text.rfind("\n") + 1 :]
    if "\n" in text and not indent.strip():
        reader.begin_line(len(indent), len(text))
    return BlockPlace(tuple(reader.blocks))


def names_of_steps(text: str, place: BlockPlace) -> list[str]:
    """What the steps above a place, in the blocks that are open there, call new things.

    The latest names come first.
    """
    found: dict[str, None] = {}
    for block in place.blocks:
        spans = [*block.steps, *([(block.step, len(text))] if block.step >= 0 else [])]
        for begin, end in spans:
            for name in _new_names(text[begin : min(end, begin + _LONGEST_STEP)]):
                found.pop(name, None)
                found[name] = None
    return list(reversed(found))


def _new_names(step: str) -> Iterator[str]:
    head = ""
    naming, nameless = False, True
    for token in scan_tokens(step):
        if token.kind in _SKIPPED:
            continue
        text = token.text
        if not head:
            head = text
            naming = head in BINDING_TACTICS or head in NAMING_TACTICS
            if naming or head in PATTERN_TACTICS:
                continue
            return
        if text == "with" and head in PATTERN_TACTICS:
            naming = True
        elif text in (":", ":=", "=>", "from"):
            if head == "have" and nameless and text != "=>":
                yield "this"
            naming = False
            if head not in PATTERN_TACTICS:
                return
        elif naming and token.kind == "word" and "." not in text and text != "rfl":
            nameless = False
            yield text


class _Reader:
    def __init__(self, inside: bool) -> None:
        self.blocks: list[Block] = [Block("", 0)] if inside else []
        self._line_start = 0
        self._at_line_start = True

    def count_lines(self, token: Token) -> None:
        if "\n" in token.text:
            self._line_start = token.start + token.text.rfind("\n") + 1
            self._at_line_start = True

    def take(self, token: Token) -> None:
        """Read a token that counts."""
        if self._at_line_start:
            self._at_line_start = False
            # These go on with the step above wherever they stand.
            joins = token.text in ("|", "<;>") or token.kind == "close"
            self.begin_line(token.start - self._line_start, token.start, joins=joins)
        block = self.blocks[-1] if self.blocks else None
        if token.kind == "close":
            self._close(token.text)
        elif block is not None and block.tactics and block.begins:
            self._begin_step(block, token)
        elif token.kind == "open":
            self._open(Block(token.text, token.end, tactics=False, begins=False))
        elif token.text in BLOCK_OPENERS:
            self._open(Block("by", token.end))
        elif block is not None:
            self._go_on(block, token)

    def begin_line(self, column: int, at: int, *, joins: bool = False) -> None:
        """Close what ends above a line that begins in that column."""
        while (place := self._innermost()) >= 0:
            block = self.blocks[place]
            outer = self._outer_column(place)
            if block.column == column:
                del self.blocks[place + 1 :]
                if not joins:
                    block.end_step(at)
                return
            if block.column < column and (block.column >= 0 or column > outer):
                return
            if block.opener in BRACKETS and column > outer:
                return
            if block.opener == "":
                # Nothing is known of what stands around it: its steps may begin anywhere.
                del self.blocks[place + 1 :]
                block.end_step(at)
                block.column = column
                return
            del self.blocks[place:]

    def _innermost(self) -> int:
        """Place of the innermost block of steps; -1 without one."""
        places = range(len(self.blocks) - 1, -1, -1)
        return next((place for place in places if self.blocks[place].tactics), -1)

    def _outer_column(self, place: int) -> int:
        """Left of which no step of that block can stand."""
        columns = [block.column for block in self.blocks[:place] if block.column >= 0]
        return columns[-1] if columns else 0 if self.blocks[0].opener else -1

    def _begin_step(self, block: Block, token: Token) -> None:
        text = token.text
        if block.column < 0:
            block.column = token.start - self._line_start
        if block.step < 0:
            block.step = token.start
        if text in WRAPPING_TACTICS:
            block.words.add(text)
        elif text in ("<;>", ";") or (text == "|" and "first" in block.words):
            pass
        elif text in ("·", "."):
            block.head, block.begins = "·", False
            self._open(Block("·", token.end))
        elif token.kind == "open":
            block.head, block.begins = text, False
            tactics = text in ("(", "{")
            self._open(Block(text, token.end, tactics=tactics, begins=tactics))
        else:
            # A block that begins with an arm belongs to a step that nobody has seen; behind `then`
            # the `else` is still to come.
            block.head, block.begins = "if" if block.head == "if" else text, False
            if text in BLOCK_OPENERS:  # `exact` was left out of a term behind `=>`
                self._open(Block("by", token.end))
            elif text in BINDERS:
                block.binding = True

    def _go_on(self, block: Block, token: Token) -> None:
        """Read on in a step or a term."""
        text = token.text
        if text in BINDERS:
            block.binding = True
        elif block.binding and text in _BOUND:
            block.binding = False
        elif not block.tactics:
            return
        elif text == ";":
            block.end_step(token.start)
        elif text in ("<;>", "<|>"):
            block.begins = True
        elif text == "=>":
            self._open_arm(block, token)
        elif text == "|" and block.opener in (_ARM, _UNSURE_ARM):
            self.blocks.pop()  # the next arm
        elif (text == "|" and "first" in block.words) or (
            text in ("then", "else") and block.head == "if"
        ):
            block.begins = True
        else:
            block.words.add(text)

    def _open_arm(self, block: Block, token: Token) -> None:
        if block.head.startswith("conv"):
            self._open(Block(_CONV, token.end))
        elif block.head in ARM_TACTICS:
            self._open(Block(_ARM, token.end))
        elif block.head == "|":
            self._open(Block(_UNSURE_ARM, token.end))

    def _open(self, block: Block) -> None:
        if len(self.blocks) < _DEEPEST:
            self.blocks.append(block)

    def _close(self, closer: str) -> None:
        for place in range(len(self.blocks) - 1, -1, -1):
            if BRACKETS.get(self.blocks[place].opener) == closer:
                del self.blocks[place:]
                return
