"""A model split into several GGUF files, and how the files looked when they were opened.

llama.cpp finds the further parts by the name of the first, ``<name>-00001-of-00003.gguf`` (see
https://github.com/ggml-org/llama.cpp/tree/master/tools/gguf-split), in the folder of the path it is
given: a link is therefore never followed here, as in the Hugging Face cache it leads to a file with
another name.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from llmstep.backends.gguf_file import GgufHead, read_gguf_head
from llmstep.errors import ModelFileError

if TYPE_CHECKING:
    from collections.abc import Sequence

_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")
_MERGE = "Fetch all parts into one folder, or join them with `gguf-split --merge` of llama.cpp."


# What changes when a file does: its size, its time of change (ns), and which file it is.
Stamp = tuple[int, int, int]


def list_parts(path: Path) -> tuple[Path, ...]:
    """The files of a model, by the name of one of them; the path alone if it is not split."""
    named = _PART.fullmatch(path.name)
    if named is None:
        return (path,)
    count = int(named["count"])
    names = (f"{named['stem']}-{number:05d}-of-{count:05d}.gguf" for number in range(1, count + 1))
    # A number without end in a name must not become a list without end.
    return tuple(path.with_name(name) for _, name in zip(range(1000), names, strict=False))


def read_model_head(path: Path) -> tuple[GgufHead, int]:
    """Read the head of a model's file, and of its further parts if it is split.

    Returns:
        The head of the first part, and the bytes of all.

    Raises:
        ModelFileError: A file is damaged or missing, or is no part of this model; says which.
    """
    parts = list_parts(path)
    head = read_gguf_head(path)
    count = head.metadata.get("split.count", 0)
    if count and len(parts) == 1 and count != 1:
        raise ModelFileError(
            f"{path.name} is one of {count} parts, but is not named as one", hint=_MERGE
        )
    if len(parts) == 1:
        return head, head.size
    size = 0
    for number, part in enumerate(parts):
        found = read_gguf_head(part) if part != path else head
        told = (found.metadata.get("split.no"), found.metadata.get("split.count"))
        if told != (number, len(parts)):
            raise ModelFileError(
                f"{part.name} is not part {number + 1} of {len(parts)} of this model: its head "
                f"says {told[0]!r} of {told[1]!r}, counted from 0",
                hint=_MERGE,
            )
        size += found.size
    if path != parts[0]:
        raise ModelFileError(
            f"{path.name} is not the first part of the model", hint=f"Name {parts[0].name}."
        )
    return head, size


def take_stamps(paths: Sequence[Path]) -> tuple[Stamp | None, ...]:
    """How files look now; ``None`` for one that is not there (any more)."""
    return tuple(_stamp(path) for path in paths)


def _stamp(path: Path) -> Stamp | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino
