"""KV caches that begin with the same tokens: the shared part is kept once."""

from __future__ import annotations

import copy
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer, EncoderDecoderCache


def branch_cache(prompt: Any) -> Cache:
    """A cache whose rows go on from a prompt's, which has one row and stays as it is."""
    if not isinstance(prompt, EncoderDecoderCache):
        return Cache(layers=[_branch(layer) for layer in prompt.layers])
    own: Any = [_branch(layer) for layer in prompt.self_attention_cache.layers]
    texts: Any = prompt.cross_attention_cache.layers
    shared: Any = [_TextLayer(layer) for layer in texts]
    return EncoderDecoderCache(Cache(layers=own), Cache(layers=shared))


class _BranchLayer(DynamicLayer):
    """Keys and values of one layer for several rows that begin with the same tokens.

    What they share has shape (1, heads, shared, size) and is never copied into the rows;
    ``keys`` and ``values`` hold the rows' own tokens, shape (rows, heads, own, size).
    """

    def __init__(self, shared: DynamicLayer) -> None:
        super().__init__()
        self._shared_keys: Any = shared.keys
        self._shared_values: Any = shared.values

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append to each row; returns all of its keys and values."""
        keys, values = super().update(key_states, value_states)
        return _join(self._shared_keys, keys), _join(self._shared_values, values)

    def get_seq_length(self) -> int:
        """Tokens of a row."""
        return self._shared_keys.shape[-2] + super().get_seq_length()

    def reorder_cache(self, beam_idx: torch.Tensor) -> None:
        """Let rows take over the tokens of others."""
        if super().get_seq_length():
            self.keys = self.keys.index_select(0, beam_idx)  # pyright: ignore[reportOptionalMemberAccess]
            self.values = self.values.index_select(0, beam_idx)  # pyright: ignore[reportOptionalMemberAccess]


class _TextLayer(DynamicLayer):
    """Keys and values of the encoder's text: the same for all rows, so that a view suffices."""

    def __init__(self, text: DynamicLayer) -> None:
        super().__init__()
        self.keys, self.values = text.keys, text.values
        self.is_initialized = True

    def reorder_cache(self, beam_idx: torch.Tensor) -> None:
        """Repeat the one row for each of the beams."""
        count = len(beam_idx)
        self.keys = self.keys[:1].expand(count, -1, -1, -1)  # pyright: ignore[reportOptionalSubscript]
        self.values = self.values[:1].expand(count, -1, -1, -1)  # pyright: ignore[reportOptionalSubscript]


def _branch(layer: Any) -> Any:
    """A layer that grows apart from the prompt's; only full attention can share."""
    return _BranchLayer(layer) if type(layer) is DynamicLayer else copy.deepcopy(layer)


def _join(shared: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    return torch.cat([shared.expand(own.shape[0], -1, -1, -1), own], dim=-2)
