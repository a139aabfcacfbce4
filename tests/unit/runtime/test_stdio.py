from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from io import FileIO
from typing import Any

import pytest

from llmstep.runtime.framing import Malformed, encode_frame
from llmstep.runtime.stdio import InputPump, OutputPump

PATIENCE_SECONDS = 30
FRAME = encode_frame(b'{"id": 1}')


@pytest.fixture
def pipe() -> Iterator[tuple[FileIO, FileIO]]:
    reading, writing = os.pipe()
    with FileIO(reading, "rb") as reader, FileIO(writing, "wb") as writer:
        yield reader, writer


class Receiver:
    def __init__(self, acknowledge: bool = True) -> None:
        self.batches: list[Any] = []
        self.changed = threading.Condition()
        self.ended = threading.Event()
        self.pump: InputPump | None = None
        self._acknowledge = acknowledge

    def take(self, batch: Any) -> None:
        with self.changed:
            self.batches.append(batch)
            self.changed.notify_all()
        if self._acknowledge and self.pump is not None:
            self.pump.acknowledge()

    def wait_for(self, condition: Callable[[], bool]) -> bool:
        with self.changed:
            return self.changed.wait_for(condition, PATIENCE_SECONDS)


def test_messages_arrive_and_the_end_is_told(pipe: tuple[FileIO, FileIO]) -> None:
    receiver = Receiver()
    receiver.pump = InputPump(pipe[0], receiver.take, receiver.ended.set)
    receiver.pump.start()
    pipe[1].write(FRAME[:5])
    pipe[1].write(FRAME[5:] + b"nonsense\r\n" + FRAME[:-3])
    pipe[1].close()  # in the middle of a frame
    assert receiver.ended.wait(PATIENCE_SECONDS)
    found = [message for batch in receiver.batches for message in batch]
    assert found[0] == {"id": 1}
    assert isinstance(found[1], Malformed)
    assert len(found) == 2


def test_a_flood_waits_in_the_pipe(pipe: tuple[FileIO, FileIO]) -> None:
    receiver = Receiver(acknowledge=False)
    pump = InputPump(pipe[0], receiver.take, receiver.ended.set)
    pump.start()
    for count in range(1, 9):
        pipe[1].write(FRAME)
        assert receiver.wait_for(lambda count=count: len(receiver.batches) == count)
    pipe[1].write(FRAME)  # read, but not handed over before something is acknowledged
    pipe[1].close()
    assert not receiver.ended.wait(0.2)
    assert len(receiver.batches) == 8
    pump.acknowledge()
    assert receiver.ended.wait(PATIENCE_SECONDS)
    assert len(receiver.batches) == 9


def test_frames_are_written_in_order(pipe: tuple[FileIO, FileIO]) -> None:
    failures: list[str] = []
    output = OutputPump(pipe[1], failures.append)
    output.start()
    for number in range(100):
        output.write(b"%03d" % number)
    assert output.flush(PATIENCE_SECONDS)
    assert pipe[0].read(300) == b"".join(b"%03d" % number for number in range(100))
    assert failures == []
    output.close()
    output.write(b"after the end")
    assert not output.flush(0)


def test_a_client_that_never_reads_is_given_up(pipe: tuple[FileIO, FileIO]) -> None:
    failures: list[str] = []
    output = OutputPump(pipe[1], failures.append, queue_bytes=1 << 20)
    output.start()
    for _ in range(40):
        output.write(b"x" * 100_000)
    assert len(failures) == 1
    assert "unread" in failures[0]
    assert not output.flush(0)
    pipe[0].close()  # lets the thread out of the pipe


def test_one_frame_may_be_larger_than_the_queue(pipe: tuple[FileIO, FileIO]) -> None:
    failures: list[str] = []
    output = OutputPump(pipe[1], failures.append, queue_bytes=10)
    output.write(b"x" * 1000)
    output.start()
    assert output.flush(PATIENCE_SECONDS)
    assert failures == []


def test_a_client_that_is_gone_is_noticed() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    gone = threading.Event()
    with FileIO(writing, "wb") as stream:
        output = OutputPump(stream, lambda _reason: gone.set())
        output.start()
        output.write(b"hello")
        assert gone.wait(PATIENCE_SECONDS)


NOISE = """
import ctypes, os, subprocess, sys
from llmstep.runtime.stdio import claim_stdio
reader, writer = claim_stdio()
print("noise from print")
os.write(1, b"noise from fd 1\\n")
libc = ctypes.CDLL(None)
libc.puts(b"noise from C")
libc.fflush(None)
subprocess.run([sys.executable, "-c", "print('noise from a child', repr(input.__name__))"])
subprocess.run([sys.executable, "-c", "import sys; assert sys.stdin.read() == ''"], check=True)
writer.write(reader.read(100).upper())
"""


@pytest.mark.skipif(os.name != "posix", reason="calls the C library by its POSIX name")
def test_stray_output_never_reaches_the_client() -> None:
    done = subprocess.run(
        [sys.executable, "-c", NOISE], input=b"hello", capture_output=True, check=True
    )
    assert done.stdout == b"HELLO"
    for source in (b"print", b"fd 1", b"C", b"a child"):
        assert b"noise from " + source in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="closes descriptors through a POSIX shell")
def test_a_process_without_stderr_still_speaks() -> None:
    program = (
        "import sys; from llmstep.runtime.stdio import claim_stdio;"
        "r, w = claim_stdio(); print('noise'); print('more', file=sys.stderr); w.write(b'ok')"
    )
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, program],
        input=b"",
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"ok"
