"""At most one loaded model, loaded on the inference thread and kept until another is asked for."""

from __future__ import annotations

import time
from typing import Literal

from llmstep.backends import open_backend
from llmstep.backends.base import Backend
from llmstep.errors import LLMStepError
from llmstep.limits import explain_limit
from llmstep.service.engine import Engine

LoadState = Literal["unloaded", "loading", "ready", "failed"]


class ResidentModel:
    """Loads a backend on first use and keeps it until another model is asked for.

    A load that failed is tried again by the next request: by then the file may be in place.

    Args:
        engine: The model that will be asked for first.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._backend: Backend | None = None
        self._state: LoadState = "unloaded"
        self._error: LLMStepError | None = None
        self._load_ms = 0.0

    @property
    def engine(self) -> Engine:
        """The model that is loaded, or was last tried, or will be."""
        return self._engine

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

    def holds(self, engine: Engine) -> bool:
        """Whether this model can answer without a load."""
        return self._backend is not None and self._engine.is_same_load(engine)

    def backend(self, engine: Engine) -> Backend:
        """The loaded backend of a model. Call on the inference thread only.

        The model before it is freed first: the memory of a laptop seldom holds two.

        Raises:
            LLMStepError: The model cannot be loaded; the error says why.
        """
        if not self._engine.is_same_load(engine):
            self.close()
            self._error, self._load_ms = None, 0.0
        self._engine = engine
        if self._backend is None:
            self._state = "loading"
            begin = time.monotonic()
            try:
                self._backend = open_backend(engine.model.backend, engine.options)
            except LLMStepError as error:
                self._state, self._error = "failed", error
                raise
            except Exception as error:
                self._state = "failed"
                told = f"the model cannot be loaded: {error}"
                self._error = explain_limit(error) or LLMStepError(told)
                raise self._error from error
            self._load_ms = (time.monotonic() - begin) * 1000
            self._state, self._error = "ready", None
        return self._backend

    def close(self) -> None:
        """Free the model."""
        backend, self._backend, self._state = self._backend, None, "unloaded"
        if backend is not None:
            backend.close()
