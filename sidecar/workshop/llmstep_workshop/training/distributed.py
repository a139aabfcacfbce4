"""Several processes that train one model together, on one machine or on many.

``torchrun`` and ``accelerate launch`` start them and tell each its place in the environment
(``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``, ``MASTER_ADDR``, ``MASTER_PORT``:
https://docs.pytorch.org/docs/stable/elastic/run.html). accelerate makes the group and sends tensors
through it. The weights are either whole in every process (data parallel) or each process keeps a
share of them (fully sharded, FSDP2). The sharding is torch's own: accelerate's exists on GPUs only,
and a run in shares continues on a CPU.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import attrs
import torch
from accelerate import PartialState
from accelerate.utils import broadcast, reduce
from torch.distributed import DistError, is_initialized
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from llmstep_workshop.errors import ProcessGroupError
from llmstep_workshop.training.batches import Batch

Manner = Literal["ddp", "fsdp"]


@attrs.frozen
class World:
    """The processes of a run, as one of them sees it.

    Attributes:
        rank: Number of this process.
        size: How many there are.
        device: Where this process computes.
        manner: How they share the model, where there are several.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = attrs.field(factory=lambda: torch.device("cpu"))
    manner: Manner = "ddp"

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0

    @property
    def is_sharded(self) -> bool:
        """Whether each process has a share of the weights only."""
        return self.size > 1 and self.manner == "fsdp"

    @property
    def gradient_scale(self) -> float:
        """Factor on the loss: FSDP averages the gradients of processes, and they must be summed."""
        return float(self.size) if self.is_sharded else 1.0

    def agree(self, value: float) -> float:
        """The first process's value, in all of them: their clocks differ."""
        if self.size == 1:
            return value
        return float(broadcast(self._carry([value]))[0])

    def add(self, values: Sequence[float]) -> list[float]:
        """Sums of the values over the processes."""
        if self.size == 1:
            return list(values)
        return _add_up(self._carry(values)).tolist()

    def split(self, batches: Sequence[Batch]) -> list[tuple[int, Batch]]:
        """This process's part of a step: whole batches if they come out even, else rows of each.

        All processes get the same number of batches.

        Returns:
            Batches, each with its number among those given.
        """
        numbered = list(enumerate(batches))
        if len(batches) % self.size == 0:
            return numbered[self.rank :: self.size]
        return [(number, batch.take(self.rank, self.size)) for number, batch in numbered]

    def prepare(self, model: torch.nn.Module, *, bf16: bool) -> None:
        """Put a model on the device and give each process its share, or the first one's weights."""
        if self.is_sharded:
            policy = MixedPrecisionPolicy(
                param_dtype=torch.bfloat16 if bf16 else None,
                reduce_dtype=torch.float32 if bf16 else None,
            )
            mesh = init_device_mesh(self.device.type, (self.size,))
            for block in find_blocks(model):
                fully_shard(block, mesh=mesh, mp_policy=policy)
            fully_shard(model, mesh=mesh, mp_policy=policy)
        model.to(self.device)
        if self.size > 1 and not self.is_sharded:
            broadcast(model.state_dict())

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Sum the gradients over the processes; where weights are sharded, that has happened."""
        if self.size == 1 or self.is_sharded:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        # One transfer for all: each has a cost of its own, however small it is.
        flat = _add_up(torch.cat([gradient.flatten() for gradient in gradients]))
        parts = flat.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def close(self) -> None:
        """Leave the group of processes, together with all others."""
        if is_initialized():
            # Who leaves closes its connections: nobody may be waiting for a message on them.
            state = PartialState()
            state.wait_for_everyone()
            state.destroy_process_group()

    def _carry(self, values: Sequence[float]) -> torch.Tensor:
        # NCCL transfers the GPU's memory, gloo the CPU's.
        return torch.tensor(values, dtype=torch.float64).to(self.device)


def join(manner: Manner) -> World:
    """Take part in the run that the environment describes; without one, run alone.

    Each process takes a GPU of its own; a single one Apple's too; else the CPU.

    Raises:
        ProcessGroupError: There are more processes than GPUs, or they do not find each other.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    local, size = (int(os.environ.get(n) or d) for n, d in (("LOCAL_RANK", 0), ("WORLD_SIZE", 1)))
    # accelerate would give two processes the same GPU.
    if gpus and local >= gpus:
        raise ProcessGroupError(
            f"process {local} of this machine has no GPU: there are {gpus}",
            hint=f"Start {gpus} processes on this machine (--nproc-per-node {gpus}), or set "
            "CUDA_VISIBLE_DEVICES to an empty text to train on the CPU.",
        )
    try:
        state = PartialState(cpu=not gpus and size > 1)
    except (RuntimeError, ValueError, DistError) as error:
        raise ProcessGroupError(
            f"process {os.environ.get('RANK')} of {size} could not join the others: {error}"
        ) from error
    assert state.device is not None
    return World(state.process_index, state.num_processes, state.device, manner)


def _add_up(values: torch.Tensor) -> torch.Tensor:
    """The sum of the processes' values, element by element."""
    summed = reduce(values, "sum")
    assert isinstance(summed, torch.Tensor)
    return summed


def computes_bf16(device: torch.device) -> bool:
    """Whether a device multiplies in bfloat16: GPUs from 2020 on, some CPUs, Apple's not yet.

    Without instructions for it a CPU takes many times as long as in float32.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    if device.type != "cpu":
        return False
    # A torch before 2.11 does not tell: float32 is right everywhere.
    has = getattr(torch.cpu, "get_capabilities", dict)()
    return any(has.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def find_blocks(model: torch.nn.Module) -> list[torch.nn.Module]:
    """The layers of a model: members of its outermost module lists, in order."""
    blocks: list[torch.nn.Module] = []
    for child in model.children():
        blocks += list(child) if isinstance(child, torch.nn.ModuleList) else find_blocks(child)
    return blocks


def gather(value: Any) -> Any:
    """A nest of dictionaries and lists with every sharded tensor whole, and all of them on the CPU.

    All processes must call it together, with the same keys in the same order.
    """
    if isinstance(value, DTensor):
        value = value.full_tensor()
    if isinstance(value, torch.Tensor):
        return value.detach().cpu()
    if isinstance(value, Mapping):
        return {key: gather(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [gather(inner) for inner in value]
    return value


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load an optimizer's whole state, each tensor sharded as its weight is."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    shared = {
        key: {name: _shard_like(parameters[key], value) for name, value in entry.items()}
        for key, entry in state["state"].items()
    }
    optimizer.load_state_dict({**state, "state": shared})


def _shard_like(parameter: torch.Tensor, value: Any) -> Any:
    if isinstance(parameter, DTensor) and isinstance(value, torch.Tensor) and value.ndim:
        value = value.to(parameter.device)
        return distribute_tensor(value, parameter.device_mesh, parameter.placements)
    return value
