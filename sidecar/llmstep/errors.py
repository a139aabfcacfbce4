"""The errors a user can see: one small tree, each with its wire code and what to do about it.

Codes are those of LSP 3.17 and JSON-RPC 2.0 only: Lean's core JSON-RPC types reject all others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
SERVER_NOT_INITIALIZED = -32002
REQUEST_CANCELLED = -32800
CONTENT_MODIFIED = -32801
REQUEST_FAILED = -32803


class LLMStepError(Exception):
    """Base of every error that is meant for the user.

    Attributes:
        code: JSON-RPC error code on the wire.
        hint: One sentence that says what to do about it; travels as ``data.hint``.
        details: What else travels in ``data``, for programs.
    """

    code: int = REQUEST_FAILED
    details: Mapping[str, object] = {}
    default_hint: str = "Run `llmstep doctor` to see what is wrong."

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = self.default_hint if hint is None else hint


class InvalidParamsError(LLMStepError):
    """The request's parameters have the wrong type or an impossible value."""

    code = INVALID_PARAMS
    default_hint = "Compare the request with the wire table in docs/protocol.md."


class ConfigError(LLMStepError):
    """A setting has an unknown name or an impossible value."""

    default_hint = "Run `llmstep config show` to see every setting and where its value comes from."


class ModelNotFoundError(LLMStepError):
    """No card and no file answers to the model's name."""

    default_hint = "Run `llmstep models list` to see the models at hand."


class ModelFileError(LLMStepError):
    """The model file is missing, empty, damaged or of a kind the backend cannot run."""

    default_hint = "Run `llmstep models verify` to check the file."


class BackendUnavailableError(LLMStepError):
    """The library a backend needs is not installed."""

    default_hint = "Run `llmstep doctor --fix` to install it."


class NoProofModeError(LLMStepError):
    """The model writes single steps and was asked for a whole proof.

    Args:
        model: The model.
        others: Ids of models with a card that write proofs, the smallest first.
    """

    def __init__(self, model: str, others: Sequence[str]) -> None:
        name = others[0] if others else "MODEL"
        super().__init__(
            f"the model {model} writes single steps, no whole proofs",
            hint=f"Ask one that does: `llmstep models pull {name}`, then "
            f'`set_option llmstep.prove.model "{name}"`.',
        )
        self.details = {"reason": "noProofMode", "models": list(others)}


class PromptTooLongError(LLMStepError):
    """What must stand in the prompt does not fit the model's context window."""

    default_hint = "Shorten the prefix or raise `context_tokens`."


class GenerationError(LLMStepError):
    """The model failed while it was decoding."""


class CancelledError(LLMStepError):
    """The client withdrew the request."""

    code = REQUEST_CANCELLED
    default_hint = "Ask again."


class SupersededError(CancelledError):
    """A newer request for the same place in the same file took the place of this one."""

    code = CONTENT_MODIFIED


class DeadlineError(LLMStepError):
    """The request's time ran out before the first candidate was finished."""

    default_hint = "Raise `timeoutMs`, ask for fewer candidates, or take a smaller model."
