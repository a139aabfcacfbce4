"""How far a measured share or mean may be from the true one: 95 % confidence intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

# The normal distribution's 97.5 % quantile.
_Z = 1.959963984540054
_RESAMPLES = 1000
# Draws held in memory at once, each a number of its own for every row.
_MOST_DRAWS = 4_000_000


@attrs.frozen
class Interval:
    """A 95 % confidence interval."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:.3f}-{self.high:.3f}"


def wilson(successes: int, trials: int) -> Interval:
    """The interval of a success rate (Wilson 1927), also right for few trials and for 0 or all.

    Raises:
        ValueError: There is no trial, or there are more successes than trials.
    """
    if not 0 <= successes <= trials or not trials:
        raise ValueError(f"{successes} successes in {trials} trials")
    share = successes / trials
    spread = _Z**2 / trials
    centre = (share + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(share * (1 - share) / trials + spread / (4 * trials)) / (1 + spread)
    return Interval(max(0.0, centre - half), min(1.0, centre + half))


def bootstrap_means(columns: Sequence[Sequence[float]], seed: int = 0) -> list[Interval]:
    """Percentile bootstrap of the mean of each column, rows drawn together.

    Args:
        columns: Columns of equal length, at least one row.
        seed: The same seed gives the same intervals.
    """
    table = np.asarray(columns, dtype=np.float64)
    means = _resample(table, seed)
    return [_percentiles(row) for row in means]


def bootstrap_ratio(parts: Sequence[float], wholes: Sequence[float], seed: int = 0) -> Interval:
    """Percentile bootstrap of ``sum(parts) / sum(wholes)``, rows drawn together; wholes > 0."""
    parts_mean, wholes_mean = _resample(np.asarray([parts, wholes], dtype=np.float64), seed)
    return _percentiles(parts_mean / wholes_mean)


def _resample(table: FloatArray, seed: int) -> FloatArray:
    """Means of resampled rows: (columns, rows) becomes (columns, resamples)."""
    generator = np.random.default_rng(seed)
    rows = table.shape[1]
    step = max(1, _MOST_DRAWS // rows)
    pieces: list[FloatArray] = []
    for start in range(0, _RESAMPLES, step):
        draws = generator.multinomial(
            rows, np.full(rows, 1 / rows), size=min(step, _RESAMPLES - start)
        )
        pieces.append(table @ draws.T / rows)
    return np.concatenate(pieces, axis=1)


def _percentiles(values: FloatArray) -> Interval:
    low, high = np.percentile(values, [2.5, 97.5])
    return Interval(float(low), float(high))
