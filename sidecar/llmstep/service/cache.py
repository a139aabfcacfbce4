"""Answers on disk: a question asked before is answered without the model, also after a restart.

One SQLite file in write-ahead mode, shared by all sidecars of a user. Nothing that happens to it
stops a suggestion: a damaged file is set aside and begun anew, and on a full or read-only disk the
sidecar goes on without; each is told once in the log.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import attrs

from llmstep import __version__
from llmstep.service.postprocess import has_control
from llmstep.sources.ranking import Origin, Suggestion
from llmstep.user_files import make_private_folder, open_private, parse_json

log = logging.getLogger(__name__)

T = TypeVar("T")

# What a row takes beyond its value: key, columns, index entries.
_ROW_BYTES = 200
# Uses are noted in memory and written in one go; a lost note only makes an answer look older.
_NOTED_USES = 64
_BUSY_MS = 250
# Several processes that begin at once wait for each other to lay out the file.
_OPEN_TRIES = 8
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, value TEXT NOT NULL, size INTEGER NOT NULL, used INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers_by_use ON answers (used);
CREATE TABLE IF NOT EXISTS total (bytes INTEGER NOT NULL, entries INTEGER NOT NULL);
INSERT INTO total SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM total);
CREATE TRIGGER IF NOT EXISTS answer_added AFTER INSERT ON answers BEGIN
    UPDATE total SET bytes = bytes + new.size, entries = entries + 1;
END;
CREATE TRIGGER IF NOT EXISTS answer_removed AFTER DELETE ON answers BEGIN
    UPDATE total SET bytes = bytes - old.size, entries = entries - 1;
END;
"""


def cache_key(**parts: Any) -> str:
    """Key of a question: SHA-256 over everything its answer depends on, and this version.

    Args:
        parts: Model fingerprint, backend, template digest, goals, file text, prefix, sampling,
            banned names ... as JSON values, sequences, or attrs instances.
    """
    text = json.dumps(
        {"llmstep": __version__, **parts}, sort_keys=True, ensure_ascii=True, default=_plain
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if attrs.has(type(value)):
        return attrs.asdict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"a {type(value).__name__} cannot be part of a cache key")


def _read_row(entry: Any, prefix: str) -> Suggestion:
    """One suggestion of a row; raises ``ValueError`` or ``TypeError`` for what cannot be one."""
    tactic, score, origin = entry
    if not isinstance(tactic, str) or not tactic.startswith(prefix) or not tactic.strip():
        raise ValueError("no tactic that starts with the prefix")
    if has_control(tactic[len(prefix) :]):
        raise ValueError("characters that no tactic has")
    if isinstance(score, bool) or not isinstance(score, (int, float)) or not -math.inf < score <= 0:
        raise ValueError("no logarithm of a probability")
    if not origin or not set(origin) <= set(get_args(Origin)):
        raise ValueError("no source")
    return Suggestion(tactic, float(score), tuple(origin))


class SuggestionCache:
    """Suggestions by key, the least recently used given up first.

    Safe to use from several threads and processes at once.

    Args:
        path: The file; its folder is made if need be.
        max_bytes: Most bytes the answers may take.
        clock: Seconds since some fixed time; orders the uses.
    """

    def __init__(
        self, path: Path, max_bytes: int, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._uses: dict[str, int] = {}
        self._warned: set[str] = set()
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        with self._lock:
            self._open_or_rebuild()

    def get(self, key: str, prefix: str = "") -> tuple[Suggestion, ...] | None:
        """The suggestions kept under a key, all with the prefix; ``None`` if there are none.

        A row that no answer of ours can be is dropped: a bad disk, or another program, wrote it.
        """
        row = self._attempt(
            lambda db: db.execute("SELECT value FROM answers WHERE key = ?", (key,)).fetchone()
        )
        if row is None:
            return None
        try:
            found = tuple(_read_row(entry, prefix) for entry in parse_json(row[0]))
        except (ValueError, TypeError):
            log.info("a row of the suggestion cache was wrong and is dropped")
            self._attempt(lambda db: db.execute("DELETE FROM answers WHERE key = ?", (key,)))
            return None
        with self._lock:
            self._uses[key] = self._now()
            many = len(self._uses) >= _NOTED_USES
        if many:
            self._attempt(self._write_uses)
        return found

    def put(self, key: str, suggestions: Sequence[Suggestion]) -> None:
        """Keep suggestions under a key, in place of what is there."""
        rows = [[s.tactic, s.score, s.origin] for s in suggestions]
        value = json.dumps(rows, ensure_ascii=False)
        size = len(value.encode()) + _ROW_BYTES
        if size > self._max_bytes:
            return

        def write(db: sqlite3.Connection) -> None:
            self._write_uses(db)
            db.execute("DELETE FROM answers WHERE key = ?", (key,))
            db.execute("INSERT INTO answers VALUES (?, ?, ?, ?)", (key, value, size, self._now()))
            self._give_up_oldest(db)

        self._attempt(write)

    def count(self) -> int:
        """Number of answers kept; 0 if there is no file to ask."""
        row = self._attempt(lambda db: db.execute("SELECT entries FROM total").fetchone())
        return row[0] if row else 0

    def close(self) -> None:
        """Write what is noted and let go of the file; a closed cache knows nothing."""
        self._attempt(self._write_uses)
        with self._lock:
            self._disconnect()

    def _now(self) -> int:
        return int(self._clock() * 1000)

    def _write_uses(self, db: sqlite3.Connection) -> None:
        uses, self._uses = self._uses, {}
        db.executemany(
            "UPDATE answers SET used = ? WHERE key = ? AND used < ?",
            [(used, key, used) for key, used in uses.items()],
        )

    def _give_up_oldest(self, db: sqlite3.Connection) -> None:
        (total,) = db.execute("SELECT bytes FROM total").fetchone()
        if total <= self._max_bytes:
            return
        # Down to nine tenths, so that not every new answer has to make room for itself.
        excess = total - self._max_bytes * 9 // 10
        gone: list[tuple[str]] = []
        for key, size in db.execute("SELECT key, size FROM answers ORDER BY used, key"):
            gone.append((key,))
            excess -= size
            if excess <= 0:
                break
        db.executemany("DELETE FROM answers WHERE key = ?", gone)

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Do work in one transaction; ``None`` if the file is of no use (now)."""
        with self._lock:
            if self._connection is None:
                return None
            try:
                with self._connection:
                    return work(self._connection)
            except sqlite3.DatabaseError as error:
                self._recover(error)
            except sqlite3.Error as error:
                self._warn("unused", f"the suggestion cache {self.path} is not used: {error}")
                self._disconnect()
            return None

    def _recover(self, error: sqlite3.DatabaseError) -> None:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _LOCKED:
            # Another process is writing; to wait longer would cost more than the answer is worth.
            log.debug("the suggestion cache is busy")
        elif code in _DAMAGED:
            self._set_aside()
            self._open_or_rebuild()
        else:
            # A full or read-only disk, a vanished folder. Reading may still work.
            self._warn("full", f"the suggestion cache {self.path} cannot be written: {error}")

    def _open_or_rebuild(self) -> None:
        error: Exception | None = None
        for _ in range(_OPEN_TRIES):
            try:
                self._connect()
                return
            except (sqlite3.Error, OSError) as problem:
                error = problem
            self._disconnect()
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in _DAMAGED:
                self._set_aside()
            elif code not in _LOCKED:
                break
        self._warn("unused", f"the suggestion cache {self.path} is not used: {error}")

    def _connect(self) -> None:
        make_private_folder(self.path.parent)
        # Made here, as SQLite would let others read it; its journals take their mode from it.
        open_private(self.path, "ab").close()
        self._connection = db = sqlite3.connect(
            self.path, timeout=_BUSY_MS / 1000, check_same_thread=False
        )
        self._inode = self.path.stat().st_ino
        db.execute("PRAGMA auto_vacuum = FULL")
        db.execute("PRAGMA journal_mode = WAL")
        # A crash of the machine may lose the last answers, never the file.
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute(f"PRAGMA journal_size_limit = {1 << 20}")
        if (
            db.execute("SELECT 1 FROM sqlite_master WHERE name = 'answer_removed'").fetchone()
            is None
        ):
            db.executescript(_SCHEMA)
        db.execute("SELECT key, value, size, used FROM answers LIMIT 1").fetchone()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except sqlite3.Error as error:
                log.debug("closing the suggestion cache failed: %s", error)

    def _set_aside(self) -> None:
        """Rename the damaged file, unless another process has already put a new one there."""
        inode = self._inode
        self._disconnect()
        try:
            if inode and self.path.stat().st_ino != inode:
                return
            stamp = time.strftime("%Y%m%d-%H%M%S")
            aside = self.path.with_name(f"{self.path.name}.damaged-{stamp}")
            self.path.replace(aside)
            for suffix in ("-wal", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        except OSError as error:
            self._warn("stuck", f"the damaged cache {self.path} cannot be set aside: {error}")
            return
        self._warn("damaged", f"the suggestion cache was damaged; set aside as {aside.name}")

    def _warn(self, cause: str, message: str) -> None:
        log.log(logging.DEBUG if cause in self._warned else logging.WARNING, message)
        self._warned.add(cause)
