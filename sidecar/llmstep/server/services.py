"""One service for all clients that want the same: the same model, sources, and library."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from llmstep.config import Settings

if TYPE_CHECKING:
    from llmstep.service.resident import ResidentModels
    from llmstep.service.suggest import SuggestService

# Settings that a question brings along: they may differ within one service.
_OF_THE_QUESTION = ("n", "temperature", "top_p", "max_tokens", "seed", "timeout_ms", "log_level",
                    "keep_alive", "complete_names", "inline_steps")  # fmt: skip


@attrs.define(eq=False)
class _Entry:
    service: SuggestService
    users: int = 0
    unused_since: float = 0.0


class Services:
    """Opens services, and shares those whose settings agree; the models are common to all."""

    def __init__(self, make_models: Callable[[], ResidentModels]) -> None:
        self._make_models = make_models
        self._models: ResidentModels | None = None
        self._entries: dict[Settings, _Entry] = {}
        self._lock = threading.Lock()

    @property
    def models(self) -> ResidentModels:
        """The models in memory."""
        if self._models is None:
            self._models = self._make_models()
        return self._models

    def open(self, settings: Settings) -> SuggestService:
        """The service for these settings; to be given back with `release`."""
        from llmstep.service.suggest import SuggestService

        key = shared_part(settings)
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                entry = self._entries[key] = _Entry(SuggestService(key, self.models))
            entry.users += 1
            return entry.service

    def release(self, service: SuggestService) -> None:
        """Give a service back. It stays open for the next client, until `close_unused`."""
        with self._lock:
            for entry in self._entries.values():
                if entry.service is service:
                    entry.users -= 1
                    entry.unused_since = time.monotonic()

    def close_unused(self, idle_s: float) -> None:
        """Free the models and close the services that nobody has used for some time."""
        if self._models is not None:
            self._models.unload_unused(idle_s)
        now = time.monotonic()
        with self._lock:
            gone = [
                key
                for key, entry in self._entries.items()
                if not entry.users and now - entry.unused_since >= idle_s
            ]
            entries = [self._entries.pop(key) for key in gone]
        for entry in entries:
            entry.service.close()

    def close(self) -> None:
        """Close all of them, and free the models."""
        with self._lock:
            entries, self._entries = list(self._entries.values()), {}
        for entry in entries:
            entry.service.close()
        if self._models is not None:
            self._models.close()


def shared_part(settings: Settings) -> Settings:
    """The settings less those that each question brings along."""
    defaults = Settings()
    own = {name: getattr(defaults, name) for name in _OF_THE_QUESTION}
    return attrs.evolve(settings, **own)
