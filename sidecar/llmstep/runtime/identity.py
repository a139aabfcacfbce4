"""Who a front or an engine is: which version, from where, with which libraries, for which user."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

from llmstep import __version__, environment

# Version of what front and engine say to each other; another one finds no common engine.
LINK_VERSION = 1

# Libraries that an installation may lack, and that an engine for another one must then not lack.
_OPTIONAL_LIBRARIES = ("llama_cpp", "transformers", "torch", "huggingface_hub", "httpx")
# Variables that libraries read for the whole process: only clients that agree share an engine.
_SHARED_NAMES = frozenset(
    {
        "HOME", "USERPROFILE", "LOCALAPPDATA", environment.HOME, environment.ECHO_SCRIPT,
        "PYTHONPATH",
        "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME",
        "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CUDA_VISIBLE_DEVICES",
        "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "OPENAI_API_KEY",
        "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
        "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    }
)  # fmt: skip
_SHARED_PREFIXES = (environment.OPENAI_PREFIX, "HF_", "HUGGING", "TRANSFORMERS_", "GGML_", "LLAMA_")
# Native code that gives up would start a debugger, whose many lines hide the one that matters.
# Set in every engine.
NO_BACKTRACE = "GGML_NO_BACKTRACE"
# Settings of the client, by environment variable. What is not one of them is ignored by the engine.
_OWN_PREFIX = "LLMSTEP_"


class Identity:
    """What one side tells the other of itself.

    Attributes:
        version: Version of the program.
        stamp: When its newest file was written (nanoseconds): the same version of a checkout may
            be another program after `git pull`.
        location: Folder of the program.
        abilities: Optional libraries that it has.
        shared: Variables that both sides must have in common.
    """

    def __init__(
        self,
        version: str,
        stamp: int,
        location: str,
        abilities: tuple[str, ...],
        shared: dict[str, str],
    ) -> None:
        self.version = version
        self.stamp = stamp
        self.location = location
        self.abilities = abilities
        self.shared = shared

    @classmethod
    def own(cls) -> Identity:
        """This process's."""
        package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        return cls(
            __version__,
            newest_file(package),
            f"{sys.prefix}{os.pathsep}{package}",
            tuple(name for name in _OPTIONAL_LIBRARIES if _is_there(name)),
            shared_variables(os.environ),
        )

    def to_json(self) -> dict[str, object]:
        """As it travels."""
        return {
            "link": LINK_VERSION,
            "version": self.version,
            "stamp": self.stamp,
            "location": self.location,
            "abilities": list(self.abilities),
            "shared": self.shared,
        }

    @classmethod
    def from_json(cls, value: dict[str, object]) -> Identity:
        """Read what the other side says of itself.

        Raises:
            ValueError: It speaks another version of this, or is no front at all.
        """
        abilities, shared, stamp = value.get("abilities"), value.get("shared"), value.get("stamp")
        if value.get("link") != LINK_VERSION:
            raise ValueError(f"it speaks version {value.get('link')} of the link")
        if (
            not isinstance(abilities, list)
            or not isinstance(shared, dict)
            or not isinstance(stamp, int)
        ):
            raise ValueError("its greeting lacks a field")
        return cls(
            str(value.get("version")),
            stamp,
            str(value.get("location")),
            tuple(str(name) for name in abilities),
            {str(name): str(text) for name, text in shared.items()},
        )

    def is_outdated_by(self, other: Identity) -> bool:
        """Whether the other one is newer: by its version, or as the same program written anew."""
        if version_key(other.version) != version_key(self.version):
            return version_key(other.version) > version_key(self.version)
        return other.location == self.location and other.stamp > self.stamp

    def can_serve(self, other: Identity) -> bool:
        """Whether an engine that is this one can stand in for one of the other's."""
        if self.shared != other.shared:
            return False
        return other.location == self.location or set(other.abilities) <= set(self.abilities)


def shared_variables(environ: os._Environ[str] | dict[str, str]) -> dict[str, str]:
    """The variables that the clients of one engine must have in common."""
    return {
        name: value
        for name, value in environ.items()
        if name in _SHARED_NAMES or (name.startswith(_SHARED_PREFIXES) and name != NO_BACKTRACE)
    }


def own_variables(environ: os._Environ[str] | dict[str, str]) -> dict[str, str]:
    """The variables that are settings of one client."""
    return {name: value for name, value in environ.items() if name.startswith(_OWN_PREFIX)}


def version_key(version: str) -> tuple[object, ...]:
    """Order of versions: 2.0.0.dev1 before 2.0.0 before 2.0.1 (PEP 440, as far as we use it)."""
    numbers: list[int] = []
    for part in version.split("."):
        if not part.isdigit():
            # A suffix such as `dev1` or `0rc1` stands before the version itself.
            return (*numbers, *([0] * (4 - len(numbers))), 0, part)
        numbers.append(int(part))
    return (*numbers, *([0] * (4 - len(numbers))), 1, "")


def newest_file(folder: str) -> int:
    """When the newest Python file below a folder was written, in nanoseconds."""
    newest = 0
    folders = [folder]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.name.endswith(".py"):
                        newest = max(newest, entry.stat().st_mtime_ns)
                    elif "." not in entry.name and entry.name[0] not in "_" and entry.is_dir():
                        folders.append(entry.path)
        except OSError:
            continue
    return newest


def _is_there(library: str) -> bool:
    try:
        return find_spec(library) is not None
    except (ImportError, ValueError):
        return False
