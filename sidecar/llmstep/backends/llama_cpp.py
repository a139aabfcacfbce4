"""The llama.cpp backend: a GGUF model on the CPU, candidates as one batch with a shared prefill.

Sequence 0 of the KV cache holds the last prompt and outlives the request: what a new prompt has in
common with it is not computed again. The beams of a request are further sequences that share the
prompt's cells; where a beam splits, the copy is a matter of marking cells.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

from llmstep.backends.base import DEFAULT_CONTEXT, BackendInfo, GenerationStats
from llmstep.backends.checks import check_sampling, common_length, encode_text
from llmstep.backends.llama_model import BATCH_TOKENS, LlamaModel, NoSlotError
from llmstep.backends.search import Search
from llmstep.backends.tokens import plan_opening
from llmstep.errors import (
    GenerationError,
    ModelNotFoundError,
    PromptTooLongError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np
    import numpy.typing as npt

    from llmstep.backends.base import (
        BackendOptions,
        CancelToken,
        Candidate,
        GenerationRequest,
        PromptPart,
    )
    from llmstep.backends.tokens import Opening

# Cells for the beams' own tokens. They share what they have in common, and a prompt seldom fills
# its window; where it does not suffice, the weakest beams are given up.
BEAM_CELLS = 1024
PROMPT_SEQUENCE = 0
# A prompt is computed in pieces of about this many seconds: a cancel is noticed between two.
_CHUNK_SECONDS = 0.1
_SMALLEST_CHUNK = 32


class LlamaCppBackend:
    """A resident GGUF model.

    Raises:
        ModelNotFoundError: The options name no file.
        ModelFileError: The file cannot be used.
        BackendUnavailableError: llama-cpp-python is not installed.
    """

    def __init__(self, options: BackendOptions) -> None:
        if options.path is None:
            raise ModelNotFoundError("the llama.cpp backend needs a model file, and none is named")
        self._model = LlamaModel(options.path)
        facts = self._model.facts
        wanted = options.context_tokens or DEFAULT_CONTEXT
        self._window = min(wanted, facts.context_train or wanted)
        self._most_candidates = options.max_candidates
        sequences = 1 + Search.width(options.max_candidates)
        try:
            self._model.open_context(self._window + BEAM_CELLS, sequences, options.threads)
        except BaseException:
            self._model.close()
            raise
        self._info = BackendInfo(
            backend="llama_cpp",
            model=facts.name,
            context_tokens=self._window,
            parameters=facts.parameters,
            size_bytes=facts.size_bytes,
        )
        self._cached: tuple[int, ...] = ()  # tokens of sequence 0
        self._logits: npt.NDArray[np.float32] | None = None  # those after the last of them
        self._chunk = 4 * _SMALLEST_CHUNK

    @property
    def info(self) -> BackendInfo:
        """What the model file tells."""
        return self._info

    def count_tokens(self, text: str) -> int:
        """Number of tokens of a plain text."""
        self._require_open()
        return len(self._model.tokenize(encode_text(text), special=False))

    def prefill(self, prompt: Sequence[PromptPart], cancel: CancelToken) -> GenerationStats:
        """Bring a prompt into sequence 0, as a request with an empty prefix would.

        Raises:
            PromptTooLongError: The prompt does not fit the context window.
            GenerationError: The library failed.
        """
        self._require_open()
        opening = self._open(prompt, b"")
        reused = self._feed_prompt(opening, cancel)
        return GenerationStats(prompt_tokens=len(opening.tokens), reused_tokens=reused)

    def generate(
        self,
        request: GenerationRequest,
        cancel: CancelToken,
        on_candidate: Callable[[Candidate], None],
    ) -> GenerationStats:
        """Decode candidates; see `Backend.generate`.

        Raises:
            InvalidParamsError: n, the token limit, temperature or top-p are out of range.
            PromptTooLongError: Prompt, prefix and one token do not fit the context window.
            GenerationError: The library failed.
        """
        self._require_open()
        check_sampling(request.sampling, self._most_candidates)
        prefix = encode_text(request.prefix)
        opening = self._open(request.prompt, prefix)
        reused = self._feed_prompt(opening, cancel)
        generated, found = self._decode(opening, request, cancel, on_candidate)
        if not found and opening.required and not cancel.is_set():
            # A vocabulary may have no other way to spell the prefix than the one taken back.
            opening = self._open(request.prompt, prefix, heal=False)
            self._feed_prompt(opening, cancel)
            generated += self._decode(opening, request, cancel, on_candidate)[0]
        return GenerationStats(len(opening.tokens), reused, generated)

    def close(self) -> None:
        """Free the model. A second call does nothing."""
        self._model.close()

    def _require_open(self) -> None:
        if not self._model.is_open:
            raise GenerationError("the model is closed", hint="Open the backend again.")

    def _open(self, prompt: Sequence[PromptPart], prefix: bytes, *, heal: bool = True) -> Opening:
        """Split prompt and prefix into tokens, and take the last word back."""
        model = self._model
        fixed = [model.first_token()] if model.facts.adds_bos else []
        text = b""
        for part in prompt:
            if part.special:
                fixed += model.tokenize(text, special=False) if text else []
                fixed += model.tokenize(encode_text(part.text), special=True)
                text = b""
            else:
                text += encode_text(part.text)
        text += prefix
        tail = model.tokenize(text, special=False) if text else []
        if not fixed and not tail:
            fixed = [model.first_token()]
        length = len(fixed) + len(tail)
        if length + 1 > self._window:
            raise PromptTooLongError(
                f"prompt and prefix have {length} tokens; with one to generate that is more than "
                f"the context window of {self._window}"
            )
        return plan_opening(model.vocabulary, fixed, tail, text, prefix, heal=heal)

    def _feed_prompt(self, opening: Opening, cancel: CancelToken) -> int:
        """Make sequence 0 hold these tokens; returns how many of them it held already.

        After a cancel it holds a part of them.
        """
        tokens = opening.tokens
        common = common_length(self._cached, tokens)
        if common == len(tokens) == len(self._cached) and self._logits is not None:
            return common
        self._logits = None
        common = min(common, len(tokens) - 1)  # the last one gives the logits
        model = self._model
        if common < len(self._cached) and not model.cut_sequence(PROMPT_SEQUENCE, common):
            # Recurrent states and sliding windows know no way back.
            model.clear()
            common = 0
        self._cached = tokens[:common]
        done = common
        while done < len(tokens) and not cancel.is_set():
            count = min(self._chunk, len(tokens) - done)
            last = done + count == len(tokens)
            started = time.perf_counter()
            try:
                model.feed(tokens[done : done + count], done, logits=last)
            except GenerationError:
                self._forget()
                raise
            self._adapt_chunk(count, time.perf_counter() - started)
            done += count
            self._cached = tokens[:done]
            if last:
                self._logits = model.read_logits(1).copy()
        return common

    def _adapt_chunk(self, count: int, seconds: float) -> None:
        if count >= _SMALLEST_CHUNK:
            fitting = int(count * _CHUNK_SECONDS / max(seconds, 1e-6))
            self._chunk = max(_SMALLEST_CHUNK, min(BATCH_TOKENS, fitting, 2 * self._chunk))

    def _decode(
        self,
        opening: Opening,
        request: GenerationRequest,
        cancel: CancelToken,
        on_candidate: Callable[[Candidate], None],
    ) -> tuple[int, int]:
        """Run the search; returns the numbers of tokens and of candidates."""
        position = len(opening.tokens)
        room = self._window - position
        sampling = attrs.evolve(request.sampling, max_tokens=min(request.sampling.max_tokens, room))
        search = Search(self._model.vocabulary, opening, request.stop, sampling)
        found = 0
        beams = _BeamSequences(self._model, Search.width(sampling.n))
        try:
            logits = self._logits
            while logits is not None and not cancel.is_set():
                for candidate in search.advance(logits):
                    found += 1
                    on_candidate(candidate)
                if not search.live:
                    break
                beams.follow([beam.parent for beam in search.live])
                logits = self._step(search, beams, position)
                position += 1
        except GenerationError:
            self._forget()
            raise
        finally:
            beams.release()
        return search.generated, found

    def _step(
        self, search: Search, beams: _BeamSequences, position: int
    ) -> npt.NDArray[np.float32] | None:
        """Feed every live beam its token; ``None`` if there is no room for a single one."""
        while search.live:
            try:
                return self._model.step(search.nodes.token, position, beams.sequences)
            except NoSlotError:
                search.drop_weakest()
                beams.shrink(len(search.live))
        return None

    def _forget(self) -> None:
        """After a failure nobody knows what the cache holds."""
        self._model.clear()
        self._cached = ()
        self._logits = None


class _BeamSequences:
    """Which sequence of the KV cache belongs to which live beam.

    Attributes:
        sequences: Sequence of each live beam, row by row.
    """

    def __init__(self, model: LlamaModel, width: int) -> None:
        self._model = model
        self._free = list(range(PROMPT_SEQUENCE + width, PROMPT_SEQUENCE, -1))
        self.sequences: list[int] = [PROMPT_SEQUENCE]

    def follow(self, parents: Sequence[int]) -> None:
        """Let the next beams take over the sequences of their parents' rows.

        The first child inherits its parent's sequence, so that only a beam that splits is copied.
        """
        before = self.sequences
        self._drop(before[row] for row in set(range(len(before))) - set(parents))
        heirs: set[int] = set()
        self.sequences = []
        for row in parents:
            sequence = before[row]
            if row in heirs or sequence == PROMPT_SEQUENCE:
                target = self._free.pop()
                self._model.copy_sequence(sequence, target)
                sequence = target
            heirs.add(row)
            self.sequences.append(sequence)

    def shrink(self, count: int) -> None:
        """Keep the first beams only."""
        self._drop(self.sequences[count:])
        self.sequences = self.sequences[:count]

    def release(self) -> None:
        """Give all cells back; the prompt stays."""
        if self._model.is_open:
            self._drop(self.sequences)
        self.sequences = []

    def _drop(self, sequences: Iterable[int]) -> None:
        for sequence in sequences:
            if sequence != PROMPT_SEQUENCE:
                self._model.cut_sequence(sequence)
                self._free.append(sequence)
