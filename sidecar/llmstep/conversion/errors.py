"""What can go wrong in a conversion."""

from __future__ import annotations

from llmstep.errors import LLMStepError


class ConversionError(LLMStepError):
    """A model folder that cannot be written as GGUF, or a file that does not match its folder."""

    default_hint = "docs/models.md names the models that can be converted."
