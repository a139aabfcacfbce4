"""The wire of ``/v1/chat/completions``: one long answer as it streams in.

Format: the OpenAI API reference, "Create chat completion". Servers that part a model's thought from
its answer send it as ``reasoning_content`` (vLLM, llama-server) or ``reasoning`` (newer vLLM,
Ollama) beside ``content``; others leave it inside the text, between its marks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs

from llmstep.backends.base import Candidate, FinishReason, GenerationStats
from llmstep.backends.completions import WireError, read_message, read_usage
from llmstep.backends.writing import AnswerText, repeats

_THOUGHT_FIELDS = ("reasoning_content", "reasoning")
# How many pieces are waited for the server's own end, which brings its count of tokens.
_PATIENCE = 32


@attrs.define
class ChatReader:
    """Puts the pieces of one answer together.

    Attributes:
        on_progress: Told whether the model is thinking, the pieces so far, and the new text.
        superfluous: Pieces that came in after the answer had ended by our own rule.
        pieces: The pieces of text that came in; servers send about one for each token.
        in_circles: Whether it was ended because it said the same over and over.
        broken_off: The server's word where it ended the answer itself.
    """

    answer: AnswerText
    on_progress: Callable[[bool, int, str], None]
    begun: bool = False
    complete: bool = False
    superfluous: int = 0
    pieces: list[str] = attrs.field(factory=list)
    in_circles: bool = False
    broken_off: list[str] = attrs.field(factory=list)
    finish: FinishReason = "eos"
    cost: GenerationStats = attrs.field(factory=GenerationStats)

    def feed(self, message: Any) -> Iterator[Candidate]:
        """Take in one message: a whole answer, or one event of a stream.

        Yields:
            The answer, once it has ended.

        Raises:
            WireError: The server reports an error, or sends no answer.
        """
        self.begun = True
        values = read_message(message)
        self.cost = read_usage(values) or self.cost
        for choice in values.get("choices") or []:
            if not isinstance(choice, dict) or (choice.get("index") or 0) != 0:
                continue
            turn = choice.get("delta") or choice.get("message") or {}
            if not isinstance(turn, dict):
                raise WireError("it sent a turn that is no object")
            if self.complete:
                self.superfluous += 1
                continue
            done = self._take_turn(turn)
            reason = choice.get("finish_reason")
            if done or reason is not None:
                self.finish = "length" if reason in ("length", "max_tokens") else "eos"
                if reason in ("content_filter", "abort", "error"):
                    self.broken_off.append(str(reason))
                yield from self.end()

    def end(self) -> Iterator[Candidate]:
        """The server says that this was all."""
        if not self.complete:
            self.complete = True
            yield Candidate(self.answer.text, 0.0, len(self.pieces), self.finish)

    @property
    def is_satisfied(self) -> bool:
        """Whether the connection may be closed, whatever the server is still writing."""
        return self.in_circles or self.superfluous > _PATIENCE

    def _take_turn(self, turn: dict[str, Any]) -> bool:
        thought = next((turn[field] for field in _THOUGHT_FIELDS if turn.get(field)), None)
        if isinstance(thought, str):
            self.pieces.append(thought)
            self.on_progress(True, len(self.pieces), "")
            self.in_circles = repeats(self.pieces)
        content = turn.get("content")
        if not isinstance(content, str) or not content:
            return self.in_circles
        self.pieces.append(content)
        done = self.answer.add(content.encode())
        self.on_progress(self.answer.thinking, len(self.pieces), self.answer.new_text())
        self.in_circles = not done and repeats(self.pieces)
        return done or self.in_circles
