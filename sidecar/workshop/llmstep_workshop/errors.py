"""Errors of the workshop's commands; each carries a hint, as everywhere in llmstep."""

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


class DataOutputError(LLMStepError):
    """A data file or its sheet that cannot be written; the old one is whole."""

    default_hint = "Free some disk space, or choose another --output."


class LeanRunError(LLMStepError):
    """Lean cannot be started, or everything it runs was stopped."""

    default_hint = "Install Lean: https://lean-lang.org/install."


class LeanCheckError(LLMStepError):
    """Rows that cannot be run in Lean: there is no Lean, or it does not answer as it should."""

    default_hint = "Install Lean (https://lean-lang.org/install), or name a command with --lean."


class ConversionError(LLMStepError):
    """A model folder that cannot be written as GGUF, or a file that does not match its folder."""

    default_hint = "docs/models.md names the models that can be converted."


class TheoremFileError(LLMStepError):
    """A file of theorems that cannot be used: the message names file, line and field."""

    default_hint = (
        "Give a .lean file with theorems in it, or JSON lines with `header` and `formal_statement`."
    )


class LeanProjectError(LLMStepError):
    """The Lean project cannot run a proof search: no lake, not built, or without llmstep."""

    default_hint = (
        "In the project: require llmstep in the lakefile, `lake update --keep-toolchain llmstep`, "
        "`lake build LLMstep`."
    )


class ResultsFileError(LLMStepError):
    """The file of results cannot be read or continued."""

    default_hint = "Give another --output, or remove the file to start afresh."
