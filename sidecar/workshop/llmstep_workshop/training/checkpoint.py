"""Checkpoints that survive a kill at any moment and a full disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import attrs
import torch

from llmstep.replacement import replacing
from llmstep_workshop.errors import CheckpointError

FILE_NAME = "checkpoint.pt"
BEST_NAME = "best.pt"


@attrs.define
class RunProgress:
    """Where a run stands.

    Attributes:
        step: Optimizer steps taken.
        pass_index: Pass of the next batch.
        batch_index: Number of the next batch within the pass.
        tokens: Tokens trained on, padding not counted.
        seconds: Wall time over all sessions of the run.
        smoothed_loss: Running mean of the training loss (nats per tactic token).
        curve: (step, seconds, training loss, validation loss or None), the losses as above.
        share: Share of the current pass's rows that are done.
        best_loss: Least validation loss so far, of a run that keeps its best weights.
        best_step: Step at which it was measured.
        stale: How many times it was measured since.
    """

    step: int = 0
    pass_index: int = 0
    batch_index: int = 0
    tokens: int = 0
    seconds: float = 0.0
    smoothed_loss: float = 0.0
    curve: list[tuple[int, float, float, float | None]] = attrs.field(factory=list)
    share: float = 0.0
    best_loss: float | None = None
    best_step: int = 0
    stale: int = 0


def write_checkpoint(
    path: Path,
    model: dict[str, Any],
    optimizers: list[dict[str, Any]],
    progress: RunProgress,
    fingerprint: str,
    architecture: dict[str, Any],
) -> None:
    """Write a checkpoint beside the old one, then replace that in a single step.

    Raises:
        CheckpointError: It cannot be written; the old one is whole in any case.
    """
    payload = {
        "model": model,
        "optimizers": optimizers,
        "progress": attrs.asdict(progress),
        "fingerprint": fingerprint,
        "architecture": architecture,
    }
    try:
        with replacing(path) as partial, partial.open("wb") as stream:
            torch.save(payload, stream)
            stream.flush()
            os.fsync(stream.fileno())
    # torch reports a failed write of its zip container as RuntimeError.
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"{path}: the checkpoint could not be written: {error}",
            hint="Free some disk space and run the same command again: it continues from the "
            "previous checkpoint, which is intact.",
        ) from error


def read_checkpoint(
    path: Path, fingerprint: str | None, architecture: dict[str, Any] | None
) -> dict[str, Any] | None:
    """Read a checkpoint, or ``None`` when there is none yet.

    Args:
        path: The file.
        fingerprint: What the recipe's must be; ``None`` accepts any.
        architecture: What the model's must be; ``None`` accepts any.

    Raises:
        CheckpointError: It is damaged, or of another model or recipe; says what differs.
    """
    if not path.exists():
        return None
    try:
        payload = torch.load(path, map_location="cpu", weights_only=True)
        found = payload["architecture"]
        payload["progress"] = RunProgress(**payload["progress"])
    except Exception as error:
        raise CheckpointError(
            f"{path}: not a readable checkpoint: {error}",
            hint="Delete the file to start afresh, or restore it from a copy.",
        ) from error
    if architecture is not None and found != architecture:
        differing = ", ".join(
            f"{key} {found.get(key)} there, {architecture.get(key)} here"
            for key in sorted(found.keys() | architecture.keys())
            if found.get(key) != architecture.get(key)
        )
        raise CheckpointError(f"{path}: a checkpoint of another architecture: {differing}")
    if fingerprint is not None and payload["fingerprint"] != fingerprint:
        raise CheckpointError(
            f"{path}: written by a recipe with other data, seed or rates",
            hint="Continue with the recipe it was made with, or choose another --run-dir.",
        )
    return payload
