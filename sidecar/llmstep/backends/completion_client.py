"""Asking an OpenAI-compatible server: again where that helps, with a clear error where not."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from llmstep.backends.base import CancelToken, Candidate
from llmstep.backends.chat_completions import ChatReader
from llmstep.backends.completions import (
    CompletionReader,
    EventReader,
    WireError,
    error_text,
    parse_json,
)
from llmstep.backends.endpoint import KEY_VARIABLES, Endpoint
from llmstep.backends.exchange import ExchangeError, exchange
from llmstep.environment import OPENAI_MODEL, OPENAI_URL
from llmstep.errors import (
    BackendUnavailableError,
    ConfigError,
    GenerationError,
    LLMStepError,
    ModelNotFoundError,
    PromptTooLongError,
)
from llmstep.redaction import hide_secrets, shorten

if TYPE_CHECKING:
    from httpx import Response

_OPEN_SECONDS = 10.0
_SILENCE_SECONDS = 120.0
# How long a server that has failed is given to show that it is there.
_GONE_SECONDS = 2.0
_MOST_TRIES = 5
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 8.0
# Fields that improve the answer, but that a server may not know.
_OPTIONAL_FIELDS = ("stream_options", "logprobs", "seed", "n")
_BUSY = (408, 425, 429, 500, 502, 503, 504, 529)
# How servers say that a prompt is too long: vLLM and OpenAI, llama.cpp's two servers, TGI.
_TOO_LONG = ("context length", "context window", "context size", "max_total_tokens", "too long")

logger = logging.getLogger(__name__)


Reader = TypeVar("Reader", CompletionReader, ChatReader)


class _TryAgainError(Exception):
    """This try failed in a way that another, after a pause, may not."""

    def __init__(self, message: str, pause_s: float | None = None) -> None:
        super().__init__(message)
        self.pause_s = pause_s


class CompletionClient:
    """One server, and what was learnt about it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.left_out: set[str] = set()  # fields of a request that it refuses or ignores
        self._was_there = False

    def list_models(self) -> dict[str, int | None]:
        """Ask which models there are: context window (tokens, if told) by name.

        The window stands in ``max_model_len`` (vLLM) or ``meta.n_ctx`` and ``meta.n_ctx_train``
        (llama-server). Empty if the server has no such list.

        Raises:
            BackendUnavailableError: The server cannot be reached.
            ConfigError: It refuses the key.
        """
        answer = _Answer()
        try:
            exchange(self.endpoint, "/models", None, answer, CancelToken(), timeout_s=_OPEN_SECONDS)
        except ExchangeError as error:
            raise BackendUnavailableError(
                f"{self.endpoint.url} cannot be used: {error}",
                hint=f"Start the server, or correct {OPENAI_URL}.",
            ) from None
        self._was_there = True
        status, body = answer.head.status_code, bytes(answer.body)
        if status in (401, 403):
            raise self._refusal(answer.head, body)
        if status != 200:
            logger.info("%s/models answers %d", self.endpoint.url, status)
            return {}
        try:
            message = parse_json(body)
        except WireError:
            return {}
        data = message.get("data") if isinstance(message, dict) else None
        entries = [e for e in data if isinstance(e, dict)] if isinstance(data, list) else []
        return {str(entry["id"]): _read_window(entry) for entry in entries if entry.get("id")}

    def complete(
        self,
        body: Mapping[str, Any],
        new_reader: Callable[[], Reader],
        cancel: CancelToken,
        on_candidate: Callable[[Candidate], None],
        path: str = "/completions",
    ) -> Reader:
        """Send one request, again with growing pauses after a failure that may pass.

        Returns:
            What has read the last try's answer, made by ``new_reader``; of an answer that broke
            off, the finished candidates count.

        Raises:
            LLMStepError: Asking again does not help or did not; see `OpenAIBackend.generate`.
        """
        pause_s, streamed, tries, failure = _FIRST_PAUSE_SECONDS, True, 0, ""
        while True:
            fields = {k: v for k, v in body.items() if k not in self.left_out}
            if not streamed:
                fields.pop("stream_options", None)
                fields["stream"] = False
            reader = new_reader()
            try:
                self._ask(path, fields, reader, cancel, on_candidate)
                return reader
            except _TryAgainError as error:
                failure = f"{self.endpoint.url} failed: {error}"
                logger.info("%s", failure)
                asked_s = error.pause_s
            tries += 1
            wait_s = pause_s * random.uniform(0.5, 1.0) if asked_s is None else asked_s
            if tries == _MOST_TRIES or not cancel.sleep(wait_s):
                break
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_SECONDS)
            # A server whose stream broke off may have an error to tell, and no place for it there.
            streamed = not streamed or reader.begun
        if cancel.is_set() and cancel.reason != "deadline":
            return new_reader()
        if self._was_there and self._is_gone():
            raise GenerationError(
                f"{failure}; it answered the model list, then went away",
                hint="See in its log why it ended; docs/gpu.md says which servers do so, and the "
                "way round it.",
            )
        raise GenerationError(
            failure, hint=f"See in its log what is wrong with the server at {self.endpoint.url}."
        )

    def _is_gone(self) -> bool:
        """Whether nothing answers where the server was."""
        token = CancelToken()
        try:
            exchange(self.endpoint, "/models", None, _Answer(), token, timeout_s=_GONE_SECONDS)
        except ExchangeError:
            return True
        return False

    def _ask(
        self,
        path: str,
        fields: dict[str, Any],
        reader: CompletionReader | ChatReader,
        cancel: CancelToken,
        on_candidate: Callable[[Candidate], None],
    ) -> None:
        finished = 0
        events, answer = EventReader(), _Answer()

        def hand_over(candidates: Iterable[Candidate]) -> None:
            nonlocal finished
            for candidate in candidates:
                finished += 1
                on_candidate(candidate)

        def receive(head: Response) -> Callable[[bytes], bool]:
            take = answer(head)
            streamed = "event-stream" in head.headers.get("content-type", "")
            return take_events if head.status_code == 200 and streamed else take

        def take_events(piece: bytes) -> bool:
            for message in events.feed(piece):
                hand_over(reader.feed(message))
                if cancel.is_set() or reader.is_satisfied:
                    break
            return events.ended or cancel.is_set() or reader.is_satisfied

        try:
            complete = exchange(
                self.endpoint, path, fields, receive, cancel, timeout_s=_SILENCE_SECONDS
            )
            if not complete or cancel.is_set():
                return
            if answer.head.status_code != 200:
                self._learn(answer.head, bytes(answer.body), fields)
            if answer.body:
                hand_over(reader.feed(parse_json(bytes(answer.body))))
                events.ended = True
            for message in () if reader.is_satisfied else events.close():
                hand_over(reader.feed(message))
            if events.ended and not reader.is_satisfied:
                hand_over(reader.end())
        except (ExchangeError, WireError) as error:
            self._forgive(error, finished, cancel)
            return
        if not reader.complete:
            self._forgive(WireError("its answer broke off"), finished, cancel)

    def _forgive(self, error: Exception, finished: int, cancel: CancelToken) -> None:
        if cancel.is_set():
            return
        told = self._clean(str(error))
        if not finished:
            raise _TryAgainError(told) from None
        logger.warning("%s: %s; %d finished candidates are kept", self.endpoint.url, told, finished)

    def _clean(self, words: str) -> str:
        """The server's words for a message: without the key, and short."""
        return shorten(hide_secrets(words, self.endpoint.secrets))

    def _learn(self, head: Response, body: bytes, fields: Mapping[str, Any]) -> NoReturn:
        """Turn a refusal into the error that says what to do."""
        status, words = head.status_code, self._clean(_words(body) or head.reason_phrase)
        refused = [name for name in _OPTIONAL_FIELDS if name in fields and _names(words, name)]
        if status in (400, 422, 500, 501) and refused:
            logger.info("%s refuses `%s`: %s", self.endpoint.url, refused[0], words)
            self.left_out.add(refused[0])
            raise _TryAgainError(words, 0.0)
        if status in _BUSY:
            raise _TryAgainError(f"{status} {words}", _read_pause(head))
        raise self._refusal(head, body, str(fields.get("model", "")))

    def _refusal(self, head: Response, body: bytes, model: str = "") -> LLMStepError:
        url, status = self.endpoint.url, head.status_code
        words = self._clean(_words(body) or head.reason_phrase)
        if status in (401, 403):
            what = "refuses the key" if self.endpoint.key else "asks for a key"
            return ConfigError(
                f"{url} {what}: {status} {words}",
                hint=f"Set {KEY_VARIABLES[0]} to a key that this server takes.",
            )
        if status == 413 or any(sign in words.lower() for sign in _TOO_LONG):
            return PromptTooLongError(
                f"the prompt is too long for {url}: {words}",
                hint="Set `context_tokens` to the server's window, or start it with a larger one.",
            )
        if "model" in words.lower() and status in (400, 404, 422):
            names = ", ".join(self._names()) or "those it serves"
            return ModelNotFoundError(
                f"{url} does not serve the model {model!r}: {words}",
                hint=f"Set {OPENAI_MODEL} to one of: {names}.",
            )
        hint = f"See in its log what is wrong with the server at {url}."
        if status in (404, 405):
            hint = f"{OPENAI_URL} must be all before /completions; most end with /v1."
        if 300 <= status < 400:
            place = self._clean(head.headers.get("location", "its address"))
            hint = f"Set {OPENAI_URL} by {place}."
        return GenerationError(f"{url} refuses the request: {status} {words}", hint=hint)

    def _names(self) -> list[str]:
        try:
            return list(self.list_models())[:8]
        except LLMStepError:
            return []


class _Answer:
    """An answer that is read whole."""

    head: Response  # there with the first byte of the answer

    def __init__(self) -> None:
        self.body = bytearray()

    def __call__(self, head: Response) -> Callable[[bytes], bool]:
        self.head = head

        def take(piece: bytes) -> bool:
            self.body += piece
            return False

        return take


def _read_window(entry: Mapping[str, Any]) -> int | None:
    meta = entry.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    for value in (entry.get("max_model_len"), meta.get("n_ctx"), meta.get("n_ctx_train")):
        if isinstance(value, int) and value > 0:
            return value
    return None


def _words(body: bytes) -> str:
    try:
        return error_text(json.loads(body))
    except (ValueError, RecursionError):
        return body[:20_000].decode("utf-8", "replace")


def _names(words: str, field: str) -> bool:
    # `n` alone is in every text: it counts only where it is quoted.
    if len(field) > 1:
        return field in words
    return any(f"{quote}{field}{quote}" in words for quote in "`'\"")


def _read_pause(head: Response) -> float | None:
    try:
        return max(0.0, float(head.headers.get("retry-after", "")))
    except ValueError:
        return None
