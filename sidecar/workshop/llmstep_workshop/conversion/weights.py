"""The weights of a Hugging Face folder, one tensor at a time, as 32-bit floats.

A safetensors file is mapped, by the reader of the `gguf` package: it needs no torch, and no more
memory than one tensor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from gguf.utility import LocalTensor, SafetensorsLocal

from llmstep.errors import BackendUnavailableError
from llmstep.paths import install_command
from llmstep_workshop.errors import ConversionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from llmstep.backends.hf_files import Checkpoint

    Array = npt.NDArray[Any]

# BF16 is the upper half of a 32-bit float; numpy has no type for it.
_FORMATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}


class Weights(Protocol):
    """Tensors by name."""

    def names(self) -> Iterable[str]:
        """Names of all tensors."""
        ...

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor."""
        ...

    def stored_as(self, name: str) -> str:
        """Number format of a tensor in the folder: F64, F32, F16 or BF16."""
        ...

    def read(self, name: str) -> Array:
        """A tensor in 32 bits.

        Raises:
            ConversionError: It holds NaN or infinity, or is in a format that is no float.
        """
        ...


def open_weights(checkpoint: Checkpoint) -> Weights:
    """The weights of a folder that `read_checkpoint` found to be whole.

    Raises:
        ConversionError: A file cannot be read.
        BackendUnavailableError: Pickles need torch, which is not installed.
    """
    if checkpoint.pickled:
        return _PickledWeights(checkpoint.weights)
    return _SafetensorsWeights(checkpoint.weights)


class _SafetensorsWeights:
    def __init__(self, files: Sequence[Path]) -> None:
        self._tensors: dict[str, LocalTensor] = {}
        for file in files:
            self._tensors |= SafetensorsLocal(file).tensors

    def names(self) -> Iterable[str]:
        return self._tensors

    def shape(self, name: str) -> tuple[int, ...]:
        return self._tensors[name].shape

    def stored_as(self, name: str) -> str:
        return self._tensors[name].dtype

    def read(self, name: str) -> Array:
        tensor = self._tensors[name]
        if tensor.dtype not in _FORMATS:
            raise _odd_format(name, tensor.dtype)
        try:
            stored = tensor.mmap_bytes().view(_FORMATS[tensor.dtype]).reshape(tensor.shape)
        except OSError as error:
            file = tensor.data_range.filename
            raise ConversionError(f"{file} cannot be read: {error}") from error
        if tensor.dtype == "BF16":
            values = (stored.astype(np.uint32) << 16).view(np.float32)
        else:
            values = stored.astype(np.float32)
        return _check_numbers(name, np.asarray(values))


class _PickledWeights:
    """Pickles, read with PyTorch's restricted unpickler; the caller has been asked."""

    def __init__(self, files: Sequence[Path]) -> None:
        try:
            import torch
        except ImportError as error:
            raise BackendUnavailableError(
                "weights in a pickle (pytorch_model.bin) need torch, which is not installed",
                hint=f"Install it with `{install_command('hf')}`.",
            ) from error
        self._torch: Any = torch
        self._tensors: dict[str, Any] = {}
        for file in files:
            try:
                self._tensors |= _load_pickle(torch, file)
            except Exception as error:  # the unpickler raises what it likes
                reason = str(error).strip().partition("\n")[0]
                raise ConversionError(
                    f"{file} cannot be read: {reason}", hint="Download the file again."
                ) from error

    def names(self) -> Iterable[str]:
        return self._tensors

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._tensors[name].shape)

    def stored_as(self, name: str) -> str:
        torch = self._torch
        kinds = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16"}
        kinds[torch.bfloat16] = "BF16"
        dtype = self._tensors[name].dtype
        return kinds.get(dtype, str(dtype))

    def read(self, name: str) -> Array:
        kind = self.stored_as(name)
        if kind not in _FORMATS:
            raise _odd_format(name, kind)
        return _check_numbers(name, self._tensors[name].to(self._torch.float32).numpy())


def _load_pickle(torch: Any, file: Path) -> dict[str, Any]:
    try:
        return torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError:  # files from before PyTorch 1.6 cannot be mapped
        return torch.load(file, map_location="cpu", weights_only=True)


def _odd_format(name: str, kind: str) -> ConversionError:
    return ConversionError(
        f"the tensor {name} is stored as {kind}, which is no plain float",
        hint="Take the model's original weights, not a version that is quantized already.",
    )


def _check_numbers(name: str, values: Array) -> Array:
    # A sum is not finite if any term is not; it reads the tensor once and needs no mask as large.
    with np.errstate(over="ignore", invalid="ignore"):
        sound = bool(np.isfinite(values.sum(dtype=np.float64)))
    if not sound:
        raise ConversionError(
            f"the tensor {name} holds values that are no numbers (NaN or infinity)",
            hint="The weights are damaged: download them again, or take an earlier checkpoint.",
        )
    return values
