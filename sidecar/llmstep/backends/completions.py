"""The wire of ``/v1/completions``: from the server's JSON to candidates.

Format: the OpenAI API reference, "Create completion". Servers differ, so both shapes of
log-probabilities are read: ``{"token_logprobs": [...]}`` of the completions API (vLLM, OpenAI,
llama-cpp-python) and ``{"content": [{"logprob": ...}]}`` of the chat API, which llama-server sends
here too. The candidates of a server that sends none have the log-probability 0.
"""

from __future__ import annotations

import codecs
import json
import logging
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from llmstep.backends.base import Candidate, FinishReason, GenerationStats

_FINISHED: dict[str, FinishReason] = {
    **dict.fromkeys(("stop", "eos", "eos_token", "end_turn", "end_of_text"), "eos"),
    **dict.fromkeys(("stop_sequence", "stop_token"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "max_length"), "length"),
}
# These leave half a tactic.
_BROKEN_OFF = ("content_filter", "abort", "aborted", "cancelled", "canceled", "error")
# Names of events that hold a completion or an error; others are the server's own affair.
_EVENTS = (b"", b"message", b"completion", b"error")

_LINE_END = re.compile(rb"\r\n|\r|\n")
_LONGEST_LINE = 1 << 20
_NOTHING = object()

logger = logging.getLogger(__name__)


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
        broken_off: The words by which the server said that it ended a choice before its time.
    """

    head: str
    required: str = ""
    stop: tuple[str, ...] = ()
    begun: bool = False
    broken_off: list[str] = attrs.field(factory=list)
    _usage: GenerationStats = attrs.field(factory=GenerationStats, init=False)
    _choices: dict[int, _Choice] = attrs.field(factory=dict, init=False)

    @property
    def seen(self) -> int:
        """How many choices the server has begun."""
        return len(self._choices)

    @property
    def cost(self) -> GenerationStats:
        """Token counts as the server gives them; else the number of log-probabilities that came."""
        counted = sum(choice.tokens for choice in self._choices.values())
        return attrs.evolve(self._usage, generated_tokens=self._usage.generated_tokens or counted)

    @property
    def unscored(self) -> bool:
        """Whether text came in, and none of it with a log-probability."""
        choices = self._choices.values()
        return any(c.text for c in choices) and not any(c.tokens for c in choices)

    # Each of its choices ends when the server says so.
    is_satisfied = False

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
        self.begun = True
        values = read_message(message)
        self._usage = read_usage(values) or self._usage
        choices = values.get("choices")
        if choices is None:
            return
        if not isinstance(choices, list):
            raise WireError("it sent `choices` that are no list")
        for raw in choices:
            candidate = self._take_choice(raw) if raw is not None else None
            if candidate is not None:
                yield candidate

    def end(self) -> Iterator[Candidate]:
        """The server says that this was all: what has text and was given no end ends here."""
        for choice in self._choices.values():
            if not choice.done:
                logger.info("the server's answer ended without a reason")
                candidate = self._finish(choice, "eos")
                if candidate is not None:
                    yield candidate

    def _take_choice(self, raw: Any) -> Candidate | None:
        # What is null is absent.
        given = raw.get("text") if isinstance(raw, dict) else 0
        text = "" if given is None else given
        if not isinstance(text, str):
            raise WireError("it sent a choice without text")
        choice = self._choices.setdefault(_read_index(raw.get("index")), _Choice())
        if choice.done:
            return None
        before = len(choice.text)
        choice.text += text
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
        word = str(reason).lower()
        if word in _BROKEN_OFF:
            self.broken_off.append(word)
            return self._finish(choice, None)
        if word not in _FINISHED:
            logger.info("the server ended a candidate with %r, which is not known", word[:40])
        finish = _FINISHED.get(word, "eos")
        return self._finish(choice, "stop" if isinstance(raw.get("stop_reason"), str) else finish)

    def _finish(self, choice: _Choice, finish: FinishReason | None) -> Candidate | None:
        choice.done = True
        if finish is None or not choice.text.startswith(self.required):
            return None
        return Candidate(self.head + choice.text, choice.logprob, choice.tokens, finish)


def read_message(message: Any) -> Mapping[str, Any]:
    """The fields of a message; what is no object, a sign of life, has none.

    Raises:
        WireError: It reports an error.
    """
    if not isinstance(message, dict):
        return {}
    if message.get("error"):
        raise WireError(f"it reported an error: {error_text(message)}")
    return message


def read_usage(message: Mapping[str, Any]) -> GenerationStats | None:
    """The token counts of a message; ``None`` if it has none."""
    usage = message.get("usage")
    if not isinstance(usage, dict):
        return None
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    counts = (usage.get("prompt_tokens"), cached, usage.get("completion_tokens"))
    return GenerationStats(*(c if isinstance(c, int) and c >= 0 else 0 for c in counts))


def _read_index(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise WireError("it sent a choice whose index is no number")
    return value


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


class EventReader:
    """The JSON messages of a server-sent event stream, piece by piece.

    Format: WHATWG HTML, "Server-sent events": lines end in LF, CR or CRLF and nothing else, a byte
    order mark may stand first, ``data:`` lines are joined up to an empty line. Events of another
    name than a completion's are skipped.
    """

    def __init__(self) -> None:
        self.ended = False  # whether `[DONE]` has come
        self._rest = b""
        self._begun = False
        self._data: list[bytes] = []
        self._name = b""

    def feed(self, piece: bytes) -> Iterator[Any]:
        """Take in a piece of the stream; yields the messages that are whole with it.

        Raises:
            WireError: A message is no JSON, or a line has no end.
        """
        if self.ended:
            return
        self._rest += piece
        if not self._begun and len(self._rest) >= len(codecs.BOM_UTF8):
            self._rest = self._rest.removeprefix(codecs.BOM_UTF8)
            self._begun = True
        # A CR at the very end may be the first half of a CRLF.
        end = len(self._rest) - self._rest.endswith(b"\r")
        lines = _LINE_END.split(self._rest[:end])
        self._rest = lines.pop() + self._rest[end:]
        if len(self._rest) > _LONGEST_LINE:
            raise WireError("it sent a line of more than 1 MiB")
        for line in lines:
            message = self._take_line(line)
            if self.ended:
                return
            if message is not _NOTHING:
                yield message

    def close(self) -> Iterator[Any]:
        """The stream is at its end: a last message may lack the empty line behind it."""
        if self.ended or not (self._rest or self._data):
            return
        try:
            yield from self.feed(b"\n\n")
        except WireError:
            raise WireError("its stream broke off in the middle of a message") from None

    def _take_line(self, line: bytes) -> Any:
        if line:
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"data":
                self._data.append(value)
            elif field == b"event":
                self._name = value.strip()
            return _NOTHING
        joined, name = b"\n".join(self._data), self._name
        self._data, self._name = [], b""
        if joined.strip() == b"[DONE]":
            self.ended = True
            return _NOTHING
        if not joined.strip() or name not in _EVENTS:
            return _NOTHING
        message = parse_json(joined)
        if name == b"error" and not (isinstance(message, dict) and message.get("error")):
            return {"error": message}
        return message


def parse_json(body: bytes) -> Any:
    """Parse what the server sent.

    Raises:
        WireError: It is no JSON; quotes all of it.
    """
    try:
        return json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        shown = body[:2000].decode("utf-8", "replace")
        raise WireError(f"it sent {shown!r} where JSON belongs") from None


def error_text(message: Any) -> str:
    """The server's own words about an error: the shapes of OpenAI, FastAPI, TGI and plain text."""
    if isinstance(message, dict):
        for key in ("message", "detail", "error", "msg"):
            if message.get(key):
                return error_text(message[key])
    if isinstance(message, list) and message:
        return error_text(message[0])
    return message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)


def _find_stop(text: str, stop: Sequence[str], start: int) -> int | None:
    # A stop string may have begun in an earlier piece.
    places = [text.find(s, max(0, start - len(s) + 1)) for s in stop if s]
    return min((place for place in places if place >= 0), default=None)
