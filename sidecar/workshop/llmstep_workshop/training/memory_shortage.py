"""Memory that runs out while a model trains: how much there is, and what to lower."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from llmstep.backends.hf_library import free_device_memory
from llmstep.backends.machine_memory import free_memory
from llmstep_workshop.errors import MemoryShortageError
from llmstep_workshop.training.distributed import World
from llmstep_workshop.training.recipe import Recipe

# What PyTorch's allocators for CPU and Apple GPUs say; CUDA's raises a class of its own.
_SIGNS = ("can't allocate memory", "not enough memory", "out of memory")


def memory_per_share(world: World) -> int:
    """Free bytes for one copy of the model: of this process, or of all where they share one."""
    on_device = free_device_memory(world.device.type)
    free = free_memory() if on_device is None else on_device
    if on_device is None and world.size > 1 and not world.is_sharded:
        return free // world.size
    return free * world.size if on_device is not None and world.is_sharded else free


@contextlib.contextmanager
def explaining_shortage(recipe: Recipe) -> Iterator[None]:
    """Turn a failed allocation into an error that says what to lower.

    Raises:
        MemoryShortageError: The code inside ran out of memory.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error)
        kinds = (MemoryError, torch.OutOfMemoryError)
        if not isinstance(error, kinds) and not any(sign in text.lower() for sign in _SIGNS):
            raise
        reason = text.strip().partition("\n")[0] or type(error).__name__
        raise MemoryShortageError(
            f"the memory does not suffice: {reason}", hint=_advise(recipe)
        ) from error


def _advise(recipe: Recipe) -> str:
    plan, base = recipe.optimization, recipe.base
    advice = [
        f"lower optimization.batch_tokens ({plan.batch_tokens}) and raise accumulate "
        f"({plan.accumulate}) by the same factor"
    ]
    if base is None:
        advice.append("take a smaller architecture")
    else:
        if not base.gradient_checkpointing:
            advice.append("set base.gradient_checkpointing = true")
        if base.lora is None:
            advice.append("train adapters ([base.lora])")
        advice.append("share the model among several processes (--parallel fsdp)")
    return f"In this order: {'; '.join(advice)}. The last checkpoint is kept."
