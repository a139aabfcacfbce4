"""What a training run trains: a new model, or a pretrained one that goes on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import attrs
import torch

from llmstep_workshop.data.rows import Row
from llmstep_workshop.training.batches import Batch
from llmstep_workshop.training.tokenizer import EncodedPair


@attrs.frozen
class Losses:
    """Losses of one batch, in nats.

    Attributes:
        tactic: Sum over the tactics' tokens.
        prompt: Sum over the prompts' targets; ``None`` if it was not asked for.
    """

    tactic: torch.Tensor
    prompt: torch.Tensor | None = None


class Learner(Protocol):
    """A model, its tokenizer, and the way from one to the other.

    Attributes:
        model: The torch module that is trained; those of its weights that are not stay as they are.
        architecture: What makes the weights of a checkpoint fit this model: plain values.
    """

    model: Any
    architecture: dict[str, Any]

    def encode(self, rows: Sequence[Row]) -> list[EncodedPair]:
        """Encode ``rows``; the result has the same length and order."""
        ...

    def collate(self, pairs: Sequence[EncodedPair]) -> Batch:
        """Stack pairs into a batch."""
        ...

    def compute_losses(self, batch: Batch, *, with_prompts: bool) -> Losses:
        """The losses of a batch.

        Args:
            batch: The batch, on the model's device.
            with_prompts: Whether to measure the loss on the targets in ``prompts`` too.
        """
        ...

    def learned(self, state: dict[str, Any]) -> dict[str, Any]:
        """The part of the model's state that training changes."""
        ...

    def load(self, state: dict[str, Any]) -> None:
        """Take over what ``learned`` gave."""
        ...

    def export(self, folder: Path) -> None:
        """Write a Hugging Face folder: config.json, weights and tokenizer."""
        ...
