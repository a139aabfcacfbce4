from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstep_workshop.evaluation.intervals import bootstrap_means, bootstrap_ratio, wilson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_intervals(
    successes: int, trials: int, low: float, high: float
) -> None:
    found = wilson(successes, trials)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 5000), st.data())
def test_wilson_holds_the_share_and_mirrors(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    found, mirrored = wilson(successes, trials), wilson(trials - successes, trials)
    assert 0 <= found.low <= successes / trials + 1e-12
    assert successes / trials - 1e-12 <= found.high <= 1
    assert found.low == pytest.approx(1 - mirrored.high)


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (3, 2), (-1, 5)])
def test_wilson_refuses_what_is_no_rate(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="successes in"):
        wilson(successes, trials)


def test_the_bootstrap_is_about_as_wide_as_theory_says() -> None:
    half = [1.0] * 200 + [0.0] * 200
    constant = [0.25] * 400
    share, same = bootstrap_means([half, constant])
    # 1.96 times the standard error of a share of one half over 400 rows is 0.049.
    assert share.high - share.low == pytest.approx(2 * 0.049, rel=0.2)
    assert share.low < 0.5 < share.high
    assert (same.low, same.high) == pytest.approx((0.25, 0.25))
    assert bootstrap_means([half]) == bootstrap_means([half])
    assert bootstrap_means([half], seed=1) != bootstrap_means([half], seed=2)


def test_the_ratio_is_resampled_as_one() -> None:
    wholes = [1.0, 10.0, 100.0] * 20
    exact = bootstrap_ratio([2 * whole for whole in wholes], wholes)
    assert (exact.low, exact.high) == pytest.approx((2, 2))
    spread = bootstrap_ratio([whole * (1 + whole % 3) for whole in wholes], wholes)
    assert 1 <= spread.low <= spread.high <= 3


def test_many_rows_are_resampled_in_pieces() -> None:
    (found,) = bootstrap_means([[float(i % 2) for i in range(30_000)]])
    assert found.low < 0.5 < found.high
    assert found.high - found.low < 0.02
