"""Finds the user's engine, or starts it."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time

from llmstep.private_files import open_private_descriptor
from llmstep.runtime.channel import Channel, ChannelError, connect
from llmstep.runtime.identity import Identity, own_variables
from llmstep.runtime.lock import lock_file
from llmstep.runtime.place import EnginePlace, NoPlaceError, make_private

_CONNECT_S = 5.0
# An engine that has just been started imports its libraries before it can greet.
_GREETING_S = 30.0
_LOCK_S = 60.0
_START_S = 60.0
_POLL_S = 0.01
_MOST_TRIES = 6


class NoEngineError(Exception):
    """No engine can be had; the message says why."""


class Link:
    """A connection to an engine that has greeted."""

    def __init__(self, channel: Channel, place: EnginePlace, greeting: dict[str, object]) -> None:
        self.channel = channel
        self.place = place
        self.pid = int(str(greeting.get("pid") or 0))

    def close(self) -> None:
        """End the connection; whoever reads from it sees the end."""
        with contextlib.suppress(OSError):
            self.channel.socket.shutdown(socket.SHUT_RDWR)
        self.channel.close()


class Caller:
    """What a front tells the engine of its client."""

    def __init__(self, identity: Identity, flags: dict[str, object]) -> None:
        self.identity = identity
        self._flags = flags

    def greeting(self) -> dict[str, object]:
        """The first message to an engine; its folder is that of the client's relative paths."""
        return {
            "hello": self.identity.to_json(),
            "pid": os.getpid(),
            "cwd": _folder(),
            "flags": self._flags,
            "environ": own_variables(os.environ),
        }

    def link(self, place: EnginePlace) -> Link:
        """Connect to the engine of a place; start one if there is none that can serve.

        Args:
            place: The main place; an installation that the engine there cannot serve has one
                beside it.

        Raises:
            NoEngineError: There is none, and none can be started.
        """
        reason, main_place = "", place
        for _ in range(_MOST_TRIES):
            link, reason = self._greet(place)
            if link is not None:
                return link
            if reason == "unable":
                if place is not main_place:
                    raise NoEngineError("the engine was started in another environment")
                place = main_place.beside(self.identity.location)
                continue
            self._start(place)
        raise NoEngineError(f"the engine went away {_MOST_TRIES} times ({reason})")

    def _greet(self, place: EnginePlace) -> tuple[Link | None, str]:
        """Connect to an engine that is there; without success, why."""
        try:
            channel = connect(place.socket, _CONNECT_S)
        except ChannelError as error:
            return None, str(error)
        try:
            channel.send(self.greeting())
            answer = channel.receive(_GREETING_S)
        except (OSError, ChannelError) as error:
            channel.close()
            if "timed out" in str(error):
                raise NoEngineError("an engine is there and does not answer") from error
            return None, str(error)
        if answer.get("welcome"):
            return Link(channel, place, answer), ""
        channel.close()
        return None, str(answer.get("refused"))

    def _start(self, place: EnginePlace) -> None:
        """Start an engine, unless somebody else does; returns when there is one to connect to."""
        try:
            make_private(place.folder)  # somebody may have cleared it away
            lock = lock_file(place.lock, _LOCK_S)
        except (OSError, NoPlaceError) as error:
            raise NoEngineError(f"{place.lock}: {error}") from error
        if lock is None:
            raise NoEngineError("another process has been starting an engine for too long")
        try:
            if not is_listening(place):
                _spawn(place)
        finally:
            os.close(lock)


def is_listening(place: EnginePlace) -> bool:
    """Whether an engine takes connections there."""
    try:
        connect(place.socket, _CONNECT_S).close()
    except ChannelError:
        return False
    return True


def _spawn(place: EnginePlace) -> None:
    import subprocess

    log = place.log
    command = [sys.executable, "-m", "llmstep.server.watcher", place.folder, place.name]
    output = open_log(log)
    # DETACHED_PROCESS, CREATE_NEW_PROCESS_GROUP, CREATE_BREAKAWAY_FROM_JOB
    windows = 0x00000008 | 0x00000200 | 0x01000000 if os.name == "nt" else 0
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=_working_folder(place),
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
            creationflags=windows,
        )
    except OSError as error:
        raise NoEngineError(f"{sys.executable} cannot be started: {error}") from error
    finally:
        os.close(output)
    deadline = time.monotonic() + _START_S
    # It ends as soon as it listens, and leaves the engine behind; on Windows it is the engine.
    while process.poll() is None and not (os.name == "nt" and is_listening(place)):
        if time.monotonic() > deadline:
            raise NoEngineError(f"it did not listen within {_START_S:g} s; see {log}")
        time.sleep(_POLL_S)
    if process.returncode:
        raise NoEngineError(f"it ended with exit code {process.returncode}; see {log}")


def _working_folder(place: EnginePlace) -> str:
    """The engine's working folder: one that stays, and from which the same program is found."""
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    first = os.path.abspath(sys.path[0]) if sys.path and sys.path[0] else _folder()
    return package if first == package else place.folder


def open_log(path: str) -> int:
    """Open the engine's log for appending; nothing is kept where that cannot be."""
    with contextlib.suppress(OSError):
        if os.path.exists(path) and os.path.getsize(path) > 1 << 20:
            os.replace(path, f"{path}.1")
        return open_private_descriptor(path, os.O_WRONLY | os.O_APPEND)
    return os.open(os.devnull, os.O_WRONLY)


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return os.sep
