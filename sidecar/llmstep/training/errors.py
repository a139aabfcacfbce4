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


class ExportError(LLMStepError):
    """A model folder that cannot be written as GGUF."""

    default_hint = "Give the folder `model` of a run of `llmstep train`."


class DataOutputError(LLMStepError):
    """A data file or its sheet that cannot be written; the old one is whole."""

    default_hint = "Free some disk space, or choose another --output."


class LeanCheckError(LLMStepError):
    """Rows that cannot be run in Lean: there is no Lean, or it does not answer as it should."""

    default_hint = "Install Lean (https://lean-lang.org/install), or name a command with --lean."
