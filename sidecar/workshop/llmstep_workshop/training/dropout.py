"""One dropout rate for models of any architecture."""

from __future__ import annotations

import torch

from llmstep_workshop.training.distributed import find_blocks

# Modules of transformers that keep a rate as a number, and no layer for it.
_RATE_ATTRIBUTES = ("attention_dropout", "dropout", "activation_dropout")
_SUBLAYERS = ("attn", "attention", "mlp", "feed_forward")


def apply_dropout(model: torch.nn.Module, rate: float | None) -> None:
    """Set the rate everywhere the model drops something while it trains.

    Architectures that were made without dropout (Llama, Qwen) drop attention weights only; for
    them the outputs of attention and feed-forward layers are dropped as well, where GPT-2 and T5
    do it. Without a rate the model stays as it is.
    """
    if rate is None:
        return
    layers = [module for module in model.modules() if isinstance(module, torch.nn.Dropout)]
    for layer in layers:
        layer.p = rate
    for module in model.modules():
        for name in _RATE_ATTRIBUTES:
            if isinstance(getattr(module, name, None), float | int):
                setattr(module, name, rate)
    if layers or not rate:
        return
    for block in find_blocks(model):
        for name, part in block.named_children():
            if any(word in name for word in _SUBLAYERS) and "norm" not in name:
                part.register_forward_hook(_Dropping(rate))


class _Dropping:
    """A forward hook that drops parts of a module's output, or of the first of its outputs."""

    def __init__(self, rate: float) -> None:
        self._rate = rate

    def __call__(self, module: torch.nn.Module, _inputs: object, output: object) -> object:
        if isinstance(output, tuple):
            return (self._drop(module, output[0]), *output[1:])
        return self._drop(module, output)

    def _drop(self, module: torch.nn.Module, value: object) -> object:
        if not isinstance(value, torch.Tensor):
            return value
        return torch.nn.functional.dropout(value, self._rate, module.training)
