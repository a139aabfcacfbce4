from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmstep.backends.decoding import (
    Allowed,
    Nodes,
    condition_on_maximum,
    draw_gumbels,
    expand,
    log_normalizer,
    root,
)

NONE = np.zeros(0, dtype=np.int64)
LETTERS, LENGTH = 4, 3


def toy_logits(path: tuple[int, ...]) -> np.ndarray:
    """Logits of a small fixed language model: every path has its own distribution."""
    seed = sum((letter + 1) * 7**place for place, letter in enumerate(path))
    return np.random.default_rng(seed).normal(0, 1.5, LETTERS).astype(np.float32)


def toy_distribution(temperature: float = 1.0) -> dict[tuple[int, ...], float]:
    """Exact probability of every sequence of LENGTH letters."""
    found = {}
    for path in itertools.product(range(LETTERS), repeat=LENGTH):
        logp = 0.0
        for place, letter in enumerate(path):
            scaled = toy_logits(path[:place]).astype(np.float64) / temperature
            logp += scaled[letter] - np.log(np.exp(scaled).sum())
        found[path] = float(np.exp(logp))
    return found


def draw(
    n: int, seed: int, temperature: float = 1.0, top_p: float = 1.0, held: Allowed | None = None
) -> list[tuple[tuple[int, ...], float, float]]:
    """Draw n sequences: (path, log-probability of the model, perturbed), the first drawn first.

    ``held`` restricts the first letter.
    """
    nodes, paths = root(seed), [()]
    for _ in range(LENGTH):
        logits = np.stack([toy_logits(path) for path in paths])
        allowed = tuple(held if not path else None for path in paths)
        nodes = expand(logits, nodes, allowed, NONE, temperature=temperature, top_p=top_p, limit=n)
        paths = [
            (*paths[row], token)
            for row, token in zip(nodes.row.tolist(), nodes.token.tolist(), strict=True)
        ]
    return list(zip(paths, nodes.logprob.tolist(), nodes.perturbed.tolist(), strict=True))


@given(
    values=st.lists(st.floats(-30, 30), min_size=1, max_size=20, unique=True),
    target=st.floats(-30, 30),
)
def test_conditioning_moves_the_maximum_to_the_target_and_keeps_the_order(
    values: list[float], target: float
) -> None:
    gumbels = np.array(values)
    size = len(values)
    moved = condition_on_maximum(gumbels, np.full(size, gumbels.max()), np.full(size, target))
    assert moved.max() == pytest.approx(target)
    order = np.argsort(gumbels)
    assert np.all(np.diff(moved[order]) >= -1e-9)


@given(gumbels=st.lists(st.floats(-5, 5), min_size=1, max_size=8), target=st.floats(-5, 5))
def test_conditioning_is_the_formula_of_the_paper(gumbels: list[float], target: float) -> None:
    g = np.array(gumbels)
    z = g.max()
    moved = condition_on_maximum(g, np.full(len(g), z), np.full(len(g), target))
    np.testing.assert_allclose(
        np.exp(-moved), np.exp(-target) - np.exp(-z) + np.exp(-g), rtol=1e-6, atol=1e-9
    )


def test_noise_is_gumbel_and_follows_from_key_and_token_alone() -> None:
    keys = np.repeat(root(3).key, 100_000)
    tokens = np.arange(100_000)
    child_keys, noise = draw_gumbels(keys, tokens)
    assert abs(noise.mean() - np.euler_gamma) < 0.02
    assert abs(noise.var() - np.pi**2 / 6) < 0.05
    assert len(np.unique(child_keys)) == len(child_keys)
    _, again = draw_gumbels(keys[[7]], tokens[[7]])
    assert again[0] == noise[7]
    _, other = draw_gumbels(np.repeat(root(4).key, 100_000), tokens)
    assert abs(np.corrcoef(noise, other)[0, 1]) < 0.02
    _, below = draw_gumbels(child_keys, np.zeros(100_000, dtype=np.int64))
    assert abs(np.corrcoef(noise, below)[0, 1]) < 0.02


@given(
    seed=st.integers(-(2**70), 2**70),
    n=st.integers(1, 80),
    temperature=st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    top_p=st.sampled_from([0.5, 0.9, 1.0]),
)
@settings(max_examples=60, deadline=None)
def test_a_draw_is_distinct_deterministic_and_exact(
    seed: int, n: int, temperature: float, top_p: float
) -> None:
    drawn = draw(n, seed, temperature, top_p)
    paths = [path for path, _, _ in drawn]
    assert len(set(paths)) == len(paths) <= n
    if top_p == 1.0:
        assert len(paths) == min(n, LETTERS**LENGTH)
    assert drawn == draw(n, seed, temperature, top_p)
    exact = toy_distribution()
    for path, logprob, _ in drawn:
        assert logprob == pytest.approx(np.log(exact[path]), abs=1e-5)
    perturbed = [value for _, _, value in drawn]
    assert perturbed == sorted(perturbed, reverse=True)
    if temperature > 0:
        # The first drawn sequence inherits the root's value: all children's maximum is their
        # parent's value.
        assert perturbed[0] == pytest.approx(0.0, abs=1e-9)


def test_a_smaller_draw_is_the_beginning_of_a_larger_one() -> None:
    # Noise hangs on the path alone, and the best n prefixes hold the best n sequences.
    for seed in range(50):
        assert [p for p, *_ in draw(5, seed)] == [p for p, *_ in draw(20, seed)][:5]


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_draws_follow_the_distribution_without_replacement(temperature: float) -> None:
    exact = toy_distribution(temperature)
    rounds = 4000
    firsts: Counter[tuple[int, ...]] = Counter()
    seconds: Counter[tuple[int, ...]] = Counter()
    for seed in range(rounds):
        first, second = (path for path, *_ in draw(2, seed, temperature))
        firsts[first] += 1
        seconds[second] += 1
    for path, p in exact.items():
        assert abs(firsts[path] / rounds - p) < 4.5 * np.sqrt(p / rounds) + 1e-3
        # P(second = x) = sum over y != x of p(y) p(x) / (1 - p(y))
        q = sum(p * py / (1 - py) for y, py in exact.items() if y != path)
        assert abs(seconds[path] / rounds - q) < 4.5 * np.sqrt(q / rounds) + 1e-3


def test_without_temperature_it_is_beam_search() -> None:
    exact = toy_distribution()
    best = sorted(exact, key=lambda path: -exact[path])
    # Beams as wide as the tree lose nothing.
    assert [path for path, *_ in draw(LETTERS**LENGTH, 1, temperature=0.0)] == best
    assert draw(3, 1, temperature=0.0) == draw(3, 2, temperature=0.0)


@given(
    logits=st.lists(st.floats(-8, 8, width=32), min_size=2, max_size=30, unique=True),
    top_p=st.floats(0.05, 0.999),
    temperature=st.floats(0.3, 2.0),
)
def test_truncation_keeps_the_smallest_set_of_the_mass(
    logits: list[float], top_p: float, temperature: float
) -> None:
    row = np.array([logits], dtype=np.float32)
    children = expand(
        row, root(0), (None,), NONE, temperature=temperature, top_p=top_p, limit=len(logits)
    )
    p = np.exp(row[0].astype(np.float64) / temperature)
    p /= p.sum()
    kept = p[children.token]
    assert kept.sum() > top_p - 1e-5
    assert kept.sum() - kept.min() < top_p + 1e-5
    np.testing.assert_allclose(children.log_weight, np.log(kept / kept.sum()), atol=1e-4)
    np.testing.assert_allclose(
        children.logprob, row[0, children.token] - log_normalizer(row[0]), atol=1e-5
    )


def test_several_beams_share_a_step_without_disturbing_each_other() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (3, 50)).astype(np.float32)
    first = expand(
        rng.normal(0, 1, (1, 50)).astype(np.float32),
        root(1), (None,), NONE, temperature=1.0, top_p=1.0, limit=3,
    )  # fmt: skip
    together = expand(logits, first, (None,) * 3, NONE, temperature=0.9, top_p=0.8, limit=1000)
    for row in range(3):
        one = first.take(np.array([row]))
        alone = expand(logits[[row]], one, (None,), NONE, temperature=0.9, top_p=0.8, limit=1000)
        mine = together.take(np.flatnonzero(together.row == row))
        assert mine.token.tolist() == alone.token.tolist()
        np.testing.assert_allclose(mine.perturbed, alone.perturbed, rtol=1e-6)
        assert mine.perturbed[0] == pytest.approx(first.perturbed[row])


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_unusable_tokens_are_never_taken(temperature: float) -> None:
    logits = np.array([[9.0, 1.0, 0.0, 8.0]], dtype=np.float32)
    unusable = np.array([0, 3])
    children = expand(
        logits, root(0), (None,), unusable, temperature=temperature, top_p=1.0, limit=4
    )
    assert sorted(children.token.tolist()) == [1, 2]
    assert logits.tolist() == [[9.0, 1.0, 0.0, 8.0]]


def test_the_best_child_of_a_sharp_distribution_survives_its_truncation() -> None:
    logits = np.full((2, 1000), -50.0, dtype=np.float32)
    logits[0, 3] = logits[1, 999] = 50.0
    two = Nodes(*(np.concatenate([a, a]) for a in vars_of(root(0))))
    children = expand(logits, two, (None, None), NONE, temperature=0.1, top_p=0.5, limit=9)
    assert sorted(zip(children.row.tolist(), children.token.tolist(), strict=True)) == [
        (0, 3),
        (1, 999),
    ]


def vars_of(nodes: Nodes) -> list[np.ndarray]:
    return [
        nodes.row, nodes.token, nodes.perturbed, nodes.log_weight, nodes.logprob, nodes.key
    ]  # fmt: skip


def test_a_held_beam_draws_from_the_conditional_distribution() -> None:
    """Spelling restricts the first letter to two tokens; what follows is free."""
    held = Allowed(extending=np.array([2]), partial=np.array([0]))
    exact = {p: w for p, w in toy_distribution().items() if p[0] in (0, 2)}
    total = sum(exact.values())
    rounds = 4000
    firsts = Counter(draw(1 if seed % 2 else 6, seed, held=held)[0][0] for seed in range(rounds))
    assert set(firsts) <= set(exact)
    for path, weight in exact.items():
        p = weight / total
        assert abs(firsts[path] / rounds - p) < 4.5 * np.sqrt(p / rounds) + 1e-3


def test_a_held_beam_without_a_way_on_dies() -> None:
    logits = np.zeros((1, 5), dtype=np.float32)
    for temperature in (0.0, 1.0):
        children = expand(
            logits, root(0), (Allowed(NONE, NONE),), NONE,
            temperature=temperature, top_p=0.9, limit=5,
        )  # fmt: skip
        assert len(children.token) == 0


def test_a_large_vocabulary_loses_only_a_thousandth_at_most() -> None:
    """Tokens of next to no weight are not drawn for; small ones that add up to something are."""
    size = 10_000
    logits = np.full((1, size), -30.0, dtype=np.float32)
    logits[0, :5000] = -8.0  # 5,000 tokens of about 1/8,000 each
    logits[0, 7] = 0.0
    nothing = np.zeros(0, dtype=np.int64)
    found = expand(logits, root(1), (None,), nothing, temperature=1.0, top_p=1.0, limit=size)
    assert set(found.token.tolist()) == set(range(5000))
    flat = expand(
        np.zeros((1, size), dtype=np.float32),
        root(1),
        (None,),
        nothing,
        temperature=1.0,
        top_p=1.0,
        limit=size,
    )
    assert len(flat.token) == size
