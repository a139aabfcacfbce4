"""The runtime folder: one of each user, readable by nobody else, and short enough for a socket."""

from __future__ import annotations

import os
import stat
import sys
import zlib

from llmstep import environment

# Bytes that a socket's path may have (sun_path of Linux less its end; macOS has 104).
_LONGEST_SOCKET_PATH = 107 if sys.platform.startswith("linux") else 103
_LONGEST_NAME = len("engine-12345678-12345678.sock")


class NoPlaceError(Exception):
    """There is no folder that is this user's alone."""


class EnginePlace:
    """The files of one engine.

    Attributes:
        folder: The runtime folder.
        name: Common beginning of their names.
        socket: The socket; on Windows the file that names port and key.
        lock: Held by whoever starts an engine.
        death: How the last engine ended, written by its watcher.
        work: What the engine is at.
        casualties: The work that engines have died of.
        log: What the engine writes for humans.
    """

    def __init__(self, folder: str, name: str) -> None:
        self.folder = folder
        self.name = name
        start = os.path.join(folder, name)
        self.socket = f"{start}.sock"
        self.lock = f"{start}.lock"
        self.death = f"{start}.death"
        self.work = f"{start}.work"
        self.casualties = f"{start}.casualties"
        self.log = f"{start}.log"

    def beside(self, location: str) -> EnginePlace:
        """The place of an engine of one installation, where another one has the main place."""
        return EnginePlace(self.folder, f"{self.name}-{checksum(location)}")


def find_place(environ: dict[str, str]) -> EnginePlace:
    """The place of the engine whose clients have these variables in common; see `runtime_folder`.

    Raises:
        NoPlaceError: No folder can be had that is this user's alone.
    """
    return EnginePlace(runtime_folder(), f"engine-{checksum(repr(sorted(environ.items())))}")


def checksum(text: str) -> str:
    """Eight hexadecimal digits; who meets by them compares the whole text."""
    return f"{zlib.crc32(text.encode('utf-8', 'surrogatepass')):08x}"


def runtime_folder() -> str:
    """The runtime folder, made if need be.

    Raises:
        NoPlaceError: No folder can be had that is this user's alone.
    """
    reasons: list[str] = []
    for folder in _candidates():
        longest = len(os.fsencode(folder)) + 1 + _LONGEST_NAME
        if os.name == "posix" and longest > _LONGEST_SOCKET_PATH:
            reasons.append(f"{folder}: too long for a socket")
            continue
        try:
            make_private(folder)
        except (OSError, NoPlaceError) as error:
            reasons.append(f"{folder}: {error}")
        else:
            return folder
    raise NoPlaceError("; ".join(reasons))


def make_private(folder: str) -> None:
    """Make a folder that nobody else can enter, or see that it is one.

    Raises:
        OSError: It cannot be made.
        NoPlaceError: It belongs to somebody else, or others may enter.
    """
    os.makedirs(folder, mode=0o700, exist_ok=True)
    if os.name != "posix":
        return  # below the user's profile, whose access list is inherited
    # A link could lead into a folder of somebody else's.
    state = os.lstat(folder)
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid():
        raise NoPlaceError("it is not this user's folder")
    if stat.S_IMODE(state.st_mode) != 0o700:
        os.chmod(folder, 0o700)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise NoPlaceError("it cannot be written to")


def _candidates() -> list[str]:
    home = os.environ.get(environment.HOME, "").strip()
    folders: list[str] = []
    home = os.path.expanduser(home)
    if home.startswith("~"):
        home = ""  # the home folder of a user there is not; all of llmstep does without it
    if home:
        home = os.path.abspath(home)
        folders.append(os.path.join(home, "run"))
    elif os.name == "nt":
        local = os.environ.get("LOCALAPPDATA") or os.path.join(os.path.expanduser("~"), "AppData")
        folders.append(os.path.join(local, "llmstep", "run"))
    elif os.environ.get("XDG_RUNTIME_DIR"):
        folders.append(os.path.join(os.environ["XDG_RUNTIME_DIR"], "llmstep"))
    if os.environ.get(environment.NO_SHARED_FOLDER):
        return folders  # not in a folder that all users share, says whoever keeps the machine
    # Each home has a folder of its own also where its path is too long or cannot be written to.
    suffix = f"-{checksum(home)}" if home else ""
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    bases = [_temporary_folder()] + (["/tmp"] if os.name == "posix" else [])
    for base in dict.fromkeys(bases):
        folders.append(os.path.join(base, f"llmstep-{user}{suffix}"))
    return folders


def _temporary_folder() -> str:
    for name in ("TMPDIR", "TEMP", "TMP"):
        if (folder := os.environ.get(name)) and os.path.isdir(folder):
            return os.path.abspath(folder)
    return "/tmp" if os.name == "posix" else os.path.expanduser("~")
