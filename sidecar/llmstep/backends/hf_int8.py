"""Linear layers in 8 bits on the CPU: weights quantized once, activations at each call.

A row of weights has one scale, and so has each token's row of activations; the products are summed
as 32-bit integers. That is the dynamic quantization of torchao
(``Int8DynamicActivationInt8WeightConfig``), on the same kernel (``torch._int_mm``, oneDNN). Of its
two other implementations torch's own is deprecated and rounds both sides to one scale per matrix,
with twice the error; torchao is one more library to install, and talks on stderr.

A suggestion of ByT5-small's shape takes a third of the time it does in float32, and about that of
bfloat16 where the CPU has it (``tests/bench/bench_precision.py``).
"""

from __future__ import annotations

from typing import Any

import torch

from llmstep.errors import BackendUnavailableError, ModelFileError

# Without types: the kernel is not among torch's public names.
_torch: Any = torch
_TOP = 127
_SMALLEST = 1e-8


class Int8Linear(torch.nn.Module):
    """A linear layer with its weights in 8 bits.

    Attributes:
        weight: Shape (outputs, inputs), 8-bit integers.
        scale: Shape (outputs,), what one step of each row is worth.
        bias: Shape (outputs,), or ``None``.
    """

    weight: torch.Tensor
    scale: torch.Tensor
    bias: torch.Tensor | None

    def __init__(self, layer: torch.nn.Linear) -> None:
        super().__init__()
        values, scale = _round(layer.weight.detach().float())
        self.register_buffer("weight", values)
        self.register_buffer("scale", scale.squeeze(1))
        bias = layer.bias
        self.register_buffer("bias", None if bias is None else bias.detach().float())

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Apply the layer; inputs and result of shape (..., size), in the inputs' format."""
        rows, scale = _round(inputs.reshape(-1, inputs.shape[-1]).float())
        outputs = _torch._int_mm(rows, self.weight.t()).float() * scale * self.scale
        if self.bias is not None:
            outputs += self.bias
        return outputs.reshape(*inputs.shape[:-1], -1).to(inputs.dtype)


def quantize_layers(model: Any, name: str) -> None:
    """Put the model's linear layers into 8 bits, and the rest into float32.

    The layer that gives the logits stays as it is: its rounding would go into every score.

    Raises:
        BackendUnavailableError: This torch cannot multiply 8-bit integers here.
        ModelFileError: The model has no linear layers of the usual kind.
    """
    _try_kernel()
    last = model.get_output_embeddings()
    # One at a time, so that a layer's own weights go before the next ones are rounded.
    places = [
        (parent, key)
        for parent in model.modules()
        for key, layer in parent.named_children()
        if type(layer) is torch.nn.Linear and layer is not last
    ]
    if not places:
        raise ModelFileError(
            f"{name} has no layers that can be computed in 8 bits",
            hint='Set `precision = "auto"`, or take the GGUF version of the model.',
        )
    for parent, key in places:
        setattr(parent, key, Int8Linear(getattr(parent, key)))
    model.float()


def _round(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows as 8-bit integers, and what one step of each row is worth, shape (rows, 1)."""
    scale = rows.abs().amax(dim=1, keepdim=True).clamp_min(_SMALLEST) / _TOP
    return (rows / scale).round().to(torch.int8), scale


def _try_kernel() -> None:
    ones = torch.ones(2, 16, dtype=torch.int8)
    try:
        product = _torch._int_mm(ones, ones.t())
        works = product.dtype == torch.int32 and bool((product == ones.shape[1]).all())
    except (AttributeError, RuntimeError) as error:
        raise BackendUnavailableError(
            f"torch {torch.__version__} cannot multiply 8-bit integers on this CPU: {error}",
            hint='Set `precision = "auto"`, or update torch.',
        ) from error
    if not works:
        raise BackendUnavailableError(
            f"torch {torch.__version__} multiplies 8-bit integers wrongly on this CPU",
            hint='Set `precision = "auto"`, or update torch.',
        )
