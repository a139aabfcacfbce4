"""Block expansion: a decoder gets more layers and computes, at first, the same as before.

After LLaMA Pro (arXiv:2401.02415): a new layer is a copy of the one below it whose two output
matrices are zero, so that the residual stream passes through unchanged until they have learned.
"""

from __future__ import annotations

import copy
from typing import Any

import torch

from llmstep_workshop.errors import RecipeError
from llmstep_workshop.training.distributed import find_blocks

# The last matrix of attention and of the feed-forward part: Llama's names, and GPT-NeoX's.
_OUTPUTS = ("o_proj", "down_proj", "dense", "dense_4h_to_h")


def expand_blocks(model: Any, layers: int) -> None:
    """Add copies of a decoder's layers, evenly spread, until there are ``layers``.

    Args:
        model: A decoder of transformers; it is changed in place.
        layers: Number of layers afterwards: no fewer than there are, and at most twice as many.

    Raises:
        RecipeError: The number is out of that range, or the layers are of a kind whose outputs
            are not known.
    """
    blocks = find_blocks(model)
    old = len(blocks)
    if not old <= layers <= 2 * old:
        raise RecipeError(
            f"base.layers: {layers}, where the base model has {old} layers",
            hint=f"Give {old} to {2 * old}; for more, expand the result of a run once more.",
        )
    added = layers - old
    grown: list[torch.nn.Module] = []
    for number, block in enumerate(blocks):
        grown.append(block)
        if (number + 1) * added // old > number * added // old:
            grown.append(_copy_silenced(block))
    owner, name = _find_list(model, blocks[0])
    setattr(owner, name, torch.nn.ModuleList(grown))
    for number, block in enumerate(grown):
        _number(block, number)
    config = model.config.get_text_config(decoder=True)
    config.num_hidden_layers = layers
    kinds = getattr(config, "layer_types", None)
    if kinds is not None:
        config.layer_types = [kinds[0]] * layers


def _copy_silenced(block: torch.nn.Module) -> torch.nn.Module:
    twin = copy.deepcopy(block)
    outputs = [
        module
        for name, module in twin.named_modules()
        if name.rpartition(".")[2] in _OUTPUTS and isinstance(module, torch.nn.Linear)
    ]
    if len(outputs) != 2:
        raise RecipeError(
            f"base.layers: layers of the kind {type(block).__name__} cannot be copied without "
            "changing what the model computes",
            hint="Leave `layers` out; Llama, Mistral, Qwen and GPT-NeoX models can be expanded.",
        )
    for module in outputs:
        torch.nn.init.zeros_(module.weight)
        if module.bias is not None:
            torch.nn.init.zeros_(module.bias)
    return twin


def _number(block: torch.nn.Module, number: int) -> None:
    """Tell a layer's parts which layer they are: the key of their place in a KV cache."""
    part: Any
    for part in block.modules():
        if hasattr(part, "layer_idx"):
            part.layer_idx = number


def _find_list(model: torch.nn.Module, first: torch.nn.Module) -> tuple[torch.nn.Module, str]:
    """The module that holds the list of layers, and the list's name in it."""
    for owner in model.modules():
        for name, child in owner.named_children():
            if isinstance(child, torch.nn.ModuleList) and len(child) and child[0] is first:
                return owner, name
    raise AssertionError("find_blocks found it")
