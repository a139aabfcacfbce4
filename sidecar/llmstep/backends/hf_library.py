"""torch and transformers: import them once, keep them quiet, choose where and how a model runs."""

from __future__ import annotations

import functools
import inspect
import os
from typing import TYPE_CHECKING, Any

import attrs

from llmstep.errors import BackendUnavailableError
from llmstep.paths import install_command

if TYPE_CHECKING:
    import torch

    from llmstep.backends.base import Precision

_INSTALL = f"Install it with `{install_command('hf')}`."
_OLDEST = 5


@attrs.frozen
class Placement:
    """Where a model runs, and in which number format.

    Attributes:
        device: ``cpu``, ``cuda`` or ``mps``.
        dtype: Format of weights and activations; with ``int8``, of all but the linear layers.
    """

    device: str
    dtype: torch.dtype
    int8: bool = False

    @property
    def bytes_per_weight(self) -> int:
        """Bytes one weight takes."""
        return self.dtype.itemsize


def takes_argument(model: Any, name: str) -> bool:
    """Whether a model's forward pass knows an argument.

    The signature is asked, which sees through the library's decorators, as a code object does not.
    """
    return name in inspect.signature(model.forward).parameters


@functools.cache
def load_library() -> None:
    """Make the transformers package ready for use.

    Raises:
        BackendUnavailableError: It or torch is not installed, too old, or does not load.
    """
    # Its threads and ours would fight over the cores, and it warns on stderr about forks.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        import torch  # noqa: F401  transformers imports without it, and fails much later
        import transformers
        from transformers.utils import logging
    except ImportError as error:
        raise BackendUnavailableError(
            f"the transformers backend needs torch and transformers: {error}", hint=_INSTALL
        ) from error
    except OSError as error:  # the package is there, one of its shared libraries is not
        raise BackendUnavailableError(f"torch cannot be loaded: {error}", hint=_INSTALL) from error
    if int(transformers.__version__.split(".")[0]) < _OLDEST:
        raise BackendUnavailableError(
            f"transformers {transformers.__version__} is too old: {_OLDEST}.0 or newer is needed",
            hint=_INSTALL,
        )
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def choose_placement(precision: Precision, *, encoder_decoder: bool) -> Placement:
    """The fastest device, and the smallest format it computes in without harm.

    A CPU gets bfloat16 only where it multiplies it in hardware (AMX, AVX512-BF16): elsewhere it
    would be slower than float32.

    Raises:
        BackendUnavailableError: The format is not one of this device.
    """
    import torch

    if torch.cuda.is_available():
        device = "cuda"
        half = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    elif torch.backends.mps.is_available():
        device, half = "mps", torch.float16
    else:
        device = "cpu"
        half = torch.bfloat16 if _multiplies_bfloat16() else torch.float32
    if precision == "int8":
        if device != "cpu":
            raise BackendUnavailableError(
                f"int8 is computed on the CPU only, and this machine has a GPU ({device})",
                hint='Set `precision = "auto"`: the GPU is faster with 16 bits.',
            )
        return Placement(device, torch.float32, int8=True)
    if precision != "auto":
        half = getattr(torch, precision)
    elif encoder_decoder and half == torch.float16:
        half = torch.float32  # T5 was trained in bfloat16, and overflows
    return Placement(device, half)


def free_device_memory(device: str) -> int | None:
    """Free bytes of a GPU with a memory of its own; ``None`` where it is the machine's."""
    import torch

    return torch.cuda.mem_get_info()[0] if device == "cuda" else None


def _multiplies_bfloat16() -> bool:
    import torch

    # Public from torch 2.10 on; older ones go without.
    known = getattr(torch.cpu, "get_capabilities", None)
    features = known() if known else {}
    return bool(features.get("amx_bf16") or features.get("avx512_bf16") or features.get("bf16"))
