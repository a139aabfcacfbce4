"""Checksums of model files: the whole one, and a quick one that changes whenever the file does."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path

from llmstep.backends.gguf_parts import list_parts
from llmstep.errors import ModelFileError
from llmstep.user_files import open_file

_CHUNK = 1 << 20
# Up to this size a file is hashed whole for its fingerprint; that takes some 50 ms.
_HASH_WHOLE = 64 << 20


def hash_file(path: Path, on_progress: Callable[[int, int], None] | None = None) -> str:
    """SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    try:
        size = path.stat().st_size
        with open_file(path) as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                if on_progress:
                    on_progress(stream.tell(), size)
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error}") from None
    return digest.hexdigest()


def fingerprint(path: Path) -> str:
    """A short-cut checksum: of the whole file if it is small, else of its ends, size and time.

    Raises:
        ModelFileError: The file cannot be read.
    """
    try:
        if path.is_dir():
            return _fingerprint_folder(path)
        prints: list[str] = []
        for part in list_parts(path):
            entry = part.stat()
            prints.append(_fingerprint(part, entry.st_size, entry.st_mtime_ns))
        return "+".join(prints)
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error}") from None


def _fingerprint_folder(path: Path) -> str:
    files = [(file.name, file.stat()) for file in sorted(path.iterdir()) if file.is_file()]
    rows = [(name, entry.st_size, entry.st_mtime_ns) for name, entry in files]
    return hashlib.sha256(repr((str(path), rows)).encode()).hexdigest()


@functools.lru_cache(maxsize=8)
def _fingerprint(path: Path, size: int, mtime_ns: int) -> str:
    if size <= _HASH_WHOLE:
        return hash_file(path)
    digest = hashlib.sha256(f"{size}:{mtime_ns}".encode())
    with open_file(path) as stream:
        digest.update(stream.read(_CHUNK))
        stream.seek(-_CHUNK, 2)
        digest.update(stream.read(_CHUNK))
    return digest.hexdigest()
