"""Lean files on disk: found and read as text, whatever a folder holds besides.

Nothing is executed, only regular files are opened, links to folders are not followed, and what
cannot be read is noted and left out.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs

from llmstep.user_files import open_file

MOST_FILES = 20_000
LARGEST_BYTES = 8_000_000
_NOT_SOURCES = frozenset({"build", "lake-packages", "node_modules", "__pycache__"})

Note = Callable[[str], object]


@attrs.frozen
class LeanFile:
    """A Lean file of a folder, and the name it is imported by."""

    path: Path
    module: str
    size: int
    mtime_ns: int


def find_lean_files(root: Path, source_folders: tuple[Path, ...], note: Note) -> list[LeanFile]:
    """The Lean files below a folder, in order of path; at most `MOST_FILES`.

    Module names are counted from the source folders, the innermost of which come first; `note` is
    told in words what is left out.
    """
    found: list[LeanFile] = []
    for path, status in _walk(root, note):
        if len(found) >= MOST_FILES:
            note(f"{root} has more than {MOST_FILES:,} Lean files; the others are not read")
            break
        if status.st_size > LARGEST_BYTES:
            note(f"{path} is larger than {LARGEST_BYTES // 1_000_000} MB and is not read")
            continue
        module = module_name(path, source_folders)
        found.append(LeanFile(path, module, status.st_size, status.st_mtime_ns))
    return found


def _walk(root: Path, note: Note) -> Iterator[tuple[Path, os.stat_result]]:
    folders = [root]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            note(f"{folder} cannot be read: {error.strerror or error}")
            continue
        inner: list[Path] = []
        for entry in listed:
            try:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name[0] != "." and entry.name not in _NOT_SOURCES:
                        inner.append(Path(entry.path))
                elif entry.name.endswith(".lean"):
                    status = entry.stat()
                    if stat.S_ISREG(status.st_mode):
                        yield Path(entry.path), status
            except OSError:  # gone meanwhile, or a link to nothing
                continue
        folders += reversed(inner)


def module_name(path: Path, source_folders: tuple[Path, ...]) -> str:
    """The name of the module in a file; empty if it lies in none of the folders."""
    for folder in source_folders:
        try:
            parts = path.with_suffix("").relative_to(folder).parts
        except ValueError:
            continue
        return ".".join(parts)
    return ""


def read_regular(path: Path, most: int = LARGEST_BYTES) -> bytes:
    """The bytes of a regular file.

    Raises:
        OSError: It cannot be read, is too large, or is a pipe, a device or a folder.
    """
    with open_file(path) as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it has more than {most:,} bytes", str(path))
    return content


def decode(content: bytes) -> str:
    """The text of a file; bytes that are no UTF-8 are replaced, line ends are made one kind."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", errors="replace")
    else:
        text = content.decode("utf-8-sig", errors="replace")
    return text.replace("\r\n", "\n")
