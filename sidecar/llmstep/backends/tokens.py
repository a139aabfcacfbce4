"""Tokens as bytes: the vocabulary's table, and how a text's end is taken back for token healing.

A prompt that ends inside what the model would write as one token (``exact h`` before ``hx``) puts
the model into a state it has never seen. So the last word is taken back from the prompt, and the
decoder is held to its bytes instead: every way to spell them is open, also a token that reaches
beyond them.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import attrs
import numpy as np

from llmstep.backends.decoding import Allowed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llmstep.backends.decoding import IntArray

# A word is taken back whole, so that its usual spelling is among the possible ones; these bounds
# keep a long name from costing a dozen steps.
MOST_HEALED_TOKENS = 6
MOST_HEALED_BYTES = 24


class Vocabulary:
    """The bytes of every token.

    Attributes:
        pieces: For each token its bytes; empty for control tokens and for those that end a text.
        ends: Shape (vocabulary,); tokens that end a text.
        unusable: Tokens that may never be generated: without bytes, and no end either.
    """

    def __init__(self, pieces: Sequence[bytes], ends: Sequence[bool]) -> None:
        self.pieces = tuple(b"" if end else piece for piece, end in zip(pieces, ends, strict=True))
        self.ends = np.array(ends, dtype=bool)
        empty = np.array([not piece for piece in self.pieces], dtype=bool)
        self.unusable: IntArray = np.flatnonzero(empty & ~self.ends)
        self.spelling: Callable[[bytes], Allowed] = lru_cache(maxsize=256)(self._find_spelling)

    def __len__(self) -> int:
        return len(self.pieces)

    @cached_property
    def _sorted(self) -> tuple[list[bytes], IntArray]:
        """Spellable pieces in byte order, and their tokens."""
        tokens = [t for t, piece in enumerate(self.pieces) if piece]
        tokens.sort(key=self.pieces.__getitem__)
        return [self.pieces[t] for t in tokens], np.array(tokens, dtype=np.int64)

    def _find_spelling(self, required: bytes) -> Allowed:
        """Tokens that spell the required bytes (and more), and those that spell a part of them."""
        pieces, tokens = self._sorted
        extending = tokens[bisect_left(pieces, required) : _end_of_range(pieces, required)]
        partial: list[IntArray] = []
        for length in range(1, len(required)):
            part = required[:length]
            first = last = bisect_left(pieces, part)
            while last < len(pieces) and pieces[last] == part:
                last += 1
            partial.append(tokens[first:last])
        empty = np.zeros(0, dtype=np.int64)
        return Allowed(extending, np.concatenate([empty, *partial]))


def _end_of_range(pieces: list[bytes], start: bytes) -> int:
    """First place after the pieces that begin with these bytes."""
    stripped = start.rstrip(b"\xff")
    if not stripped:
        return len(pieces)
    return bisect_left(pieces, stripped[:-1] + bytes([stripped[-1] + 1]))


@attrs.frozen
class Opening:
    """Where the decoder starts: the tokens it is fed, and the bytes it must spell first.

    Attributes:
        tokens: The tokens of the prompt that are fed to the model.
        required: Bytes that were taken back: what is generated begins with them.
        head: The prefix's bytes that lie in ``tokens``; they open every candidate's text.
        skip: Bytes of ``required`` that belong to the prompt, not to the candidate's text.
    """

    tokens: tuple[int, ...]
    required: bytes = b""
    head: bytes = b""
    skip: int = 0

    def read(self, generated: bytes) -> str | None:
        """The candidate's text, without a character that is cut off at its end.

        Returns:
            ``None`` if the bytes are no UTF-8 and cannot become it with more of them.
        """
        data = self.head + generated[self.skip :]
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            if error.reason != "unexpected end of data":
                return None
            return data[: error.start].decode()


@attrs.frozen
class Question:
    """A prompt as the model takes it."""

    opening: Opening
    source: tuple[int, ...] = ()  # the encoder's text; empty for decoder-only models

    @property
    def length(self) -> int:
        """Tokens on both sides."""
        return len(self.source) + len(self.opening.tokens)


def plan_opening(
    vocabulary: Vocabulary,
    fixed: Sequence[int],
    tail: Sequence[int],
    text: bytes,
    prefix: bytes,
    *,
    heal: bool = True,
) -> Opening:
    """Take back the last word of the prefix, and a blank before it.

    Args:
        vocabulary: The bytes of the tokens.
        fixed: Tokens that stay: begin of text, everything up to the last control token.
        tail: Tokens of the plain text that ends the prompt.
        text: That plain text, the prefix at its end.
        prefix: The prefix.
        heal: ``False`` takes nothing back.
    """
    count, required = 0, b""
    least = 0 if fixed else 1  # the model must be fed something
    while heal and count < min(len(tail) - least, MOST_HEALED_TOKENS):
        piece = vocabulary.pieces[tail[len(tail) - 1 - count]]
        longer = piece + required
        # Some tokenizers put a space before a text; one that changes characters in another way
        # cannot be followed byte by byte.
        known = (b" " + text).endswith(longer)
        if not piece or not known or (count and len(longer) > MOST_HEALED_BYTES):
            break
        # What the template ends with, such as [PROOFSTEP], the model knows as it is; only a blank
        # before the tactic may belong to the tactic's first token.
        if len(required) >= len(prefix) and not piece.isspace():
            break
        count, required = count + 1, longer
        if piece[:1].isspace():
            break
    tokens = (*fixed, *tail[: len(tail) - count])
    inside = max(0, len(prefix) - len(required))
    return Opening(tokens, required, prefix[:inside], max(0, len(required) - len(prefix)))
