"""Long answers: what is wanted, what text they are, and where they end.

The drawing itself, which needs numpy, is the matter of `long_decoding`.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

import attrs

from llmstep.backends.base import PromptPart

if TYPE_CHECKING:
    from llmstep.backends.base import CancelToken, GenerationStats

WritingEnd = Literal["end", "budget", "time", "repetition"]
# Number of the answer, whether it is still thinking, its tokens so far, and its new text.
OnWriting = Callable[[int, bool, int, str], None]

FENCE = "```"

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
    def mean_logprob(self) -> float:
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
    """The text of one answer as it grows, and what that says about its end."""

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


def repeats(pieces: Sequence[int] | Sequence[str]) -> bool:
    """Whether the end of an answer, in tokens or words, is one part over and over.

    It is looked at now and then only: ask after every piece.
    """
    if len(pieces) % _LOOK_EVERY:
        return False
    for period in range(1, _LONGEST_PERIOD + 1):
        span = max(_REPEATS * period, _LEAST_REPEATED)
        if len(pieces) >= span + period and pieces[-span:] == pieces[-span - period : -period]:
            return True
    return False
