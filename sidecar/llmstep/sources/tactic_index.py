"""Tactics of a library by the goals they were used on: an inverted index, memory-mapped.

The file has the layout of safetensors (8 bytes little-endian length, a JSON header with dtype,
shape and offsets of each array, then the arrays), so that nothing is read before it is needed and
several processes share one copy. Arrays, for R rows, V features, T distinct tactics and blocks of
65,536 rows:

- ``features`` uint32 (V,): hashed features, ascending; ``weights`` float32 (V,): their inverse
  document frequencies, squared.
- ``starts`` uint32 (blocks * V + 1,): where a feature's rows begin in ``rows``, block by block.
- ``rows`` uint16 (n,): row numbers within the block.
- ``names`` uint32: hashed words of all goals and tactics, and names of what they prove, ascending.
- ``norms`` float32 (R,): one over the length of each row's vector.
- ``tactics`` uint32 (R,): the row's tactic; ``offsets`` uint32 (T + 1,) and ``text`` uint8: UTF-8
  of the tactics, with marks (see `steps`).
"""

from __future__ import annotations

import json
import math
import mmap
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from llmstep.errors import ModelFileError
from llmstep.sources.features import hash_feature
from llmstep.user_files import open_file

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

BLOCK = 1 << 16
_MOST_REMEMBERED = 200_000
FORMAT = "llmstep-tactics-2"
_DTYPES = {"U8": "u1", "U16": "<u2", "U32": "<u4", "F32": "<f4"}
_ARRAYS = ("features", "weights", "starts", "rows", "norms", "tactics", "offsets", "text", "names")
_LONGEST_HEADER = 1 << 20


@attrs.frozen
class Neighbour:
    """A step taken on a similar goal.

    Attributes:
        step: The tactic, its local names marked.
        similarity: Cosine of the two goals' weighted features, in (0, 1].
    """

    step: str
    similarity: float


class TacticIndex:
    """An opened index file. Used from one thread at a time, as backends are.

    Raises:
        ModelFileError: The file is missing, cut short, or no index of this version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with open_file(path) as stream:
                memory = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:  # ValueError: an empty file
            raise _broken(path, f"cannot be read: {error}") from error
        arrays, self.metadata = _read_arrays(path, memory)
        if missing := [name for name in _ARRAYS if name not in arrays]:
            raise _broken(path, f"lacks the array {missing[0]!r}")
        self._features, self._weights, self._starts, self._rows = (arrays[n] for n in _ARRAYS[:4])
        self._norms, self._tactics, self._offsets, self._text = (arrays[n] for n in _ARRAYS[4:8])
        self._names = arrays["names"]
        blocks = -(-len(self._norms) // BLOCK)
        if len(self._starts) != blocks * len(self._features) + 1 or (
            len(self._tactics) != len(self._norms)
        ):
            raise _broken(path, "its arrays do not fit together")

        self._remembered: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._norms)

    def weigh(self, features: Collection[str]) -> Mapping[str, float]:
        """The squared weight of (at least) each feature; one the library lacks weighs most."""
        import numpy as np

        if len(self._remembered) > _MOST_REMEMBERED:
            self._remembered = {}
        names = [name for name in features if name not in self._remembered]
        if names:
            hashes = np.array([hash_feature(name) for name in names], dtype=np.uint32)
            places, known = self._find(hashes)
            weights = np.full(len(names), math.log(max(len(self), 2)) ** 2)
            weights[known] = self._weights[places[known]]
            self._remembered |= zip(names, weights.tolist(), strict=True)
        return self._remembered

    def knows(self, name: str) -> bool:
        """Whether the name occurs in the library: in a goal, in a step, or as what is proved."""
        import numpy as np

        key = np.uint32(hash_feature(name))
        place = int(np.searchsorted(self._names, key))
        return place < len(self._names) and bool(self._names[place] == key)

    def nearest(self, features: Collection[str], count: int) -> list[Neighbour]:
        """The steps taken on the ``count`` most similar goals, the most similar first."""
        import numpy as np

        if not features or not len(self):
            return []
        hashes = np.array(sorted(map(hash_feature, features)), dtype=np.uint32)
        places, known = self._find(hashes)
        unknown = int((~known).sum())
        places = places[known]
        weights = self._weights[places]
        length = float(weights.sum()) + unknown * math.log(len(self)) ** 2
        scores = self._add_up(places, weights)
        scores *= self._norms
        # Half of the best score is seldom reached: it spares ordering all rows of the library.
        best = np.flatnonzero(scores > scores.max() / 2)
        if len(best) < count:
            best = np.flatnonzero(scores > 0)
        best = best[np.lexsort((best, -scores[best]))][:count]
        return [
            Neighbour(self._step(int(self._tactics[row])), float(scores[row]) / math.sqrt(length))
            for row in best
        ]

    def _find(
        self, hashes: npt.NDArray[np.uint32]
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        import numpy as np

        if not len(self._features):
            return np.zeros(len(hashes), np.intp), np.zeros(len(hashes), np.bool_)
        places = np.searchsorted(self._features, hashes)
        places = np.minimum(places, len(self._features) - 1)
        return places, self._features[places] == hashes

    def _add_up(
        self, places: npt.NDArray[np.intp], weights: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """For each row the summed weight of the features it has; shape (R,)."""
        import numpy as np

        scores = np.zeros(len(self), dtype=np.float32)
        for block in range(0, len(self), BLOCK):
            part = scores[block : block + BLOCK]
            first = block // BLOCK * len(self._features)
            for place, weight in zip((places + first).tolist(), weights, strict=True):
                begin, end = self._starts[place : place + 2].tolist()
                part[self._rows[begin:end]] += weight  # a row occurs at most once
        return scores

    def _step(self, tactic: int) -> str:
        begin, end = self._offsets[tactic : tactic + 2].tolist()
        return bytes(self._text[begin:end]).decode("utf-8", errors="replace")


def _read_arrays(
    path: Path, memory: mmap.mmap
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
    import numpy as np

    size = int.from_bytes(memory[:8], "little")
    if not 2 <= size <= min(_LONGEST_HEADER, len(memory) - 8):
        raise _broken(path, "is no index")
    try:
        header = json.loads(memory[8 : 8 + size])
        metadata = dict(header.pop("__metadata__", {}))
        if metadata.get("format") != FORMAT:
            raise _broken(path, f"has the format {metadata.get('format')!r}, not {FORMAT!r}")
        arrays: dict[str, npt.NDArray[Any]] = {}
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            dtype = np.dtype(_DTYPES[entry["dtype"]])
            (count,) = entry["shape"]
            if end - begin != count * dtype.itemsize or 8 + size + end > len(memory):
                raise _broken(path, f"is cut short in its array {name!r}")
            arrays[name] = np.frombuffer(memory, dtype, count, 8 + size + begin)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _broken(path, f"has a damaged header: {error}") from error
    return arrays, metadata


def _broken(path: Path, what: str) -> ModelFileError:
    return ModelFileError(
        f"{path}: the tactic index {what}",
        hint="Restore the file, build it anew with `llmstep index build`, or leave `library` out "
        "of the setting `sources`.",
    )
