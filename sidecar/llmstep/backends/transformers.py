"""The transformers backend: a Hugging Face model folder, with torch.

A decoder-only model is given the prompt and continues it. An encoder-decoder model (ByT5) reads
the prompt with its encoder; its decoder writes the tactic, and is held to the prefix: the prefix is
what the decoder has written already.

The KV caches of the last prompts, one slot each, outlive the request, and so does the encoder's
reading of them: what a new prompt has in common with one of them is not computed again.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from llmstep.backends import TRANSFORMERS
from llmstep.backends.base import BackendInfo
from llmstep.backends.chat import ChatTemplate
from llmstep.backends.hf_files import check_memory, find_folder, read_checkpoint
from llmstep.backends.hf_library import choose_placement, free_device_memory, load_library
from llmstep.backends.hf_tokenizer import TextTokens, open_splitter, read_chat_template
from llmstep.backends.llama_library import count_threads
from llmstep.backends.local import LocalBackend, choose_window, encode_text
from llmstep.backends.machine_memory import free_memory
from llmstep.backends.tokens import Question, plan_opening
from llmstep.errors import GenerationError, ModelNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from llmstep.backends.base import BackendOptions, CancelToken, PromptPart
    from llmstep.backends.hf_model import HuggingFaceModel, Logits
    from llmstep.backends.local import LockstepBeams, Step
    from llmstep.backends.slots import PromptSlot
    from llmstep.backends.tokens import Vocabulary

# A prompt is computed in pieces, and what a cancel interrupts is one of them. Smaller ones would
# leave the matrix units idle.
_CHUNK_TOKENS = 256


class TransformersBackend(LocalBackend):
    """A resident Hugging Face model.

    Raises:
        ModelNotFoundError: The options name no folder on this machine.
        ModelFileError: The folder cannot be used, or the model does not fit into memory.
        BackendUnavailableError: torch or transformers is not installed.
    """

    def __init__(self, options: BackendOptions) -> None:
        super().__init__(options)
        if options.path is None:
            raise ModelNotFoundError(
                "the transformers backend needs a model folder, and none is named"
            )
        load_library()
        import torch

        from llmstep.backends.hf_loader import load_model, read_kind
        from llmstep.backends.hf_model import HuggingFaceModel

        checkpoint = read_checkpoint(find_folder(options.path), allow_pickle=options.allow_pickle)
        self._folder = checkpoint.folder
        kind = read_kind(checkpoint)
        placement = choose_placement(options.precision, encoder_decoder=kind == "encoder-decoder")
        splitter = open_splitter(checkpoint.folder)
        self._device = placement.device
        on_device = free_device_memory(placement.device)
        check_memory(
            checkpoint,
            # While 8 bits are made, what they are made of is still there.
            checkpoint.size_bytes / checkpoint.parameters
            if placement.int8
            else placement.bytes_per_weight,
            free_memory() if on_device is None else on_device,
            "memory of this machine" if on_device is None else "memory of the GPU",
        )
        torch.set_num_threads(options.threads or count_threads(checkpoint.parameters))
        loaded = load_model(checkpoint, kind, placement)
        self._model: HuggingFaceModel = HuggingFaceModel(loaded, slots=len(self._slots))
        try:
            self._model.check_cache()
            self._tokens = TextTokens(splitter, self._model.rows, self._model.ends)
        except BaseException:
            self._model.close()
            raise
        self._info = BackendInfo(
            backend=TRANSFORMERS,
            model=checkpoint.name,
            context_tokens=choose_window(options.context_tokens, self._model.window),
            parameters=checkpoint.parameters,
            size_bytes=checkpoint.size_bytes,
        )

    def close(self) -> None:
        """Free the model. A second call does nothing."""
        self._model.close()
        self._forget()

    @property
    def _is_open(self) -> bool:
        return self._model.is_open

    @property
    def _vocabulary(self) -> Vocabulary:
        return self._tokens.vocabulary

    def _encode(self, text: str, *, special: bool) -> list[int]:
        encode_text(text)
        return self._tokens.encode(text, special=special)

    def _chat_template(self) -> ChatTemplate | None:
        return read_chat_template(self._folder, has_lead=bool(self._tokens.lead))

    def _plan(self, prompt: Sequence[PromptPart], prefix: str, *, heal: bool = True) -> Question:
        model, tokens = self._model, self._tokens
        source: tuple[int, ...] = ()
        if model.is_encoder_decoder:
            fixed, tail, _ = self._split(prompt, "", tokens.lead)
            # An encoder must read something, also where the prompt is empty.
            source = (*fixed, *tail, *tokens.trail) or (model.first_token,)
            self._check_length(len(source), "the prompt has", drawn=0)
            fixed, text = [model.first_token], prefix
            tail = self._encode(prefix, special=False)
        else:
            fixed, tail, text = self._split(prompt, prefix, tokens.lead)
            if not fixed and not tail:
                fixed = [model.first_token]
        what = "the prefix has" if source else "prompt and prefix have"
        self._check_length(len(fixed) + len(tail), what)
        opening = plan_opening(
            tokens.vocabulary,
            fixed,
            tail,
            encode_text(text),
            encode_text(prefix),
            heal=heal and not tokens.is_bytes,
        )
        return Question(opening, source)

    def _feed(self, question: Question, cancel: CancelToken) -> tuple[PromptSlot, int]:
        slot = self._slots.choose(question)
        self._model.select(slot.index)
        if slot.holds(question):
            return slot, question.length
        from llmstep.backends.hf_model import StoppedError

        reused = 0
        try:
            reused = self._keep_common(slot, question, cancel)
            self._compute(slot, question.opening.tokens, cancel)
        except StoppedError:
            slot.tokens = slot.tokens[: self._model.length]
        except GenerationError:
            self._forget()
            raise
        return slot, reused

    def _keep_common(self, slot: PromptSlot, question: Question, cancel: CancelToken) -> int:
        """Keep what the slot has in common with a question, on both sides; returns how much."""
        model, tokens = self._model, question.opening.tokens
        reused = len(question.source)
        if question.source != slot.source:
            slot.forget()
            model.encode(question.source, cancel.is_set)
            slot.source = question.source
            reused = 0
        slot.logits = None
        common = min(slot.find_common(question), len(tokens) - 1)  # the last one gives the logits
        if model.takes_prompts_whole or not model.cut(common):
            model.clear_decoder()
            common = 0
        slot.tokens = tokens[:common]
        return reused + common

    def _compute(self, slot: PromptSlot, tokens: tuple[int, ...], cancel: CancelToken) -> None:
        """Feed the decoder what the slot lacks."""
        whole = self._model.takes_prompts_whole
        while len(slot.tokens) < len(tokens):
            done = len(slot.tokens)
            piece = tokens if whole else tokens[done : done + _CHUNK_TOKENS]
            logits = self._model.feed(piece, cancel.is_set)
            slot.tokens = tokens[: done + len(piece)]
            if len(slot.tokens) == len(tokens):
                slot.logits = logits

    @contextmanager
    def _fork(self, slot: PromptSlot) -> Iterator[Step]:
        self._model.select(slot.index)
        beams = self._model.fork()

        def step(search: LockstepBeams) -> Logits:
            return beams.step(search.nodes.token.tolist(), [beam.parent for beam in search.live])

        yield step

    def _width(self, n: int, room: int) -> int:
        """As many as half of the free memory holds, each with keys and values of its own."""
        free = free_device_memory(self._device)
        free = free_memory() if free is None else free
        each = self._model.bytes_per_token * room
        return max(1, min(n, int(free / 2 / each))) if each else n

    def _forget(self) -> None:
        """Hold nothing: after a failure nobody knows what the cache holds."""
        if self._model.is_open:
            self._model.clear()
        self._slots.forget()
