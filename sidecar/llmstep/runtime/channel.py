"""The channel between front and engine: a Unix socket, or on Windows a loopback connection.

Who may speak: the other end of a Unix socket must be a process of the same user (the kernel says
so). A loopback connection can be made by anybody on the machine; there, each side proves that it
can read a file of the user's own, with a key that itself never travels.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import sys

from llmstep import environment
from llmstep.private_files import replace_privately
from llmstep.runtime.framing import FrameDecoder, Malformed, encode_frame

_BACKLOG = 256
_CHUNK_BYTES = 1 << 16
_KEY_BYTES = 32
# An engine that is being started listens before it can answer.
_PROOF_S = 30.0

# `LLMSTEP_LOOPBACK` takes the way of Windows elsewhere, too: for tests, and file systems without
# sockets.
UNIX = hasattr(socket, "AF_UNIX") and not os.environ.get(environment.LOOPBACK)


class ChannelError(Exception):
    """There is nobody at the other end, or not who it should be."""


class Channel:
    """A connected socket that carries frames; for blocking use."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._decoder = FrameDecoder()
        self._found: list[dict[str, object]] = []

    def send(self, message: dict[str, object]) -> None:
        """Send one message.

        Raises:
            OSError: The other end is gone.
        """
        self.socket.sendall(encode_frame(json.dumps(message).encode()))

    def receive(self, timeout_s: float | None) -> dict[str, object]:
        """The next message.

        Raises:
            ChannelError: None came in time, the other end is gone, or it sends something else.
        """
        self.socket.settimeout(timeout_s)
        try:
            while not self._found:
                chunk = self.socket.recv(_CHUNK_BYTES)
                if not chunk:
                    raise ChannelError("the other end was closed")
                for message in self._decoder.feed(chunk):
                    if isinstance(message, Malformed):
                        raise ChannelError(f"no message: {message.message}")
                    self._found.append(message)
        except OSError as error:
            raise ChannelError(str(error) or type(error).__name__) from error
        finally:
            self.socket.settimeout(None)
        return self._found.pop(0)

    @property
    def early(self) -> list[dict[str, object]]:
        """Messages that came together with the last one that was asked for."""
        return self._found

    def close(self) -> None:
        """End the connection."""
        with contextlib.suppress(OSError):
            self.socket.close()


def connect(path: str, timeout_s: float) -> Channel:
    """Connect to whoever listens there.

    Raises:
        ChannelError: Nobody does, or a process of another user.
    """
    connection = socket.socket(socket.AF_UNIX if UNIX else socket.AF_INET, socket.SOCK_STREAM)
    connection.settimeout(timeout_s)
    try:
        if UNIX:
            connection.connect(path)
            check_peer(connection)
        else:
            port, key = _read_address(path)
            connection.connect(("127.0.0.1", port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _prove(Channel(connection), key)
    except (OSError, ValueError, ChannelError) as error:
        connection.close()
        raise ChannelError(str(error) or type(error).__name__) from error
    connection.settimeout(None)
    return Channel(connection)


class Listener:
    """A listening socket, and the file by which it is found.

    A socket that a dead engine left there is taken away: the caller holds the lock of the place.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        if UNIX:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            mask = os.umask(0o177)
            try:
                self.socket.bind(path)
            finally:
                os.umask(mask)
            self.key = b""
        else:
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self.socket.bind(("127.0.0.1", 0))
            self.key = os.urandom(_KEY_BYTES)
            text = json.dumps({"port": self.socket.getsockname()[1], "key": self.key.hex()})
            replace_privately(path, text)
        self.socket.listen(_BACKLOG)
        self._inode = os.stat(path).st_ino

    @property
    def is_there(self) -> bool:
        """Whether the file is still there, and this engine's."""
        try:
            return os.stat(self._path).st_ino == self._inode
        except OSError:
            return False

    def forget(self) -> None:
        """Take the file away, unless it is another engine's by now."""
        if self.is_there:
            with contextlib.suppress(OSError):
                os.unlink(self._path)


def check_peer(connection: socket.socket) -> None:
    """See that the other end of a Unix socket is a process of the same user.

    Raises:
        ChannelError: It is somebody else's.
    """
    own = os.getuid()
    if sys.platform.startswith("linux"):
        size = struct.calcsize("3i")
        data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        user = struct.unpack("3i", data)[1]
    elif sys.platform == "darwin" or "bsd" in sys.platform:
        # struct xucred of sys/un.h, by SOL_LOCAL (0) and LOCAL_PEERCRED (1): version, user, ...
        user = struct.unpack_from("2I", connection.getsockopt(0, 1, 76))[1]
    else:
        return  # the folder's mode is what keeps others out
    if user != own:
        raise ChannelError(f"the other end belongs to user {user}")


def challenge(nonce: str, side: str, key: bytes) -> str:
    """The answer to a challenge: only who knows the key can compute it."""
    import hmac

    return hmac.new(key, f"{side}:{nonce}".encode(), "sha256").hexdigest()


def _prove(channel: Channel, key: bytes) -> None:
    """Prove to the engine who we are; another program may have taken its port over."""
    import hmac

    nonce = os.urandom(16).hex()
    channel.send({"challenge": nonce})
    answer = channel.receive(_PROOF_S)
    if not hmac.compare_digest(str(answer.get("proof")), challenge(nonce, "engine", key)):
        raise ChannelError("the port belongs to another program")
    channel.send({"proof": challenge(str(answer.get("challenge")), "front", key)})


def _read_address(path: str) -> tuple[int, bytes]:
    with open(path, encoding="ascii") as file:
        value = json.load(file)
    return int(value["port"]), bytes.fromhex(value["key"])
