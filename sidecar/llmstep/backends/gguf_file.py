"""Reading the head of a GGUF file, to name what is wrong with it before a library maps it.

Format (version 2 and 3): https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Only the head
is read: metadata, and where the tensors lie. Lengths in the file are never trusted.

The gguf package is for the workshop: it reads every token of the vocabulary (20 times as long for
the built-in model), believes the lengths, and is no dependency of whoever runs models.
"""

from __future__ import annotations

import math
import mmap
import struct
from typing import TYPE_CHECKING

import attrs

from llmstep.errors import ModelFileError
from llmstep.user_files import open_file

if TYPE_CHECKING:
    from pathlib import Path

Scalar = int | float | bool | str

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_DEFAULT_ALIGNMENT = 32
_MOST_DIMENSIONS = 4  # GGML_MAX_DIMS

# gguf_metadata_value_type -> struct format; strings (8) and arrays (9) have a length of their own.
_SCALARS = dict(zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIif?Qqd", strict=True))
# What llama.cpp takes for granted of the numbers in a head, and aborts the process over; the keys
# stand behind the architecture's name. LLAMA_MAX_LAYERS of llama.cpp is 512.
_RANGES = {
    "block_count": (1, 512),
    "embedding_length": (1, 1 << 20),
    "feed_forward_length": (0, 1 << 24),
    "context_length": (0, (1 << 31) - 1),
    "vocab_size": (0, 1 << 24),
    "attention.head_count": (0, 1 << 14),
    "attention.head_count_kv": (0, 1 << 14),
    "attention.key_length": (0, 1 << 16),
    "attention.value_length": (0, 1 << 16),
    "attention.sliding_window": (0, (1 << 31) - 1),
    "rope.dimension_count": (0, 1 << 16),
    "expert_count": (0, 1 << 12),
    "expert_used_count": (0, 1 << 12),
}
_ABOVE_ZERO = ("_epsilon", "rope.freq_base", "rope.freq_base_swa")

_STRING = 8
_ARRAY = 9


@attrs.frozen
class GgufHead:
    """What the head of a GGUF file tells.

    Attributes:
        metadata: Scalar values by key; arrays (the vocabulary) are left out.
        size: Bytes of the file.
        least_size: Where the last tensor begins: a complete file is longer than that.
    """

    metadata: dict[str, Scalar]
    size: int
    least_size: int

    @property
    def architecture(self) -> str:
        """The model's architecture, e.g. ``llama``; empty if the file does not tell."""
        return str(self.metadata.get("general.architecture", ""))

    @property
    def is_causal(self) -> bool:
        """Whether its attention is causal: false for encoders, which cannot continue a text."""
        return bool(self.metadata.get(f"{self.architecture}.attention.causal", True))


def read_gguf_head(path: Path) -> GgufHead:
    """Read and check the head of a GGUF file.

    Raises:
        ModelFileError: The file is missing, unreadable, empty, no GGUF, or ends too early.
    """
    try:
        with open_file(path) as file:
            start = file.read(len(_MAGIC))
            if not start:
                raise ModelFileError(f"the model file {path} is empty", hint=_again(path))
            if start != _MAGIC:
                raise ModelFileError(_no_gguf(path, start), hint=_OTHER_FORMAT)
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _Reader(data, path).read_head()
    except FileNotFoundError as error:
        raise ModelFileError(f"there is no model file {path}", hint=_again(path)) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelFileError(f"cannot read the model file {path}: {reason}") from error


_OTHER_FORMAT = "Name a .gguf file; a Hugging Face folder needs the transformers backend."


def _again(path: Path) -> str:
    return f"Fetch the file again, or name another model (looked for {path.name})."


def _no_gguf(path: Path, start: bytes) -> str:
    if start == b"vers":  # "version https://git-lfs.github.com/spec/v1"
        return f"{path} is a Git LFS pointer, not the model itself (run `git lfs pull`)"
    return f"{path} is no GGUF file: it begins with {start!r}, not {_MAGIC!r}"


class _Reader:
    """Walks the head once; every step is checked against the end of the file."""

    def __init__(self, data: mmap.mmap, path: Path) -> None:
        self._data = data
        self._path = path
        self._at = len(_MAGIC)

    def read_head(self) -> GgufHead:
        version = self._scalar("<I")
        if version not in _VERSIONS:
            raise ModelFileError(
                f"{self._path} is a GGUF file of version {version}; known are 2 and 3",
                hint="Convert the model again, or upgrade llmstep.",
            )
        tensors = self._scalar("<Q")
        entries = self._scalar("<Q")
        metadata: dict[str, Scalar] = {}
        for _ in range(entries):
            key = self._string()
            value = self._value(self._scalar("<I"))
            if value is not None:
                metadata[key] = value
        last = 0
        for _ in range(tensors):
            last = max(last, self._tensor_offset())
        alignment = metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
        if not isinstance(alignment, int) or alignment <= 0:
            raise self._damaged(f"an alignment of {alignment!r}")
        least = -(-self._at // alignment) * alignment + last
        if tensors and least >= len(self._data):
            raise self._too_short(least + 1)
        self._check_ranges(metadata)
        return GgufHead(metadata, len(self._data), least)

    def _check_ranges(self, metadata: dict[str, Scalar]) -> None:
        start = f"{metadata.get('general.architecture', '')}."
        for key, value in metadata.items():
            name = key.removeprefix(start)
            if isinstance(value, float) and not math.isfinite(value):
                raise self._damaged(f"{key} is {value}")
            if name == key or isinstance(value, (bool, str)):
                continue
            low, high = _RANGES.get(name, (-math.inf, math.inf))
            if not low <= value <= high or (name.endswith(_ABOVE_ZERO) and value <= 0):
                raise self._damaged(f"{key} is {value}")

    def _tensor_offset(self) -> int:
        self._string()
        dimensions = self._scalar("<I")
        if dimensions > _MOST_DIMENSIONS:
            raise self._damaged(f"a tensor of {dimensions} dimensions")
        self._skip(8 * dimensions + 4)
        return self._scalar("<Q")

    def _value(self, kind: int) -> Scalar | None:
        """A value; ``None`` for an array, which is stepped over."""
        if kind == _STRING:
            return self._string()
        if kind != _ARRAY:
            return self._scalar(self._format(kind))
        item = self._scalar("<I")
        count = self._scalar("<Q")
        if item == _STRING:
            for _ in range(count):
                self._skip(self._scalar("<Q"))
        else:
            self._skip(count * struct.calcsize(self._format(item)))
        return None

    def _format(self, kind: int) -> str:
        if kind not in _SCALARS:
            raise self._damaged(f"a value of unknown type {kind}")
        return "<" + _SCALARS[kind]

    def _string(self) -> str:
        length = self._scalar("<Q")
        start = self._at
        self._skip(length)
        return self._data[start : self._at].decode("utf-8", errors="replace")

    def _scalar(self, layout: str) -> int:
        start = self._at
        self._skip(struct.calcsize(layout))
        return struct.unpack_from(layout, self._data, start)[0]

    def _skip(self, count: int) -> None:
        self._at += count
        if self._at > len(self._data):
            raise self._too_short(self._at)

    def _too_short(self, needed: int) -> ModelFileError:
        return ModelFileError(
            f"the model file {self._path} is cut short: it has {len(self._data)} bytes and needs "
            f"at least {needed}",
            hint=_again(self._path),
        )

    def _damaged(self, found: str) -> ModelFileError:
        return ModelFileError(
            f"the model file {self._path} is damaged: {found}", hint=_again(self._path)
        )
