"""One Hugging Face model in memory: tokens in, logits out, with a KV cache that beams share.

It knows decoder-only models (GPT-NeoX, Llama, Qwen, ...) and encoder-decoder models (T5, BART).
Of the latter the encoder's text is set first, and what is said of tokens below holds for the
decoder's.

The prompt's keys and values are kept once, as a batch of one. The beams of a request have only
their own tokens' apart: where `generate` of transformers copies the prompt for each of n beams and
again at each change of places, here the shared part is joined on for the moment of one layer.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
import torch
from transformers.activations import NewGELUActivation
from transformers.cache_utils import (
    Cache,
    DynamicCache,
    DynamicLayer,
    EncoderDecoderCache,
    LinearAttentionCacheLayerMixin,
)
from transformers.modeling_outputs import BaseModelOutput

from llmstep.backends.hf_cache import branch_cache
from llmstep.backends.hf_library import takes_argument
from llmstep.backends.hf_loader import NO_CONTINUATION, first_line
from llmstep.errors import GenerationError, ModelFileError

Logits = npt.NDArray[np.float32]

_FAILURES = (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError)


class StoppedError(Exception):
    """The caller asked to stop between two layers; the KV cache is as before the call."""


@attrs.define(eq=False)
class _Memory:
    """What is kept of one prompt.

    Attributes:
        encoded: The encoder's reading of its text, shape (1, tokens, size); ``None`` without one.
        cache: Keys and values of the decoder's tokens.
        length: Number of these tokens.
    """

    encoded: Any = None
    cache: Any = None
    length: int = 0


class HuggingFaceModel:
    """A model and the KV caches of its last prompts.

    One prompt is selected, and all that is said of "the prompt" is about that.

    Attributes:
        rows: Rows of logits: the size of the vocabulary, padding included.
        window: Positions the model was made for; 0 if it does not tell (T5 has no limit).
        ends: Tokens that end a text.
        first_token: Where a decoder starts: what the model was taught to start with.
        is_encoder_decoder: Whether there is an encoder.
    """

    def __init__(self, model: Any, slots: int = 1) -> None:
        self._model: Any = model
        _fuse_gelu(model)
        self._device = str(model.device)
        config = model.config
        self.is_encoder_decoder = bool(config.is_encoder_decoder)
        self._stopped: Callable[[], bool] | None = None
        self.rows = int(self._model.get_output_embeddings().weight.shape[0])
        text = config.get_text_config(decoder=True)
        self.window = int(getattr(text, "max_position_embeddings", 0) or 0)
        self.ends = _token_ids(config, self._model.generation_config, "eos_token_id")
        starts = _token_ids(config, self._model.generation_config, "decoder_start_token_id")
        begins = _token_ids(config, self._model.generation_config, "bos_token_id")
        known = (starts if self.is_encoder_decoder else []) or begins or self.ends or [0]
        self.first_token = known[0]
        self._takes_last_only = takes_argument(model, "logits_to_keep")
        # Its name changed with transformers 5.24.
        self._cache_argument = "cache" if takes_argument(model, "cache") else "past_key_values"
        for module in self._model.modules():
            if isinstance(module, torch.nn.ModuleList):
                for layer in module:
                    layer.register_forward_pre_hook(self._stop)
        self._memories = [_Memory() for _ in range(slots)]
        self._memory = self._memories[0]
        self.clear()

    @property
    def is_open(self) -> bool:
        """Whether the model is there."""
        return self._model is not None

    def select(self, index: int) -> None:
        """Turn to another prompt."""
        self._memory = self._memories[index]

    def clear(self) -> None:
        """Forget all prompts; of an encoder-decoder model also the encoder's texts."""
        for memory in self._memories:
            self._clear(memory)

    def _clear(self, memory: _Memory) -> None:
        memory.encoded, memory.length = None, 0
        if self.is_encoder_decoder:
            memory.cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        else:
            memory.cache = DynamicCache(config=self._model.config)

    def encode(self, tokens: Sequence[int], stopped: Callable[[], bool]) -> None:
        """Set the encoder's text, end token included, and forget what the decoder was fed.

        Raises:
            StoppedError: ``stopped`` said so; there is no text then.
            GenerationError: The library failed; there is no text then.
        """
        self._clear(self._memory)
        with self._watching(stopped), torch.inference_mode():
            output = self._run(self._model.get_encoder(), input_ids=self._tensor([tokens]))
        self._memory.encoded = output.last_hidden_state

    def feed(self, tokens: Sequence[int], stopped: Callable[[], bool]) -> Logits:
        """Append tokens to the prompt.

        Args:
            tokens: The tokens, at least one.
            stopped: Asked before each layer; true ends the call.

        Returns:
            Logits after the last token, shape (1, rows).

        Raises:
            StoppedError: ``stopped`` said so; the prompt is as it was, or empty.
            GenerationError: The library failed.
        """
        memory = self._memory
        before = memory.length
        try:
            with self._watching(stopped):
                logits = self._forward(self._tensor([tokens]), memory.cache)
        except StoppedError:
            memory.length = before + len(tokens)
            if not self.cut(before):
                self.clear_decoder()
            raise
        memory.length = before + len(tokens)
        return logits

    def cut(self, length: int) -> bool:
        """Keep only the first tokens of the prompt; ``False`` if the model knows no way back.

        Recurrent states and sliding windows have lost what lay before.
        """
        layers: list[Any] = self._own_cache.layers
        if any(type(layer) is not DynamicLayer for layer in layers):
            return length == self.length
        for layer in layers:  # after an interruption they differ in length
            layer.crop(min(0, length - layer.get_seq_length()))
        self._memory.length = length
        return True

    @property
    def length(self) -> int:
        """Number of tokens of the prompt in the KV cache."""
        return self._memory.length

    @property
    def bytes_per_token(self) -> float:
        """What keys and values of one token take in the KV cache; 0 where it holds none yet."""
        held = [
            tensor.nbytes
            for layer in self._own_cache.layers
            for tensor in (getattr(layer, "keys", None), getattr(layer, "values", None))
            if tensor is not None
        ]
        return sum(held) / self.length if self.length else 0.0

    @property
    def takes_prompts_whole(self) -> bool:
        """Whether a prompt must be fed in one call, to an empty cache.

        The layers of some recurrent models (Jamba) go on from their state by single tokens only.
        """
        layers = self._own_cache.layers
        return any(isinstance(layer, LinearAttentionCacheLayerMixin) for layer in layers)

    def fork(self) -> ModelBeams:
        """Continuations of the prompt, which itself stays as it is."""
        return ModelBeams(self)

    def check_cache(self) -> None:
        """Try a token: some models keep their state elsewhere than in the cache they are given.

        Raises:
            ModelFileError: This one does.
        """
        try:
            if self.is_encoder_decoder:
                self.encode(self.ends or [0], lambda: False)
            self.feed([self.first_token], lambda: False)
            used = any(map(_is_used, self._own_cache.layers))
            self.fork().step([self.first_token] * 2, [0, 0])
        except GenerationError as error:
            raise ModelFileError(
                f"the model does not run: {error.message}", hint=NO_CONTINUATION
            ) from error
        self.clear()
        if not used:
            raise ModelFileError(
                f"{self._model.config.model_type} models keep their state in a way of their own, "
                "which n candidates cannot share",
                hint="Take a model with attention layers, or its GGUF version.",
            )

    def close(self) -> None:
        """Free the model. A second call does nothing."""
        self._model = None
        self._memories = [self._memory] = [_Memory()]
        gc.collect()  # modules and their hooks refer to each other
        if self._device.startswith("cuda"):
            torch.cuda.empty_cache()

    @property
    def _own_cache(self) -> Any:
        """The cache of the tokens themselves, without that of the encoder's text."""
        cache = self._memory.cache
        return cache.self_attention_cache if self.is_encoder_decoder else cache

    def clear_decoder(self) -> None:
        """Forget what the decoder was fed."""
        encoded = self._memory.encoded
        self._clear(self._memory)
        self._memory.encoded = encoded

    def _forward(self, tokens: torch.Tensor, cache: Cache) -> Logits:
        """Run the decoder; logits after the last token of each row, shape (batch, rows)."""
        inputs: dict[str, Any] = {self._cache_argument: cache, "use_cache": True}
        inputs["return_dict"] = True
        if self.is_encoder_decoder:
            states = self._memory.encoded.expand(len(tokens), -1, -1)
            inputs["encoder_outputs"] = BaseModelOutput(last_hidden_state=states)
            inputs["decoder_input_ids"] = tokens
        else:
            inputs["input_ids"] = tokens
            if self._takes_last_only:
                inputs["logits_to_keep"] = 1
        with torch.inference_mode():
            logits = self._run(self._model, **inputs).logits[:, -1].float()
            if not torch.isfinite(logits.amax(dim=-1)).all():
                raise GenerationError(
                    "the model's logits are no numbers",
                    hint="Its weights may be damaged, or too large for half precision.",
                )
            return logits.cpu().numpy()

    def _run(self, module: Any, **inputs: Any) -> Any:
        try:
            return module(**inputs)
        except torch.OutOfMemoryError as error:
            raise GenerationError(
                f"out of memory on {self._device}: {first_line(error)}",
                hint="Ask for fewer candidates, lower `context_tokens`, or take a smaller model.",
            ) from error
        except _FAILURES as error:
            raise GenerationError(f"the model failed: {first_line(error)}") from error

    def _tensor(self, tokens: Sequence[Sequence[int]]) -> torch.Tensor:
        return torch.tensor(tokens, dtype=torch.long, device=self._device)

    @contextmanager
    def _watching(self, stopped: Callable[[], bool]) -> Iterator[None]:
        """While it is entered, the model asks before each layer whether it should stop."""
        self._stopped = stopped
        try:
            yield
        finally:
            self._stopped = None

    def _stop(self, _module: Any, _inputs: Any) -> None:
        if self._stopped is not None and self._stopped():
            raise StoppedError


class ModelBeams:
    """Continuations of a model's prompt, one row each; all have the same length."""

    def __init__(self, model: HuggingFaceModel) -> None:
        self._model: Any = model
        self._cache: Cache = branch_cache(model._memory.cache)
        self._count = 1

    def step(self, tokens: Sequence[int], parents: Sequence[int]) -> Logits:
        """Append one token to each row.

        Args:
            tokens: Shape (beams,).
            parents: For each beam the row of the last step that it continues, shape (beams,).

        Returns:
            Logits, shape (beams, rows).

        Raises:
            GenerationError: The library failed; the beams are lost, the prompt is not.
        """
        if list(parents) != list(range(self._count)):
            places: Any = torch.tensor(parents, dtype=torch.long, device=self._model._device)
            self._cache.reorder_cache(places)
        self._count = len(parents)
        return self._model._forward(self._model._tensor([[token] for token in tokens]), self._cache)


def _fuse_gelu(model: Any) -> None:
    """Compute GELU by tanh in one call, where the library's module takes eight.

    The formula is the same (Hendrycks and Gimpel 2016, arXiv:1606.08415). Of a suggestion of ByT5
    on a CPU the difference is a sixth of the time.
    """
    for module in model.modules():
        for name, child in module.named_children():
            if type(child) is NewGELUActivation:
                setattr(module, name, torch.nn.GELU(approximate="tanh"))


def _is_used(layer: Any) -> bool:
    """Whether a layer holds something: keys and values, or the state of linear attention."""
    states = getattr(layer, "is_recurrent_states_initialized", {})
    return bool(getattr(layer, "is_initialized", False)) or any(states.values())


def _token_ids(config: Any, generation: Any, key: str) -> list[int]:
    """A setting that is a token or a list of tokens; what is said on generation goes first."""
    for source in (generation, config):
        value = getattr(source, key, None)
        if value is not None:
            return [int(token) for token in (value if isinstance(value, list) else [value])]
    return []
