"""Errors of the training commands; each carries a hint, as everywhere in llmstep."""

from __future__ import annotations

from llmstep.errors import LLMStepError


class TrainingDataError(LLMStepError):
    """Training or evaluation data that cannot be used: the message names file, line and field."""

    default_hint = "Correct the line, or remove it."


class RecipeError(LLMStepError):
    """A training recipe (TOML) with an unknown key, a missing key or an impossible value."""

    default_hint = (
        "Compare it with models/recipes/builtin.toml; docs/training.md explains each key."
    )


class CheckpointError(LLMStepError):
    """A checkpoint that cannot be written, read, or continued with this recipe."""

    default_hint = "Choose another --run-dir to start afresh."


class DivergenceError(LLMStepError):
    """The loss or its gradient stopped being a number."""

    default_hint = "Lower the learning rates and start again; the last good checkpoint is kept."


class MemoryShortageError(LLMStepError):
    """A model, or one of its batches, does not fit into the memory of the device."""

    default_hint = "Lower batch_tokens and raise accumulate by the same factor."


class ProcessGroupError(LLMStepError):
    """Processes that were started together cannot train together."""

    default_hint = "Start them with `torchrun` or `accelerate launch`; docs/training.md shows how."
