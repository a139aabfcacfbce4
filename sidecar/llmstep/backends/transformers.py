"""The transformers backend: a Hugging Face model folder, with torch.

A decoder-only model is given the prompt and continues it. An encoder-decoder model (ByT5) reads
the prompt with its encoder; its decoder writes the tactic, and is held to the prefix: the prefix is
what the decoder has written already.

The KV cache of the last prompt outlives the request, and so does the encoder's reading of it: what
a new prompt has in common with it is not computed again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from llmstep.backends.base import DEFAULT_CONTEXT, BackendInfo, GenerationStats
from llmstep.backends.checks import check_sampling, common_length, encode_text
from llmstep.backends.hf_files import check_memory, find_folder, free_memory, read_checkpoint
from llmstep.backends.hf_library import choose_placement, free_device_memory, load_library
from llmstep.backends.hf_tokenizer import TextTokens, open_splitter
from llmstep.backends.llama_library import count_threads
from llmstep.backends.search import Search
from llmstep.backends.tokens import plan_opening
from llmstep.errors import GenerationError, ModelNotFoundError, PromptTooLongError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llmstep.backends.base import (
        BackendOptions,
        CancelToken,
        Candidate,
        GenerationRequest,
        PromptPart,
    )
    from llmstep.backends.hf_model import HuggingFaceModel, Logits
    from llmstep.backends.tokens import Opening

# A prompt is computed in pieces, and what a cancel interrupts is one of them. Smaller ones would
# leave the matrix units idle.
_CHUNK_TOKENS = 256


@attrs.frozen
class _Question:
    """A prompt as the model takes it.

    Attributes:
        source: Tokens of the encoder's text; empty for decoder-only models.
        opening: Where the decoder starts.
    """

    source: tuple[int, ...]
    opening: Opening

    @property
    def length(self) -> int:
        """Tokens on both sides."""
        return len(self.source) + len(self.opening.tokens)


class TransformersBackend:
    """A resident Hugging Face model.

    Raises:
        ModelNotFoundError: The options name no folder on this machine.
        ModelFileError: The folder cannot be used, or the model does not fit into memory.
        BackendUnavailableError: torch or transformers is not installed.
    """

    def __init__(self, options: BackendOptions) -> None:
        if options.path is None:
            raise ModelNotFoundError(
                "the transformers backend needs a model folder, and none is named"
            )
        load_library()
        import torch

        from llmstep.backends.hf_loader import load_model, read_kind
        from llmstep.backends.hf_model import HuggingFaceModel

        checkpoint = read_checkpoint(find_folder(options.path), allow_pickle=options.allow_pickle)
        kind = read_kind(checkpoint)
        placement = choose_placement(options.precision, encoder_decoder=kind == "encoder-decoder")
        splitter = open_splitter(checkpoint.folder)
        on_device = free_device_memory(placement.device)
        check_memory(
            checkpoint,
            placement.bytes_per_weight,
            free_memory() if on_device is None else on_device,
            "memory of this machine" if on_device is None else "memory of the GPU",
        )
        torch.set_num_threads(options.threads or count_threads(checkpoint.parameters))
        self._model: HuggingFaceModel = HuggingFaceModel(load_model(checkpoint, kind, placement))
        try:
            self._model.check_cache()
            self._tokens = TextTokens(splitter, self._model.rows, self._model.ends)
        except BaseException:
            self._model.close()
            raise
        wanted = options.context_tokens or DEFAULT_CONTEXT
        self._window = min(wanted, self._model.window or wanted)
        self._most_candidates = options.max_candidates
        self._info = BackendInfo(
            backend="transformers",
            model=checkpoint.name,
            context_tokens=self._window,
            parameters=checkpoint.parameters,
            size_bytes=checkpoint.size_bytes,
        )
        self._source: tuple[int, ...] = ()  # what the encoder has read
        self._cached: tuple[int, ...] = ()  # what the decoder was fed
        self._logits: Logits | None = None  # those after the last of it

    @property
    def info(self) -> BackendInfo:
        """What the folder tells."""
        return self._info

    def count_tokens(self, text: str) -> int:
        """Number of tokens of a plain text."""
        self._require_open()
        encode_text(text)
        return len(self._tokens.encode(text, special=False))

    def prefill(self, prompt: Sequence[PromptPart], cancel: CancelToken) -> GenerationStats:
        """Compute a prompt, as a request with an empty prefix would.

        Raises:
            PromptTooLongError: The prompt does not fit the context window.
            GenerationError: The library failed.
        """
        self._require_open()
        question = self._plan(prompt, "")
        reused = self._feed(question, cancel)
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
            PromptTooLongError: Prompt, prefix and one token do not fit the context window.
            GenerationError: The library failed.
        """
        self._require_open()
        check_sampling(request.sampling, self._most_candidates)
        question = self._plan(request.prompt, request.prefix)
        reused = self._feed(question, cancel)
        generated, found = self._decode(question, request, cancel, on_candidate)
        if not found and question.opening.required and not cancel.is_set():
            # A vocabulary may have no other way to spell the prefix than the one taken back.
            question = self._plan(request.prompt, request.prefix, heal=False)
            self._feed(question, cancel)
            generated += self._decode(question, request, cancel, on_candidate)[0]
        return GenerationStats(question.length, reused, generated)

    def close(self) -> None:
        """Free the model. A second call does nothing."""
        self._model.close()
        self._forget()

    def _require_open(self) -> None:
        if not self._model.is_open:
            raise GenerationError("the model is closed", hint="Open the backend again.")

    def _plan(self, prompt: Sequence[PromptPart], prefix: str, *, heal: bool = True) -> _Question:
        """Split prompt and prefix into tokens, and take the decoder's last word back."""
        tokens = self._tokens
        given = encode_text(prefix)
        source: tuple[int, ...] = ()
        if self._model.is_encoder_decoder:
            fixed, tail, _ = self._split(prompt, "")
            # An encoder must read something, also where the prompt is empty.
            source = (*fixed, *tail, *tokens.trail) or (self._model.first_token,)
            if len(source) > self._window:
                raise PromptTooLongError(
                    f"the prompt has {len(source)} tokens, more than the context window of "
                    f"{self._window}"
                )
            fixed, text = [self._model.first_token], prefix
            tail = tokens.encode(prefix, special=False)
        else:
            fixed, tail, text = self._split(prompt, prefix)
            if not fixed and not tail:
                fixed = [self._model.first_token]
        length = len(fixed) + len(tail)
        if length + 1 > self._window:
            raise PromptTooLongError(
                f"{'the prefix has' if source else 'prompt and prefix have'} {length} tokens; with "
                f"one to generate that is more than the context window of {self._window}"
            )
        opening = plan_opening(
            tokens.vocabulary,
            fixed,
            tail,
            encode_text(text),
            given,
            heal=heal and not tokens.is_bytes,
        )
        return _Question(source, opening)

    def _split(self, prompt: Sequence[PromptPart], prefix: str) -> tuple[list[int], list[int], str]:
        """Tokens up to the last special part, those of the plain text after it, and that text."""
        tokens = self._tokens
        fixed = list(tokens.lead)
        text = ""
        for part in prompt:
            encode_text(part.text)
            if part.special:
                fixed += tokens.encode(text, special=False)
                fixed += tokens.encode(part.text, special=True)
                text = ""
            else:
                text += part.text
        text += prefix
        return fixed, tokens.encode(text, special=False), text

    def _feed(self, question: _Question, cancel: CancelToken) -> int:
        """Make the KV cache hold the question; returns how many tokens of it it held already.

        After a cancel it holds a part.
        """
        from llmstep.backends.hf_model import StoppedError

        model = self._model
        tokens = question.opening.tokens
        reused = 0
        try:
            if question.source != self._source:
                self._forget()
                model.encode(question.source, cancel.is_set)
                self._source = question.source
            else:
                reused = len(question.source)
            common = common_length(self._cached, tokens)
            if common == len(tokens) == len(self._cached) and self._logits is not None:
                return reused + common
            self._logits = None
            common = min(common, len(tokens) - 1)  # the last one gives the logits
            whole = model.takes_prompts_whole
            if whole or not model.cut(common):
                model.clear_decoder()
                common = 0
            self._cached = tokens[:common]
            reused += common
            while len(self._cached) < len(tokens):
                done = len(self._cached)
                piece = tokens if whole else tokens[done : done + _CHUNK_TOKENS]
                logits = model.feed(piece, cancel.is_set)
                self._cached = tokens[: done + len(piece)]
                if len(self._cached) == len(tokens):
                    self._logits = logits
        except StoppedError:
            self._cached = self._cached[: model.length]
        except GenerationError:
            self._forget()
            raise
        return reused

    def _decode(
        self,
        question: _Question,
        request: GenerationRequest,
        cancel: CancelToken,
        on_candidate: Callable[[Candidate], None],
    ) -> tuple[int, int]:
        """Run the search; returns the numbers of tokens and of candidates."""
        room = self._window - len(question.opening.tokens)
        sampling = attrs.evolve(request.sampling, max_tokens=min(request.sampling.max_tokens, room))
        search = Search(self._tokens.vocabulary, question.opening, request.stop, sampling)
        found = 0
        logits = self._logits
        beams = self._model.fork() if logits is not None else None
        while beams is not None and logits is not None and not cancel.is_set():
            for candidate in search.advance(logits):
                found += 1
                on_candidate(candidate)
            if not search.live:
                break
            logits = beams.step(search.nodes.token.tolist(), [beam.parent for beam in search.live])
        return search.generated, found

    def _forget(self) -> None:
        """Hold nothing: after a failure nobody knows what the cache holds."""
        if self._model.is_open:
            self._model.clear()
        self._source = self._cached = ()
        self._logits = None
