"""Long answers: a thought and a proof, several side by side, drawn token by token.

Unlike the steps of `search`, long answers never repeat each other, so they are drawn independently
(temperature and nucleus). This is the bookkeeping above the model: which answers are still being
written, what text they are, and why each ends. The caller feeds it logits, step by step.
"""

from __future__ import annotations

import codecs
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Literal, Protocol

import attrs
import numpy as np

from llmstep.backends.base import PromptPart
from llmstep.backends.search import Beam

if TYPE_CHECKING:
    import numpy.typing as npt

    from llmstep.backends.base import CancelToken, GenerationStats
    from llmstep.backends.tokens import Vocabulary

WritingEnd = Literal["end", "budget", "time", "repetition"]
# Number of the answer, whether it is still thinking, its tokens so far, and its new text.
OnWriting = Callable[[int, bool, int, str], None]

FENCE = "```"
_REPORT_S = 0.4
_LOOK_EVERY = 32
_REPEATS = 4
_LONGEST_PERIOD = 192
_LEAST_REPEATED = 96


@attrs.frozen
class Message:
    """One turn of a conversation: ``system``, ``user`` or ``assistant``."""

    role: Literal["system", "user", "assistant"]
    content: str


@attrs.frozen
class WritingRequest:
    """A long answer that is wanted.

    Attributes:
        messages: The conversation, for a model that chats; it ends with the user's turn.
        prompt: The text to continue, for a model that does not; empty where ``messages`` count.
        opening: What the answer is made to begin with.
        thought: Marks around the model's thought, e.g. ``("<think>", "</think>")``; empty strings
            if it has none.
        closing: Text that ends a thought whose tokens are used up, and begins the answer.
        thought_tokens: Most tokens of the thought.
        answer_tokens: Most tokens of what follows it.
        fenced: Whether the answer is one block between fences: where it closes, all is said.
        stop: Strings that end an answer.
        n: Number of answers.
        temperature: Softmax temperature, above 0; 0 always takes the likeliest token.
        top_p: Nucleus mass in (0, 1].
        seed: Seed of the random numbers.
    """

    messages: tuple[Message, ...] = ()
    prompt: tuple[PromptPart, ...] = ()
    opening: str = ""
    thought: tuple[str, str] = ("", "")
    closing: str = ""
    thought_tokens: int = 0
    answer_tokens: int = 2048
    fenced: bool = True
    stop: tuple[str, ...] = ()
    n: int = 1
    temperature: float = 0.6
    top_p: float = 0.95
    seed: int = 0

    @property
    def most_tokens(self) -> int:
        """Most tokens of one answer."""
        return self.thought_tokens + self.answer_tokens


@attrs.frozen
class Written:
    """One answer.

    Attributes:
        text: All that was written, thought included, opening included.
        logprob: Sum of the log-probabilities of its drawn tokens (nats, temperature 1).
        tokens: Number of drawn tokens.
        end: Why it ended.
    """

    text: str
    logprob: float
    tokens: int
    end: WritingEnd

    @property
    def score(self) -> float:
        """Mean log-probability per drawn token (nats); 0 for no token."""
        return min(0.0, self.logprob / self.tokens) if self.tokens else 0.0


class ProofWriter(Protocol):
    """A backend that can write long answers. Used from one thread at a time."""

    def write(
        self, request: WritingRequest, cancel: CancelToken, on_writing: OnWriting
    ) -> tuple[list[Written], GenerationStats]:
        """Write ``request.n`` answers, in order; what a cancel cuts off is among them.

        Raises:
            ModelFileError: The request is a conversation, and the model knows none.
            PromptTooLongError: The prompt leaves no room for an answer.
            GenerationError: The library failed.
        """
        ...


class AnswerText:
    """The text of one answer as it grows, and what that says about its end.

    Args:
        request: What was asked for.
    """

    def __init__(self, request: WritingRequest) -> None:
        self._request = request
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begin, self._end = request.thought
        self.text = ""
        self._answer_from = 0
        self._shown = 0
        self.thinking = bool(self._begin) and request.opening.lstrip().startswith(self._begin)
        self.add(request.opening.encode())

    def add(self, data: bytes) -> bool:
        """Take more bytes; whether the answer is complete with them."""
        self.text += self._decoder.decode(data)
        return self._follow()

    def new_text(self) -> str:
        """What was written since the last call, outside the thought."""
        if self.thinking or self._maybe_thought():
            return ""
        start = max(self._shown, self._answer_from)
        self._shown = len(self.text)
        return self.text[start:]

    def _maybe_thought(self) -> bool:
        """Whether the little that is there may still become the mark of a thought."""
        begun = self.text.lstrip()
        return bool(self._begin) and len(begun) < len(self._begin) and self._begin.startswith(begun)

    def _follow(self) -> bool:
        if not self._answer_from:
            if self._begin and not self.thinking and self.text.lstrip().startswith(self._begin):
                self.thinking = True
            if self._end and self._end in self.text:
                self._answer_from = self.text.index(self._end) + len(self._end)
                self.thinking = False
        if self.thinking:
            return False
        answer = self.text[self._answer_from :]
        for stop in self._request.stop:
            if stop and (at := answer.find(stop)) >= 0:
                self.text = self.text[: self._answer_from + at]
                return True
        if not self._request.fenced:
            return False
        opened = answer.find(FENCE)
        return opened >= 0 and f"\n{FENCE}" in answer[opened + len(FENCE) :]


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
