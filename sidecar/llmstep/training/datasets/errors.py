"""Errors of the data commands that are not about a row; each carries a hint."""

from __future__ import annotations

from llmstep.errors import LLMStepError


class DataOutputError(LLMStepError):
    """A data file or its sheet that cannot be written; the old one is whole."""

    default_hint = "Free some disk space, or choose another --output."


class LeanCheckError(LLMStepError):
    """Rows that cannot be run in Lean: there is no Lean, or it does not answer as it should."""

    default_hint = "Install Lean (https://lean-lang.org/install), or name a command with --lean."
