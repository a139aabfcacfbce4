"""Backends by name; each library is imported only when its backend is opened."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from llmstep.errors import ModelNotFoundError

if TYPE_CHECKING:
    from llmstep.backends.base import Backend, BackendOptions

# What cards, settings and the cache call them.
ECHO = "echo"
LLAMA_CPP = "llama_cpp"
OPENAI = "openai"
TRANSFORMERS = "transformers"

BACKENDS: dict[str, str] = {
    ECHO: "llmstep.backends.echo:EchoBackend",
    LLAMA_CPP: "llmstep.backends.llama_cpp:LlamaCppBackend",
    OPENAI: "llmstep.backends.openai:OpenAIBackend",
    TRANSFORMERS: "llmstep.backends.transformers:TransformersBackend",
}


def open_backend(name: str, options: BackendOptions) -> Backend:
    """Import a backend's library and load its model.

    Raises:
        ModelNotFoundError: There is no backend of that name.
        BackendUnavailableError: Its library is not installed.
        ModelFileError: The model file cannot be used.
    """
    try:
        module_name, class_name = BACKENDS[name].split(":")
    except KeyError:
        known = ", ".join(sorted(BACKENDS))
        raise ModelNotFoundError(
            f"there is no backend named {name!r}",
            hint=f"Write one of: {known}.",
        ) from None
    backend_class = getattr(importlib.import_module(module_name), class_name)
    return backend_class(options)
