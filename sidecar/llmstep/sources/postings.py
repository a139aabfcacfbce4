"""An inverted index in memory or in a mapped file: for each feature the rows that have it.

Arrays, for V features: ``features`` uint32 (V,), hashed and ascending; ``weights`` float32 (V,);
``starts`` uint32 (V + 1,): where a feature's rows begin in ``gaps``; ``gaps`` uint8: its rows in
ascending order, each as the distance to the one before it (the first to -1, less one), in groups of
seven bits, the highest first, all but the last with the top bit set. Most take one byte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

NAMES = ("features", "weights", "starts", "gaps")


@attrs.frozen(eq=False)
class Postings:
    """The rows of each feature."""

    features: npt.NDArray[np.uint32]
    weights: npt.NDArray[np.float32]
    starts: npt.NDArray[np.uint32]
    gaps: npt.NDArray[np.uint8]

    def find(
        self, hashes: npt.NDArray[np.uint32]
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        """Places of features, and which of them there are."""
        import numpy as np

        if not len(self.features):
            return np.zeros(len(hashes), np.intp), np.zeros(len(hashes), np.bool_)
        places = np.searchsorted(self.features, hashes)
        places = np.minimum(places, len(self.features) - 1)
        return places, self.features[places] == hashes

    def rows(self, place: int) -> npt.NDArray[np.int64]:
        """The rows that have the feature at this place, ascending."""
        begin, end = self.starts[place : place + 2].tolist()
        return _decode(self.gaps[begin:end])

    def add_up(
        self, places: npt.NDArray[np.intp], weights: npt.NDArray[np.float32], count: int
    ) -> npt.NDArray[np.float32]:
        """For each of ``count`` rows the summed weight of the features it has."""
        import numpy as np

        scores = np.zeros(count, dtype=np.float32)
        for place, weight in zip(places.tolist(), weights, strict=True):
            scores[self.rows(place)] += weight  # a row occurs at most once
        return scores


def invert(
    features: npt.NDArray[np.uint32],
    lengths: npt.NDArray[np.uint32],
    weigh: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.float64]],
    keep: Callable[[npt.NDArray[np.uint32], npt.NDArray[np.int64]], npt.NDArray[np.bool_]],
) -> Postings:
    """The postings of rows whose features are given one row after the other.

    Args:
        features: Hashed features of all rows, no feature twice in one.
        lengths: How many of them each row has.
        weigh: The weights of features, by the number of rows each has.
        keep: Which features to keep, by their hashes and their numbers of rows.
    """
    import numpy as np

    order = np.argsort(features, kind="stable")
    rows = np.repeat(np.arange(len(lengths), dtype=np.uint32), lengths)[order]
    known, counts = np.unique(features, return_counts=True)
    kept = keep(known, counts)
    rows = rows[np.repeat(kept, counts)]
    known, counts = known[kept], counts[kept]
    begins = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    gaps = np.diff(rows.astype(np.int64), prepend=0) - 1
    firsts = begins[:-1]
    gaps[firsts] = rows[firsts]
    encoded, ends = _encode(gaps.astype(np.uint32))
    starts = np.concatenate([[0], ends])[begins].astype(np.uint32)
    return Postings(known, weigh(counts).astype(np.float32), starts, encoded)


def _encode(
    numbers: npt.NDArray[np.uint32],
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The numbers as bytes, and where the bytes of each end."""
    import numpy as np

    sizes = np.ones(len(numbers), dtype=np.int64)
    for bits in (7, 14, 21, 28):
        sizes += numbers >= np.uint32(1 << bits)
    ends = np.cumsum(sizes)
    encoded = np.zeros(int(ends[-1]) if len(ends) else 0, dtype=np.uint8)
    for group in range(5):
        has = sizes > group
        value = (numbers[has] >> np.uint32(7 * group)) & np.uint32(127)
        encoded[ends[has] - 1 - group] = value | (128 if group else 0)
    return encoded, ends


def _decode(encoded: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    import numpy as np

    ends = np.flatnonzero(encoded < 128)
    if len(ends) == len(encoded):
        gaps = encoded.astype(np.int64)
    else:
        gaps = encoded[ends].astype(np.int64)
        sizes = ends.copy()
        sizes[1:] -= ends[:-1]
        sizes[:1] += 1
        long, group = np.flatnonzero(sizes > 1), 1
        while len(long):
            gaps[long] += (encoded[ends[long] - group] & 127).astype(np.int64) << (7 * group)
            group += 1
            long = long[sizes[long] > group]
    gaps += 1
    return np.cumsum(gaps) - 1


def as_arrays(postings: Postings, prefix: str) -> Mapping[str, npt.NDArray[np.generic]]:
    """The arrays as a file names them."""
    return {f"{prefix}{name}": getattr(postings, name) for name in NAMES}
