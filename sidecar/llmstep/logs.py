"""Logging: to stderr, to a file, and to the client's log once it can take it.

Goals and the text of files are logged at ``DEBUG`` only: logs are shown to others.
"""

from __future__ import annotations

import contextlib
import contextvars
import io
import logging
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from llmstep.user_files import make_folder, open_private

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_MOST_BUFFERED = 256
# Libraries that log whole messages, and with them the user's text, below WARNING.
_TALKATIVE = ("pygls", "asyncio")

# On behalf of which client something is done, and so logged; threads take it over from who asks.
OWNER: contextvars.ContextVar[object] = contextvars.ContextVar("llmstep_log_owner", default=None)
# The level that each client wants, by owner; `None` is the process itself.
_wanted: dict[object, int] = {}

logger = logging.getLogger(__name__)


class ClientLogHandler(logging.Handler):
    """Hands records to the client; keeps the latest ones until `attach` says where to."""

    def __init__(self) -> None:
        super().__init__()
        self._buffer: deque[tuple[int, str]] = deque(maxlen=_MOST_BUFFERED)
        self._send: Callable[[int, str], None] | None = None
        self._sending = threading.local()

    def attach(self, send: Callable[[int, str], None]) -> None:
        """Send the records kept so far, and each later one.

        Args:
            send: Takes the ``logging`` level and the text; called in the thread that logs.
        """
        with self.lock or threading.RLock():
            self._send = send
            while self._buffer:
                self._hand_over(*self._buffer.popleft())

    def emit(self, record: logging.LogRecord) -> None:
        """Send or keep one record; a record made by sending another is dropped."""
        try:
            text = self.format(record)
            if self._send is None:
                self._buffer.append((record.levelno, text))
            else:
                self._hand_over(record.levelno, text)
        except Exception:  # that nobody takes it is no fault of whoever logs
            self.handleError(record)

    def _hand_over(self, level: int, text: str) -> None:
        if self._send is None or getattr(self._sending, "now", False):
            return
        self._sending.now = True
        try:
            self._send(level, text)
        finally:
            self._sending.now = False


class _FileHandler(logging.StreamHandler[TextIO]):
    """Appends to a file that only this user can read: at ``DEBUG`` it holds goals and file text.

    When the disk is full it says so once and stops; the sidecar goes on.
    """

    def __init__(self, path: Path) -> None:
        stream = open_private(path, "ab")
        super().__init__(io.TextIOWrapper(stream, "utf-8", "replace", write_through=True))
        self._path = path
        self._failed = False

    def emit(self, record: logging.LogRecord) -> None:
        if not self._failed:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        self._failed = True
        logger.warning("the log file %s is written no further: %s", self._path, error)

    def close(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self.stream.close()
        super().close()


def set_up_logging(level: str, log_file: Path | None = None) -> ClientLogHandler:
    """Send all logs to stderr, to ``log_file`` if given, and to the handler that is returned.

    A file that cannot be opened is reported and done without.
    """
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    _wanted.clear()
    formatter = logging.Formatter(FORMAT)
    client = ClientLogHandler()
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    problem: OSError | None = None
    if log_file is not None:
        try:
            make_folder(log_file.parent)
            handlers.append(_FileHandler(log_file))
        except OSError as error:
            problem = error
    for handler in handlers:
        handler.setFormatter(formatter)
        root.addHandler(handler)
    root.addHandler(client)
    logging.captureWarnings(True)
    set_level(level)
    if problem is not None:
        logger.warning("no log file: %s", problem)
    return client


def set_up_engine_logging() -> None:
    """Send what the engine does, but no goal and no file text, to stderr, which is its log file."""
    set_up_logging("info")
    root = logging.getLogger()
    stderr, client = root.handlers[:2]
    stderr.setLevel(logging.INFO)
    root.removeHandler(client)


def set_level(level: str, owner: object = None) -> None:
    """Set the level of the logs: ``debug``, ``info``, ``warning`` or ``error``.

    What the clients of one process want of the log, each as an owner, holds side by side.
    """
    _wanted[owner] = logging.getLevelNamesMapping()[level.upper()]
    _apply_levels()
    for handler in logging.getLogger().handlers:
        if owner is not None and getattr(handler, "owner", None) is owner:
            handler.setLevel(_wanted[owner])


def give_up_level(owner: object) -> None:
    """A client is gone, and what it wanted of the log holds no longer."""
    _wanted.pop(owner, None)
    _apply_levels()


def _apply_levels() -> None:
    level = min(_wanted.values(), default=logging.WARNING)
    logging.getLogger().setLevel(level)
    for name in _TALKATIVE:
        quiet = logging.DEBUG if level == logging.DEBUG else logging.WARNING
        logging.getLogger(name).setLevel(quiet)


def attach_owner(handler: logging.Handler, owner: object) -> None:
    """Let a handler see one client's records only, and add it to all logs."""
    handler.owner = owner  # pyright: ignore[reportAttributeAccessIssue]
    handler.addFilter(lambda _record: OWNER.get() is owner)
    logging.getLogger().addHandler(handler)


def close_logging() -> None:
    """Write out and close every handler; for an exit that skips the interpreter's own clean-up."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
