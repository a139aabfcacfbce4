"""What the backends with a model in this process have in common: the way from prompt to candidates.

A prompt is split into tokens, its last word taken back; the model is fed what it does not hold
already; the beams are decoded step by step. How tokens, KV cache and beams are kept is the matter
of each library.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
import numpy as np

from llmstep.backends.base import DEFAULT_CONTEXT, GenerationStats, PromptPart
from llmstep.backends.chat import ChatTemplate, render_chat
from llmstep.backends.long_decoding import Writing
from llmstep.backends.search import Search
from llmstep.backends.slots import PromptSlots
from llmstep.backends.writing import OnWriting, WritingRequest, Written
from llmstep.errors import (
    GenerationError,
    InvalidParamsError,
    ModelFileError,
    PromptTooLongError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    import numpy.typing as npt

    from llmstep.backends.base import (
        BackendInfo,
        BackendOptions,
        CancelToken,
        Candidate,
        GenerationRequest,
        Sampling,
    )
    from llmstep.backends.slots import PromptSlot
    from llmstep.backends.tokens import Question, Vocabulary

# What one step of the model is made from: a search's beams, or answers being written.
LockstepBeams = Search | Writing
# Feeds every live beam of a search its token. Logits, shape (live beams, vocabulary); ``None`` if
# there is no room for a single one.
Step = Callable[[LockstepBeams], "npt.NDArray[np.float32] | None"]
# An answer shorter than this is none.
_LEAST_ANSWER = 64


class LocalBackend(ABC):
    """A resident model that is fed tokens and gives logits.

    A subclass sets ``_info``, whose context window it takes from `choose_window`.
    """

    _info: BackendInfo

    def __init__(self, options: BackendOptions) -> None:
        self._most_candidates = options.max_candidates
        self._slots = PromptSlots(options.prompt_slots)

    @property
    def info(self) -> BackendInfo:
        """What the model's file or folder tells."""
        return self._info

    def count_tokens(self, text: str) -> int:
        """Number of tokens of a plain text."""
        self._require_open()
        return len(self._encode(text, special=False))

    def _refresh(self) -> None:  # noqa: B027  most have nothing to do here
        """Make sure that what is loaded is what lies on the disk; before each use."""

    def prefill(self, prompt: Sequence[PromptPart], cancel: CancelToken) -> GenerationStats:
        """Compute a prompt, as a request with an empty prefix would.

        Raises:
            PromptTooLongError: The prompt does not fit the context window.
            GenerationError: The library failed.
        """
        self._refresh()
        self._require_open()
        question = self._plan(prompt, "")
        _, reused = self._feed(question, cancel)
        return GenerationStats(prompt_tokens=question.length, reused_tokens=reused)

    def generate(
        self,
        request: GenerationRequest,
        cancel: CancelToken,
        on_candidate: Callable[[Candidate], None],
    ) -> GenerationStats:
        """Decode candidates; see `Backend.generate`.

        Raises:
            InvalidParamsError: n, the token limit, temperature or top-p are out of range.
            LLMStepError: As said there.
        """
        self._refresh()
        self._require_open()
        check_sampling(request.sampling, self._most_candidates)
        question = self._plan(request.prompt, request.prefix)
        slot, reused = self._feed(question, cancel)
        generated, found = self._decode(question, slot, request, cancel, on_candidate)
        if not found and question.opening.required and not cancel.is_set():
            # A vocabulary may have no other way to spell the prefix than the one taken back.
            question = self._plan(request.prompt, request.prefix, heal=False)
            slot, _ = self._feed(question, cancel)
            generated += self._decode(question, slot, request, cancel, on_candidate)[0]
        return GenerationStats(question.length, reused, generated)

    def write(
        self, request: WritingRequest, cancel: CancelToken, on_writing: OnWriting
    ) -> tuple[list[Written], GenerationStats]:
        """Write long answers; see `ProofWriter.write`."""
        self._refresh()
        self._require_open()
        prompt = request.prompt or render_chat(self._chat_template(), request.messages)
        if request.opening:
            prompt = (*prompt, PromptPart(request.opening))
        question = self._plan(prompt, "", heal=False)
        self._check_length(question.length, "the prompt has", drawn=_LEAST_ANSWER)
        slot, reused = self._feed(question, cancel)
        room = min(request.most_tokens, self._info.context_tokens - len(question.opening.tokens))

        def encode(text: str) -> list[int]:
            return self._encode(text, special=False)

        writing = Writing(self._vocabulary, encode, request, room, on_writing)
        width = self._width(request.n, room)
        while not cancel.is_set() and (begun := writing.take_up(width)) is not None:
            if begun:
                tokens = question.opening.tokens + begun
                opening = attrs.evolve(question.opening, tokens=tokens)
                slot, _ = self._feed(attrs.evolve(question, opening=opening), cancel)
            elif not slot.holds(question):
                slot, _ = self._feed(question, cancel)
            self._write_side_by_side(writing, slot, cancel)
        writing.end_all("time" if cancel.is_set() else "budget")
        stats = GenerationStats(question.length, reused, writing.generated)
        return [writing.finished[index] for index in sorted(writing.finished)], stats

    def _write_side_by_side(self, writing: Writing, slot: PromptSlot, cancel: CancelToken) -> None:
        logits = slot.logits
        if logits is None:
            return
        with self._fork(slot) as step:
            while logits is not None and not cancel.is_set():
                self._check_numbers(logits)
                writing.advance(logits)
                if not writing.live:
                    break
                logits = step(writing)

    def _width(self, n: int, room: int) -> int:
        """How many answers may be written side by side, each up to ``room`` tokens long."""
        return n

    @abstractmethod
    def close(self) -> None:
        """Free the model. A second call does nothing."""

    @abstractmethod
    def _chat_template(self) -> ChatTemplate | None:
        """The chat template of the model's file or folder, if it brings one."""

    @property
    @abstractmethod
    def _is_open(self) -> bool:
        """Whether the model is there."""

    @property
    @abstractmethod
    def _vocabulary(self) -> Vocabulary:
        """The bytes of the tokens."""

    @abstractmethod
    def _encode(self, text: str, *, special: bool) -> list[int]:
        """Tokens of a text, without begin or end; ``special`` lets markers be control tokens."""

    @abstractmethod
    def _plan(self, prompt: Sequence[PromptPart], prefix: str, *, heal: bool = True) -> Question:
        """Split prompt and prefix into tokens, and take the last word back."""

    @abstractmethod
    def _feed(self, question: Question, cancel: CancelToken) -> tuple[PromptSlot, int]:
        """Make a slot hold the question; that slot, and how many tokens it held already.

        After a cancel the slot holds a part.
        """

    @abstractmethod
    def _fork(self, slot: PromptSlot) -> AbstractContextManager[Step]:
        """Beams that begin with a slot's prompt, which itself stays as it is."""

    def _decode(
        self,
        question: Question,
        slot: PromptSlot,
        request: GenerationRequest,
        cancel: CancelToken,
        on_candidate: Callable[[Candidate], None],
    ) -> tuple[int, int]:
        """Run the search; returns the numbers of tokens and of candidates."""
        logits = slot.logits
        if logits is None:
            return 0, 0
        search = self._begin_search(question, request)
        found = 0
        with self._fork(slot) as step:
            while logits is not None and not cancel.is_set():
                self._check_numbers(logits)
                for candidate in search.advance(logits):
                    found += 1
                    on_candidate(candidate)
                if not search.live:
                    break
                logits = step(search)
        return search.generated, found

    def _begin_search(self, question: Question, request: GenerationRequest) -> Search:
        """The search that answers a question within the window."""
        room = self._info.context_tokens - len(question.opening.tokens)
        sampling = attrs.evolve(request.sampling, max_tokens=min(request.sampling.max_tokens, room))
        return Search(self._vocabulary, question.opening, request.stop, sampling, request.names)

    def _check_numbers(self, logits: npt.NDArray[np.float32]) -> None:
        """Refuse logits that are no numbers; a row's maximum is NaN if any of its values is."""
        if not np.isfinite(logits.max(axis=-1)).all():
            raise ModelFileError(
                f"the model {self._info.model} gives numbers that are none (NaN or infinite): its "
                "weights are damaged, or too large for the number format",
                hint="Fetch the model again, or convert it again; for a Hugging Face model set "
                "`precision` to float32.",
            )

    def _split(
        self, prompt: Sequence[PromptPart], prefix: str, lead: Sequence[int]
    ) -> tuple[list[int], list[int], str]:
        """Tokens up to the last special part, those of the plain text after it, and that text.

        Neighbouring plain parts are one text to the tokenizer, and so is the prefix behind them.
        """
        fixed, text = list(lead), ""
        for part in prompt:
            if part.special:
                fixed += self._encode(text, special=False) if text else []
                fixed += self._encode(part.text, special=True)
                text = ""
            else:
                text += part.text
        text += prefix
        return fixed, self._encode(text, special=False) if text else [], text

    def _check_length(self, length: int, what: str, *, drawn: int = 1) -> None:
        window = self._info.context_tokens
        if length + drawn > window:
            more = "; with one to generate that is" if drawn else ","
            raise PromptTooLongError(
                f"{what} {length} tokens{more} more than the context window of {window}"
            )

    def _require_open(self) -> None:
        if not self._is_open:
            raise GenerationError("the model is closed", hint="Open the backend again.")


def choose_window(wanted: int, trained: int) -> int:
    """Tokens of the window: what is wanted, or a default for 0, but no more than was trained.

    Models that do not tell what they were trained for have 0 there.
    """
    wanted = wanted or DEFAULT_CONTEXT
    return min(wanted, trained or wanted)


def check_sampling(sampling: Sampling, most_candidates: int) -> None:
    """Refuse numbers that no decoder can work with.

    Raises:
        InvalidParamsError: n, the token limit, temperature or top-p are out of range.
    """
    wrong = ""
    if not 1 <= sampling.n <= most_candidates:
        wrong = f"n must lie in 1..{most_candidates}, not {sampling.n}"
    elif sampling.max_tokens < 1:
        wrong = f"max_tokens must be positive, not {sampling.max_tokens}"
    elif not 0 <= sampling.temperature < float("inf"):
        wrong = f"the temperature must be 0 or more, not {sampling.temperature}"
    elif not 0 < sampling.top_p <= 1:
        wrong = f"top_p must lie in (0, 1], not {sampling.top_p}"
    if wrong:
        raise InvalidParamsError(wrong)


def encode_text(text: str) -> bytes:
    """The text as UTF-8.

    Raises:
        InvalidParamsError: It holds half a surrogate pair, which JSON can carry but UTF-8 cannot.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidParamsError(
            f"the text holds half a surrogate pair at character {error.start}",
            hint="Send valid Unicode.",
        ) from error
