"""What every backend speaks: prompts in, candidates out, cancellable between two decode steps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, Protocol

import attrs

from llmstep.config import Precision

FinishReason = Literal["eos", "stop", "length"]
# A window beyond this is a matter of memory, so it is the user's choice, not the model's.
DEFAULT_CONTEXT = 4096
_POLL_SECONDS = 0.005


@attrs.frozen
class PromptPart:
    """A stretch of prompt text.

    Attributes:
        text: The characters.
        special: Whether markers such as ``[GOAL]`` in it may become control tokens. Text that
            comes from the user's file is never special, so it cannot forge a marker.
    """

    text: str
    special: bool = False


@attrs.frozen
class Sampling:
    """How candidates are drawn.

    Attributes:
        n: Number of candidates wanted (distinct ones where the backend can).
        max_tokens: Most tokens one candidate may have.
        temperature: Softmax temperature; 0 is deterministic (beam search).
        top_p: Nucleus mass in (0, 1].
        seed: Seed of the random numbers; the same request with the same seed gives the same answer.
        least_share: Where the backend chooses the tokens itself, what is less likely than this
            share of all that is finished is given up, and fewer than n may come; 0 draws n.
    """

    n: int = 8
    max_tokens: int = 96
    temperature: float = 0.8
    top_p: float = 0.95
    seed: int = 0
    least_share: float = 0.0


class NameFilter(Protocol):
    """Tells which candidates are worth going on with, by the names in them."""

    def admits(self, text: str, *, finished: bool) -> bool:
        """Whether a candidate that begins with this text, prefix included, can still be of use."""
        ...


@attrs.frozen
class GenerationRequest:
    """One question to a backend.

    Attributes:
        prompt: Parts that, joined, are the text before the tactic.
        prefix: Characters every candidate must start with; may be empty.
        stop: Strings that end a candidate; the string itself is not part of it.
        sampling: How candidates are drawn.
        names: Gives candidates up as soon as they name what does not exist, where the backend
            chooses the tokens itself; ``None`` lets all of them be.
    """

    prompt: tuple[PromptPart, ...]
    prefix: str = ""
    stop: tuple[str, ...] = ()
    sampling: Sampling = Sampling()
    names: NameFilter | None = attrs.field(default=None, eq=False)


@attrs.frozen
class Candidate:
    """One decoded continuation.

    Attributes:
        text: The tactic text as the model wrote it, prefix included.
        logprob: Sum over its generated tokens of the model's log-probability (nats, temperature 1).
        tokens: Number of generated tokens, the end token included.
        finish: Why it ended.
    """

    text: str
    logprob: float
    tokens: int
    finish: FinishReason

    @property
    def mean_logprob(self) -> float:
        """Mean log-probability per generated token (nats); 0 for no token."""
        return self.logprob / self.tokens if self.tokens else 0.0


@attrs.frozen
class GenerationStats:
    """What one generation cost: tokens of the prompt, those of them in the KV cache, new ones."""

    prompt_tokens: int = 0
    reused_tokens: int = 0
    generated_tokens: int = 0


@attrs.frozen
class BackendInfo:
    """What a loaded backend tells about itself.

    Attributes:
        backend: Registry name, e.g. ``llama_cpp``.
        model: Name from the model's own metadata, or the file's name.
        parameters: Number of weights, or ``None`` if unknown.
        size_bytes: Bytes of the model file, or ``None`` if there is none.
    """

    backend: str
    model: str
    context_tokens: int
    parameters: int | None = None
    size_bytes: int | None = None


@attrs.frozen
class BackendOptions:
    """How a backend is opened.

    Attributes:
        path: Model file or folder; ``None`` for backends without one.
        context_tokens: Wanted context window; 0 takes the model's own.
        threads: CPU threads; 0 chooses.
        max_candidates: Most candidates one request may ask for (bounds the parallel sequences).
        prompt_slots: Prompts whose keys and values are kept side by side, so that each is computed
            only where it changes; as many as are asked in turn for one suggestion.
        remote_model: Name of the model at a server; empty lets the backend find it.
        precision: Number format of the weights, for backends that can choose; ``auto`` takes the
            smallest one the machine computes in without harm.
        allow_pickle: Whether weights may be read from a Python pickle, which can run any program.
    """

    path: Path | None = None
    context_tokens: int = 0
    threads: int = 0
    max_candidates: int = 32
    prompt_slots: int = 1
    remote_model: str = ""
    precision: Precision = "auto"
    allow_pickle: bool = False


class CancelToken:
    """A flag that ends a generation at its next step: set by the client, or by the deadline.

    Thread-safe. ``reason`` is ``"cancelled"``, ``"superseded"``, ``"deadline"``, or ``None``.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._reason: str | None = None
        self._deadline: float | None = None
        self._set_at = 0.0

    def expire_in(self, seconds: float) -> None:
        """Set the deadline, counted from now."""
        self._deadline = time.monotonic() + seconds

    def cancel(self, reason: str = "cancelled") -> None:
        """Ask the generation to stop; the first reason wins."""
        if not self._event.is_set():
            self._reason = reason
            self._set_at = time.monotonic()
            self._event.set()

    def is_set(self) -> bool:
        """Whether the generation should stop now."""
        if self._event.is_set():
            return True
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self.cancel("deadline")
            return True
        return False

    @property
    def set_for_s(self) -> float:
        """Seconds since it was set; 0 if it is not."""
        return time.monotonic() - self._set_at if self.is_set() else 0.0

    def sleep(self, seconds: float) -> bool:
        """Sleep in short steps; ``False`` as soon as the token is set."""
        end = time.monotonic() + seconds
        while not self.is_set():
            remaining = end - time.monotonic()
            if remaining <= 0:
                return True
            time.sleep(min(_POLL_SECONDS, remaining))
        return False

    @property
    def reason(self) -> str | None:
        """Why the token is set, or ``None`` while it is not."""
        return self._reason


@attrs.frozen(eq=False)
class Asked:
    """One of several questions that are asked together: the arguments of `Backend.generate`."""

    request: GenerationRequest
    cancel: CancelToken
    on_candidate: Callable[[Candidate], None]


class Backend(Protocol):
    """A loaded model. Used from one thread at a time (the scheduler's)."""

    @property
    def info(self) -> BackendInfo:
        """What the backend tells about itself."""
        ...

    def count_tokens(self, text: str) -> int:
        """Number of tokens of a plain text (no begin-of-text token)."""
        ...

    def prefill(self, prompt: Sequence[PromptPart], cancel: CancelToken) -> GenerationStats:
        """Bring a prompt into the KV cache so that a following request finds it there."""
        ...

    def generate(
        self,
        request: GenerationRequest,
        cancel: CancelToken,
        on_candidate: Callable[[Candidate], None],
    ) -> GenerationStats:
        """Decode candidates, handing each to ``on_candidate`` when it is finished.

        Returns normally when all are finished *or* when ``cancel`` was set; candidates finished
        before that have been handed over. A candidate's ``text`` starts with the request's prefix.

        Raises:
            PromptTooLongError: Prompt, prefix and one token do not fit the context window.
            GenerationError: The library failed; the backend can still be used or closed.
        """
        ...

    def close(self) -> None:
        """Free the model. A second call does nothing."""
        ...
