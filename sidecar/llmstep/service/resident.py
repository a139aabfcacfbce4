"""The loaded models: opened on first use, kept while they are used and there is room.

All models of this machine take turns on one thread; a model behind a server has a thread of its
own, because waiting for a server must hold up nobody else.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from pathlib import Path
from typing import Literal

import attrs

from llmstep.backends import OPENAI, open_backend
from llmstep.backends.base import Backend, BackendOptions, CancelToken
from llmstep.errors import LLMStepError
from llmstep.limits import explain_limit
from llmstep.service.casualty_guard import CasualtyGuard
from llmstep.service.model_setup import ModelSetup
from llmstep.service.scheduler import Scheduler

LoadState = Literal["unloaded", "loading", "ready", "failed"]
_Key = tuple[str, BackendOptions]

_LOCAL = "local"
_REMOTE_BACKENDS = frozenset({OPENAI})
_MOST_REMEMBERED = 32
# A thread that was told to stop and has not after so long is stuck in native code for good. To
# load a large model from a slow disk cannot be interrupted and may take its time.
_STUCK_S = 30.0
_STUCK_LOADING_S = 900.0

log = logging.getLogger(__name__)


@attrs.define(eq=False)
class _Record:
    """What is known of one model."""

    setup: ModelSetup
    backend: Backend | None = None
    state: LoadState = "unloaded"
    error: LLMStepError | None = None
    load_ms: float = 0.0
    used_at: float = 0.0


@attrs.frozen
class ModelState:
    """How a model stands; ``error`` is of the last load, ``load_ms`` is 0 before the first."""

    state: LoadState = "unloaded"
    error: LLMStepError | None = None
    load_ms: float = 0.0
    backend: Backend | None = None


@attrs.frozen
class ResidentInfo:
    """A model for ``llmstep ps`` and the status; ``idle_s`` since it was last used."""

    model: str
    backend: str
    state: LoadState
    idle_s: float


class ResidentModels:
    """The models in memory, and the threads they run on.

    A load that failed is tried again by the next request: by then the file may be in place.

    Args:
        most_bytes: Models stay beside each other while their files have no more bytes than that;
            0 keeps one at a time.
        guard: Watches what may end the process.
    """

    def __init__(self, most_bytes: int = 0, guard: CasualtyGuard | None = None) -> None:
        self._most_bytes = most_bytes
        self.guard = guard or CasualtyGuard()
        self._records: dict[_Key, _Record] = {}
        self._lanes: dict[object, Scheduler] = {}
        self._lock = threading.Lock()

    def lane(self, setup: ModelSetup) -> Scheduler:
        """The thread and the queue of a model."""
        name = _lane_of(_key(setup))
        with self._lock:
            lane = self._lanes.get(name)
            if lane is not None and self._is_stuck(lane, name):
                log.error("the thread of the models is stuck in a library; a new one takes over")
                lane.close(0)
                # Whoever is in there may still use the memory: it is given up, not given back.
                self._records = {
                    key: record for key, record in self._records.items() if _lane_of(key) != name
                }
                lane = None
            if lane is None:
                lane = self._lanes[name] = Scheduler()
            return lane

    def state(self, setup: ModelSetup) -> ModelState:
        """How a model stands."""
        with self._lock:
            record = self._records.get(_key(setup))
        if record is None:
            return ModelState()
        return ModelState(record.state, record.error, record.load_ms, record.backend)

    def holds(self, setup: ModelSetup) -> bool:
        """Whether this model can answer without a load."""
        return self.state(setup).backend is not None

    def backend(self, setup: ModelSetup) -> Backend:
        """The loaded backend of a model. Call on its lane's thread only.

        Models that there is no room for beside it are freed first.

        Raises:
            LLMStepError: The model cannot be loaded; the error says why.
        """
        key = _key(setup)
        with self._lock:
            record = self._records.setdefault(key, _Record(setup))
        record.setup, record.used_at = setup, time.monotonic()
        if record.backend is not None:
            return record.backend
        if _lane_of(key) == _LOCAL:
            self._make_room(record)
        record.state = "loading"
        begin = time.monotonic()
        try:
            # A fresh copy of the file is another matter than the one that ended an engine.
            stamp = _stamp(setup.options.path)
            with self.guard.watch(f"loading the model {setup.model.id}", key, stamp):
                record.backend = open_backend(setup.model.backend, setup.options)
        except LLMStepError as error:
            record.state, record.error = "failed", error
            raise
        except Exception as error:
            record.state = "failed"
            told = f"the model cannot be loaded: {error}"
            record.error = explain_limit(error) or LLMStepError(told)
            raise record.error from error
        record.load_ms = (time.monotonic() - begin) * 1000
        record.state, record.error = "ready", None
        return record.backend

    def free(self, setup: ModelSetup) -> None:
        """Let go of a model, so that the next question loads it anew. On its lane's thread."""
        with self._lock:
            record = self._records.get(_key(setup))
        if record is not None:
            _close(record)

    def unload_unused(self, idle_s: float) -> None:
        """Free, in the background, the models that nobody has used for some time."""

        def unload(record: _Record) -> None:
            if time.monotonic() - record.used_at >= idle_s:
                log.info("unloaded %s: not used for %.0f s", record.setup.model.id, idle_s)
                _close(record)

        for record in self._loaded():
            if time.monotonic() - record.used_at >= idle_s:
                work, key = functools.partial(unload, record), ("unload", id(record))
                self.lane(record.setup).submit(work, CancelToken(), key=key, background=True)

    def list_models(self) -> list[ResidentInfo]:
        """The models in memory, and those that are on their way there."""
        now = time.monotonic()
        with self._lock:
            records = list(self._records.values())
        return [
            ResidentInfo(
                record.setup.model.id,
                record.setup.model.backend,
                record.state,
                now - record.used_at,
            )
            for record in records
            if record.state in ("loading", "ready")
        ]

    @property
    def running(self) -> int:
        """How many model threads work now."""
        return sum(lane.busy for lane in self._all_lanes())

    @property
    def waiting(self) -> int:
        """How many jobs wait for a model's thread."""
        return sum(lane.queued for lane in self._all_lanes())

    def close(self) -> None:
        """Withdraw what runs, end the threads, free the models."""
        for name, lane in list(self._lanes.items()):
            if lane.close():
                for record in self._loaded():
                    if _lane_of(_key(record.setup)) == name:
                        _close(record)

    def _make_room(self, coming: _Record) -> None:
        need = _file_bytes(coming.setup)
        others = [
            record
            for record in self._loaded()
            if record is not coming and _lane_of(_key(record.setup)) == _LOCAL
        ]
        others.sort(key=lambda record: record.used_at)
        held = sum(_file_bytes(record.setup) for record in others)
        for record in others:
            if self._most_bytes and held + need <= self._most_bytes:
                break
            _close(record)
            held -= _file_bytes(record.setup)
        with self._lock:
            unloaded = [key for key, other in self._records.items() if other.backend is None]
            for key in unloaded[:-_MOST_REMEMBERED]:
                del self._records[key]

    def _loaded(self) -> list[_Record]:
        with self._lock:
            return [record for record in self._records.values() if record.backend is not None]

    def _all_lanes(self) -> list[Scheduler]:
        with self._lock:
            return list(self._lanes.values())

    def _is_stuck(self, lane: Scheduler, name: object) -> bool:
        loading = any(
            record.state == "loading" and _lane_of(key) == name
            for key, record in self._records.items()
        )
        return lane.overdue_s > (_STUCK_LOADING_S if loading else _STUCK_S)


def _close(record: _Record) -> None:
    backend, record.backend, record.state = record.backend, None, "unloaded"
    if backend is not None:
        backend.close()


def _key(setup: ModelSetup) -> _Key:
    return setup.model.backend, setup.options


def _lane_of(key: _Key) -> object:
    return key if key[0] in _REMOTE_BACKENDS else _LOCAL


def _stamp(path: Path | None) -> tuple[int, int]:
    try:
        state = path.stat() if path is not None else None
    except OSError:
        state = None
    return (state.st_mtime_ns, state.st_size) if state else (0, 0)


def _file_bytes(setup: ModelSetup) -> int:
    """Bytes of a model's files; a small number for one that has none."""
    path = setup.options.path
    if path is None:
        return 0
    try:
        if path.is_dir():
            return sum(file.stat().st_size for file in path.iterdir() if file.is_file())
        return path.stat().st_size
    except OSError:
        return setup.model.card.size_bytes or 0
