from __future__ import annotations

import numpy as np
import pytest

from llmstep.sources.postings import invert


@pytest.mark.parametrize("rows", [3, 200, 20_000, 3_000_000])
def test_rows_come_back_however_far_apart_they_are(rows: int) -> None:
    random = np.random.default_rng(rows)
    wanted = {
        7: np.unique(random.integers(0, rows, 50)),  # far apart
        11: np.arange(min(rows, 300)),  # one after the other
        13: np.array([0, rows - 1]),
        17: np.array([rows - 1]),
    }
    lengths = np.zeros(rows, dtype=np.uint32)
    pairs: list[tuple[int, int]] = []
    for feature, its_rows in wanted.items():
        lengths[its_rows] += 1
        pairs += ((int(row), feature) for row in its_rows)
    features = np.array([feature for _, feature in sorted(pairs)], dtype=np.uint32)
    postings = invert(
        features, lengths, lambda counts: 1.0 / counts, lambda known, _: np.ones(len(known), bool)
    )
    assert postings.features.tolist() == list(wanted)
    for place, its_rows in enumerate(wanted.values()):
        assert postings.rows(place).tolist() == its_rows.tolist()
