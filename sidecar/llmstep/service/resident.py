"""Exactly one loaded model, loaded on the inference thread and kept until the process ends."""

from __future__ import annotations

import time
from typing import Literal

from llmstep.backends import open_backend
from llmstep.backends.base import Backend, BackendOptions
from llmstep.errors import LLMStepError
from llmstep.service.catalog import ResolvedModel

LoadState = Literal["unloaded", "loading", "ready", "failed"]


class ResidentModel:
    """Loads its backend on first use and keeps it.

    A load that failed is tried again by the next request: by then the file may be in place.
    """

    def __init__(self, model: ResolvedModel, options: BackendOptions) -> None:
        self.model = model
        self._options = options
        self._backend: Backend | None = None
        self._state: LoadState = "unloaded"
        self._error: LLMStepError | None = None
        self._load_ms = 0.0

    @property
    def state(self) -> LoadState:
        """How far loading is."""
        return self._state

    @property
    def error(self) -> LLMStepError | None:
        """Why the last load failed, if it did."""
        return self._error

    @property
    def load_ms(self) -> float:
        """Milliseconds the load took; 0 before it."""
        return self._load_ms

    @property
    def loaded(self) -> Backend | None:
        """The backend if it is loaded; never loads it."""
        return self._backend

    def backend(self) -> Backend:
        """The loaded backend. Call on the inference thread only.

        Raises:
            LLMStepError: The model cannot be loaded; the error says why.
        """
        if self._backend is None:
            self._state = "loading"
            begin = time.monotonic()
            try:
                self._backend = open_backend(self.model.backend, self._options)
            except LLMStepError as error:
                self._state, self._error = "failed", error
                raise
            except Exception as error:
                self._state = "failed"
                self._error = LLMStepError(f"the model cannot be loaded: {error}")
                raise self._error from error
            self._load_ms = (time.monotonic() - begin) * 1000
            self._state, self._error = "ready", None
        return self._backend

    def close(self) -> None:
        """Free the model."""
        backend, self._backend, self._state = self._backend, None, "unloaded"
        if backend is not None:
            backend.close()
