"""The wire of ``/v1/completions``: from the server's JSON to candidates.

Format: the OpenAI API reference, "Create completion". Servers differ, so both shapes of
log-probabilities are read: ``{"token_logprobs": [...]}`` of the completions API (vLLM, OpenAI,
llama-cpp-python) and ``{"content": [{"logprob": ...}]}`` of the chat API, which llama-server sends
here too. A server that sends none gives candidates without a score.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs

from llmstep.backends.base import Candidate, FinishReason, GenerationStats

_FINISHED: dict[str, FinishReason] = {"stop": "eos", "eos": "eos", "length": "length"}


class WireError(Exception):
    """The server sent something that is no completion."""


@attrs.define
class _Choice:
    text: str = ""
    logprob: float = 0.0
    tokens: int = 0
    done: bool = False


@attrs.define
class CompletionReader:
    """Puts the pieces of n interleaved choices together.

    Attributes:
        head: Text every candidate begins with: the part of the prefix that stood in the prompt.
        required: What each choice's own text must begin with: the rest of the prefix.
        stop: Strings that end a candidate. The server was told of them too, but some servers
            take only a few and some leave the string in the text.
        begun: Whether anything has come in.
    """

    head: str
    required: str = ""
    stop: tuple[str, ...] = ()
    begun: bool = False
    _usage: GenerationStats = attrs.field(factory=GenerationStats, init=False)
    _choices: dict[int, _Choice] = attrs.field(factory=dict, init=False)

    @property
    def seen(self) -> int:
        """How many choices the server has begun."""
        return len(self._choices)

    @property
    def cost(self) -> GenerationStats:
        """Token counts as the server gives them; else the generated ones that were scored."""
        counted = sum(choice.tokens for choice in self._choices.values())
        return attrs.evolve(self._usage, generated_tokens=self._usage.generated_tokens or counted)

    @property
    def unscored(self) -> bool:
        """Whether text came in, and none of it with a log-probability."""
        choices = self._choices.values()
        return any(c.text for c in choices) and not any(c.tokens for c in choices)

    @property
    def complete(self) -> bool:
        """Whether every choice that was begun has ended."""
        return bool(self._choices) and all(choice.done for choice in self._choices.values())

    def feed(self, message: Any) -> Iterator[Candidate]:
        """Take in one message: a whole answer, or one event of a stream.

        Yields:
            The candidates that are finished by it.

        Raises:
            WireError: It is no completion.
        """
        if not isinstance(message, dict):
            raise WireError("it sent JSON that is no object")
        self.begun = True
        if message.get("error"):
            raise WireError(f"it reported an error: {error_text(message)}")
        self._take_usage(message.get("usage"))
        choices = message.get("choices", [])
        if not isinstance(choices, list):
            raise WireError("it sent `choices` that are no list")
        for raw in choices:
            candidate = self._take_choice(raw)
            if candidate is not None:
                yield candidate

    def _take_usage(self, usage: Any) -> None:
        if not isinstance(usage, dict):
            return
        details = usage.get("prompt_tokens_details")
        cached = details.get("cached_tokens") if isinstance(details, dict) else None
        self._usage = GenerationStats(
            prompt_tokens=_count(usage.get("prompt_tokens")),
            reused_tokens=_count(cached),
            generated_tokens=_count(usage.get("completion_tokens")),
        )

    def _take_choice(self, raw: Any) -> Candidate | None:
        if not isinstance(raw, dict) or not isinstance(raw.get("text", ""), str):
            raise WireError("it sent a choice without text")
        index = raw.get("index", 0)
        if not isinstance(index, int):
            raise WireError("it sent a choice whose index is no number")
        choice = self._choices.setdefault(index, _Choice())
        if choice.done:
            return None
        before = len(choice.text)
        choice.text += raw.get("text", "")
        for logprob in read_logprobs(raw.get("logprobs")):
            choice.logprob += logprob
            choice.tokens += 1
        cut = _find_stop(choice.text, self.stop, before)
        reason = raw.get("finish_reason")
        if cut is not None:
            choice.text = choice.text[:cut]
            return self._finish(choice, "stop")
        if reason is None:
            return None
        finish = "stop" if isinstance(raw.get("stop_reason"), str) else _FINISHED.get(str(reason))
        # Any other reason (a filter, an abort) leaves half a tactic.
        return self._finish(choice, finish)

    def _finish(self, choice: _Choice, finish: FinishReason | None) -> Candidate | None:
        choice.done = True
        if finish is None or not choice.text.startswith(self.required):
            return None
        return Candidate(self.head + choice.text, choice.logprob, choice.tokens, finish)


def read_logprobs(raw: Any) -> Iterator[float]:
    """The log-probabilities of the chosen tokens (nats), in order; numbers that are finite."""
    if not isinstance(raw, dict):
        return
    values = raw.get("token_logprobs")
    if values is None:
        content = raw.get("content")
        items = content if isinstance(content, list) else []
        values = [item.get("logprob") for item in items if isinstance(item, dict)]
    for value in values if isinstance(values, list) else []:
        if isinstance(value, (int, float)) and math.isfinite(value):
            # Rounding makes a certain token a little more than certain on some servers.
            yield min(float(value), 0.0)


def read_events(lines: Iterable[bytes]) -> Iterator[Any]:
    """The JSON messages of a server-sent event stream; ends at ``[DONE]`` or with the stream.

    Format: WHATWG HTML, "Server-sent events": ``data:`` lines, joined up to an empty line.

    Raises:
        WireError: A message is no JSON.
    """
    data: list[bytes] = []
    for line in lines:
        text = line.rstrip(b"\r\n")
        if text.startswith(b"data:"):
            data.append(text[5:].removeprefix(b" "))
        elif not text and data:
            joined = b"\n".join(data)
            data.clear()
            if joined.strip() == b"[DONE]":
                return
            yield parse_json(joined)
    if data and b"\n".join(data).strip() != b"[DONE]":
        raise WireError("its stream broke off in the middle of a message")


def parse_json(body: bytes) -> Any:
    """Parse what the server sent.

    Raises:
        WireError: It is no JSON.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        shown = body[:80].decode("utf-8", "replace")
        raise WireError(f"it sent {shown!r} where JSON belongs") from None


def error_text(message: Any) -> str:
    """The server's own words about an error: the shapes of OpenAI, FastAPI, TGI and plain text."""
    if isinstance(message, dict):
        for key in ("message", "detail", "error", "msg"):
            if message.get(key):
                return error_text(message[key])
    if isinstance(message, list) and message:
        return error_text(message[0])
    text = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= 300 else text[:297] + "..."


def _find_stop(text: str, stop: Sequence[str], start: int) -> int | None:
    # A stop string may have begun in an earlier piece.
    places = [text.find(s, max(0, start - len(s) + 1)) for s in stop if s]
    return min((place for place in places if place >= 0), default=None)


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value >= 0 else 0
