"""Claim stdin and stdout for the protocol, and move bytes between them and the event loop.

The reading and the writing end each have a thread of their own: a pipe that nobody empties must
not stop the event loop, and an event loop that is busy must not hide the end of the input.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from io import FileIO

from llmstep.runtime.framing import FrameDecoder, Incoming

_CHUNK_BYTES = 1 << 16
_BATCHES_AHEAD = 8
DEFAULT_QUEUE_BYTES = 16 << 20


def claim_stdio() -> tuple[FileIO, FileIO]:
    """Take file descriptors 0 and 1 for the protocol and send every stray write to stderr.

    To be called before a model library is imported: these print from C, and some point fd 1
    somewhere else while they load. Afterwards fd 0 is empty, and fd 1 and ``sys.stdout`` are
    stderr, for this process and for its children.

    Returns:
        Unbuffered binary streams over private copies of the old fds 0 and 1, which no child
        process inherits.
    """
    devnull = os.open(os.devnull, os.O_RDWR)
    try:
        os.fstat(2)
    except OSError:
        # Started with stderr closed: give the number away before a copy of stdin gets it.
        os.dup2(devnull, 2)
    # FileIO, not os.read: it also switches the descriptor to binary mode on Windows.
    reader = FileIO(os.dup(0), "rb")
    writer = FileIO(os.dup(1), "wb")
    if os.name == "posix":
        # A client that made its pipes non-blocking means its own ends; reads and writes here wait.
        os.set_blocking(reader.fileno(), True)
        os.set_blocking(writer.fileno(), True)
    os.dup2(devnull, 0)
    os.dup2(2, 1)
    if devnull > 2:
        os.close(devnull)
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    sys.stdout = sys.stderr
    return reader, writer


class InputPump:
    """A thread that reads frames of an unbuffered stream and hands them on in order.

    Args:
        deliver: Called in the pump's thread with each batch. It returns at once and calls
            `acknowledge` when the batch has been dealt with; after a few batches without that the
            pump stops reading, so that a flood waits in the pipe and not in memory.
        on_end: Called in the pump's thread at the end of the input, also in the middle of a frame.
    """

    def __init__(
        self,
        stream: FileIO,
        deliver: Callable[[Sequence[Incoming]], None],
        on_end: Callable[[], None],
    ) -> None:
        self._stream = stream
        self._deliver = deliver
        self._on_end = on_end
        self._ahead = threading.Semaphore(_BATCHES_AHEAD)
        self._thread = threading.Thread(target=self._run, name="llmstep-input", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def acknowledge(self) -> None:
        """Tell that one delivered batch has been dealt with (any thread)."""
        self._ahead.release()

    def _run(self) -> None:
        decoder = FrameDecoder()
        try:
            while chunk := self._stream.read(_CHUNK_BYTES):
                if batch := decoder.feed(chunk):
                    self._ahead.acquire()
                    self._deliver(batch)
        except (OSError, ValueError):
            pass  # a broken pipe is an end as good as any
        finally:
            self._on_end()


def pipe_writer(stream: FileIO) -> Callable[[memoryview], int] | None:
    """What writes to a pipe as much as goes without waiting; ``None`` where that cannot be told."""
    if not hasattr(select, "poll"):
        return None
    descriptor = stream.fileno()
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)

    def write_now(data: memoryview) -> int:
        done = 0
        while done < len(data) and poll.poll(0):
            # That many bytes go into a pipe at once wherever it can be written to at all.
            done += os.write(descriptor, data[done : done + select.PIPE_BUF])
        return done

    return write_now


TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Stream(Protocol):
        """What a pump writes to."""

        def write(self, data: memoryview, /) -> int | None:
            """Write some of it; returns how much."""
            ...


class OutputPump:
    """A thread that writes byte strings to an unbuffered stream, with a bound on what may wait.

    Args:
        on_failure: Called once, in whatever thread notices, when the other end is closed or has
            left more than ``queue_bytes`` unread. Everything written later is dropped.
        queue_bytes: Most bytes that may wait.
        write_now: Writes as much as goes without waiting, and returns how much that was. What goes
            that way needs no turn of the pump's thread.
    """

    def __init__(
        self,
        stream: Stream,
        on_failure: Callable[[str], None],
        queue_bytes: int = DEFAULT_QUEUE_BYTES,
        write_now: Callable[[memoryview], int] | None = None,
    ) -> None:
        self._stream = stream
        self._on_failure = on_failure
        self._queue_bytes = queue_bytes
        self._write_now = write_now
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="llmstep-output", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def write(self, data: bytes) -> None:
        """Queue one frame and return at once (any thread)."""
        with self._changed:
            if self._closed:
                return
            waiting = self._waiting_bytes
            if self._write_now is not None and not waiting:
                # The thread meets an error again, and reports it.
                with contextlib.suppress(OSError):
                    data = data[self._write_now(memoryview(data)) :]
                if not data:
                    return
            full = waiting > 0 and waiting + len(data) > self._queue_bytes
            if not full:
                self._waiting.append(data)
                self._waiting_bytes += len(data)
                self._changed.notify_all()
        if full:
            self._fail(f"the client has left {waiting} bytes unread")

    @property
    def waiting_bytes(self) -> int:
        """How much has not been written yet."""
        return self._waiting_bytes

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything is written; ``False`` if that took longer or has failed."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while self._waiting_bytes and not self._closed:
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    return False
                self._changed.wait(remaining)
            return not self._closed

    def close(self) -> bool:
        """Drop what waits, end the thread unless it is stuck; whether this was the first call."""
        with self._changed:
            first = not self._closed
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
        return first

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (self._waiting or self._closed):
                    self._changed.wait()
                if self._closed:
                    return
                data = self._waiting.popleft()
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[self._stream.write(rest) or 0 :]
            except (OSError, ValueError) as error:
                self._fail(f"the client has closed its end: {error}")
                return
            with self._changed:
                # Counted until it is written, so that a frame stuck in the pipe counts too.
                self._waiting_bytes -= len(data)
                self._changed.notify_all()

    def _fail(self, reason: str) -> None:
        if self.close():
            self._on_failure(reason)
