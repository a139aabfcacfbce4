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
from llmstep.backends.writing import AnswerText, OnWriting, WritingEnd, WritingRequest, Written

if TYPE_CHECKING:
    import numpy.typing as npt

    from llmstep.backends.tokens import Vocabulary

_REPORT_S = 0.4
_LOOK_EVERY = 32
_REPEATS = 4
_LONGEST_PERIOD = 192
_LEAST_REPEATED = 96


@attrs.define
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

    It stands where a `Search` stands: `live` with the rows of their parents, and the tokens of
    ``nodes``, are what a step of the model is made from.

    Args:
        vocabulary: Bytes of the tokens.
        encode: Splits a text into tokens, for what a thought is closed with.
        request: What is wanted.
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
        self._writers = [
            _Writer(index, AnswerText(request), np.random.default_rng([request.seed, index]))
            for index in range(request.n)
        ]
        self._started = False
        self.live: list[Beam] = [Beam()]
        self.nodes = SimpleNamespace(token=np.zeros(0, dtype=np.int64))
        self.finished: dict[int, Written] = {}
        self.generated = 0

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
        """Memory is full: end the half of the answers that the model holds least likely."""
        order = sorted(
            range(len(self._writers)),
            key=lambda at: -self._writers[at].logprob / max(len(self._writers[at].tokens), 1),
        )
        kept = sorted(order[: len(order) // 2])
        for at in set(order) - set(kept):
            self._finish(self._writers[at], "budget")
        self._writers = [self._writers[at] for at in kept]
        self.live = [self.live[at] for at in kept]
        self.nodes.token = self.nodes.token[kept]

    def end_all(self, end: WritingEnd) -> None:
        """End what is still being written."""
        for writer in self._writers:
            self._finish(writer, end)
        self._writers, self.live = [], []

    def _draw(self, writer: _Writer, logits: npt.NDArray[np.float32]) -> int:
        if writer.forced:
            return writer.forced.pop(0)
        values = logits.astype(np.float64)
        values[self._vocabulary.unusable] = -np.inf
        top = values.max()
        weights = np.exp(values - top)
        total = weights.sum()
        if self._request.temperature > 0:
            scaled = np.exp((values - top) / self._request.temperature)
            order = np.argsort(-scaled)[: max(1, int((scaled > 0).sum()))]
            mass = np.cumsum(scaled[order]) / scaled.sum()
            count = int(np.searchsorted(mass, self._request.top_p)) + 1
            nucleus = scaled[order[:count]]
            token = int(writer.random.choice(order[:count], p=nucleus / nucleus.sum()))
        else:
            token = int(values.argmax())
        writer.logprob += float(values[token] - top - np.log(total))
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
        if count % _LOOK_EVERY == 0 and _repeats(writer.tokens):
            return "repetition"
        return None

    def _finish(self, writer: _Writer, end: WritingEnd) -> None:
        self._tell_one(writer)
        self.finished[writer.index] = Written(
            writer.answer.text, writer.logprob, len(writer.tokens), end
        )

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


def _repeats(tokens: Sequence[int]) -> bool:
    """Whether the end of an answer is one piece over and over."""
    for period in range(1, _LONGEST_PERIOD + 1):
        span = max(_REPEATS * period, _LEAST_REPEATED)
        if len(tokens) >= span + period and tokens[-span:] == tokens[-span - period : -period]:
            return True
    return False
