"""Activations of the transformers library that torch computes in one call."""

from __future__ import annotations

from typing import Any

import torch
from transformers.activations import NewGELUActivation


def fuse_gelu(model: Any) -> None:
    """Compute GELU by tanh in one call, where the library's module takes eight.

    The formula is the same (Hendrycks and Gimpel 2016, arXiv:1606.08415). Of a suggestion of ByT5
    on a CPU the difference is a sixth of the time.
    """
    for module in model.modules():
        for name, child in module.named_children():
            if type(child) is NewGELUActivation:
                setattr(module, name, torch.nn.GELU(approximate="tanh"))
