"""Errors of ``llmstep eval``; each carries a hint, as everywhere in llmstep."""

from __future__ import annotations

from llmstep.errors import LLMStepError


class TheoremFileError(LLMStepError):
    """A file of theorems that cannot be used: the message names file, line and field."""

    default_hint = (
        "Give a .lean file with theorems in it, or JSON lines with `header` and `formal_statement`."
    )


class LeanProjectError(LLMStepError):
    """The Lean project cannot run a proof search: no lake, not built, or without llmstep."""

    default_hint = (
        "In the project: require llmstep in the lakefile, `lake update llmstep`, `lake build`."
    )


class ResultsFileError(LLMStepError):
    """The file of results cannot be read or continued."""

    default_hint = "Give another --output, or remove the file to start afresh."
