"""Long answers drawn token by token, several side by side.

Unlike the steps of `search`, long answers never repeat each other, so they are drawn independently
(temperature and nucleus). This is the bookkeeping above the model: which answers are still being
written, and why each ends. The caller feeds it logits, step by step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING

import attrs
import numpy as np

from llmstep.backends.search import Beam
from llmstep.backends.writing import (
    AnswerText,
    OnWriting,
    WritingEnd,
    WritingRequest,
    Written,
    repeats,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from llmstep.backends.tokens import Vocabulary

_REPORT_S = 0.4
# Tokens that are e^16 times less likely than the likeliest (at temperature 1) are never drawn.
_FAR = 16.0


@attrs.define(eq=False)
class _Writer:
    """One answer in the making."""

    index: int
    answer: AnswerText
    random: np.random.Generator
    tokens: list[int] = attrs.field(factory=list)
    forced: list[int] = attrs.field(factory=list)
    logprob: float = 0.0
    answer_tokens: int = 0


class Writing:
    """The answers of one request; `live` ones wait for the logits of their last token.

    As many are written side by side as there is memory for; the others wait, and are taken up
    again when those are done.

    It stands where a `Search` stands: `live` with the rows of their parents, and the tokens of
    ``nodes``, are what a step of the model is made from.

    Args:
        encode: Splits a text into tokens, for what a thought is closed with.
        room: Most tokens of one answer, as the context window allows.
        on_writing: Told of new text, a few times a second.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        encode: Callable[[str], Sequence[int]],
        request: WritingRequest,
        room: int,
        on_writing: OnWriting,
    ) -> None:
        self._vocabulary = vocabulary
        self._encode = encode
        self._request = request
        self._room = room
        self._report = on_writing
        self._reported = time.monotonic()
        self._waiting = [
            _Writer(index, AnswerText(request), np.random.default_rng([request.seed, index]))
            for index in range(request.n)
        ]
        self._writers: list[_Writer] = []
        self._started = False
        self.live: list[Beam] = []
        self.nodes = SimpleNamespace(token=np.zeros(0, dtype=np.int64))
        self.finished: dict[int, Written] = {}
        self.generated = 0

    def take_up(self, width: int) -> tuple[int, ...] | None:
        """Go on with answers that wait: several that have not begun, or one that was interrupted.

        Args:
            width: Most answers side by side.

        Returns:
            The tokens that stand behind the prompt; ``None`` if no answer waits.
        """
        fresh = [writer for writer in self._waiting if not writer.tokens]
        self._writers = (fresh or self._waiting[:1])[: max(1, width)]
        self._waiting = [writer for writer in self._waiting if writer not in self._writers]
        self._started = False
        self.live = [Beam()] if self._writers else []
        return tuple(self._writers[0].tokens) if self._writers else None

    def advance(self, logits: npt.NDArray[np.float32]) -> None:
        """Draw the next token of each answer.

        Args:
            logits: Shape (live answers, vocabulary); for the first step shape (1, vocabulary).
        """
        rows = range(len(self._writers)) if self._started else [0] * len(self._writers)
        self._started = True
        still: list[tuple[_Writer, int, int]] = []
        for row, writer in zip(rows, list(self._writers), strict=True):
            token = self._draw(writer, logits[row])
            end = self._take(writer, token)
            if end is None:
                still.append((writer, token, row))
            else:
                self._finish(writer, end)
        self._writers = [writer for writer, _, _ in still]
        self.live = [Beam(parent=row) for _, _, row in still]
        self.nodes.token = np.array([token for _, token, _ in still], dtype=np.int64)
        self._tell()

    def drop_weakest(self) -> None:
        """Memory is full: let the less likely half of the answers wait; end one that is alone."""
        order = sorted(
            range(len(self._writers)),
            key=lambda at: -self._writers[at].logprob / max(len(self._writers[at].tokens), 1),
        )
        kept = sorted(order[: len(order) // 2])
        for at in sorted(set(order) - set(kept)):
            if kept:
                self._waiting.append(self._writers[at])
            else:
                self._finish(self._writers[at], "budget")
        self._writers = [self._writers[at] for at in kept]
        self.live = [self.live[at] for at in kept]
        self.nodes.token = self.nodes.token[kept]

    def end_all(self, end: WritingEnd) -> None:
        """End what is still being written, and what waits."""
        for writer in (*self._writers, *self._waiting):
            self._finish(writer, end)
        self._writers, self._waiting, self.live = [], [], []

    def _draw(self, writer: _Writer, logits: npt.NDArray[np.float32]) -> int:
        if writer.forced:
            return writer.forced.pop(0)
        values = logits.copy()
        values[self._vocabulary.unusable] = -np.inf
        values -= values.max()
        total = np.exp(values).sum(dtype=np.float64)
        temperature = self._request.temperature
        if temperature > 0:
            # Sorting a whole vocabulary would take as long as a small model's step.
            near = np.flatnonzero(values > -_FAR * temperature)
            scaled = np.exp(values[near].astype(np.float64) / temperature)
            order = np.argsort(-scaled, kind="stable")
            mass = np.cumsum(scaled[order]) / scaled.sum()
            count = int(np.searchsorted(mass, self._request.top_p)) + 1
            nucleus = scaled[order[:count]]
            token = int(writer.random.choice(near[order[:count]], p=nucleus / nucleus.sum()))
        else:
            token = int(values.argmax())
        writer.logprob += float(values[token] - np.log(total))
        return token

    def _take(self, writer: _Writer, token: int) -> WritingEnd | None:
        """Append a token; why the answer ends with it, if it does."""
        self.generated += 1
        if self._vocabulary.ends[token]:
            return "end"
        writer.tokens.append(token)
        if writer.answer.add(self._vocabulary.pieces[token]):
            return "end"
        request, count = self._request, len(writer.tokens)
        if writer.answer.thinking:
            if count >= request.thought_tokens and not writer.forced:
                writer.forced = list(self._encode(request.closing))
        else:
            writer.answer_tokens += 1
        if writer.answer_tokens >= request.answer_tokens or count >= self._room:
            return "budget"
        if repeats(writer.tokens):
            return "repetition"
        return None

    def _finish(self, writer: _Writer, end: WritingEnd) -> None:
        self._tell_one(writer)
        text, tokens = writer.answer.text, len(writer.tokens)
        self.finished[writer.index] = Written(text, writer.logprob, tokens, end)

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._reported < _REPORT_S:
            return
        self._reported = now
        for writer in self._writers:
            self._tell_one(writer)

    def _tell_one(self, writer: _Writer) -> None:
        answer = writer.answer
        self._report(writer.index, answer.thinking, len(writer.tokens), answer.new_text())
