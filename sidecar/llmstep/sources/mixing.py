"""How all that is said of a tactic becomes one estimate, and which tactics are offered together.

Two logistic regressions, in ``models/mixing.toml``, fitted by `llmstep index fit` on proofs that
neither the model nor the library has seen: how likely a tactic is the author's step, and how likely
its first word is that of the author's step. The second is the better known, so a list is worth the
steps in it and the first words that they cover.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import attrs

from llmstep import paths
from llmstep.errors import ModelFileError
from llmstep.user_files import read_toml

FILE_NAME = "mixing.toml"
FEATURES = (
    "bias",
    "library",
    "library_share",
    "library_log_share",
    "library_similarity",
    "file",
    "file_share",
    "file_log_share",
    "file_strength",
    "portfolio",
    "portfolio_log_odds",
    "model",
    "model_probability",
    "model_logprob",
    "model_mean",
    "library_head",
    "file_head",
    "names_known",
    "no_names",
    "invented",
    "length",
    "uses_local",
)
HEAD_FEATURES = (
    "bias",
    "model_log_mass",
    "model_count",
    "library_head",
    "file_head",
    "closer_odds",
)


@attrs.frozen
class Mixing:
    """The fitted regressions.

    Attributes:
        weights: Weight of each of ``FEATURES``.
        head_weights: Weight of each of ``HEAD_FEATURES``.
        head_value: What covering the author's first word is worth, where the whole step is 1.
    """

    weights: Mapping[str, float]
    head_weights: Mapping[str, float]
    head_value: float

    def log_odds(self, values: Mapping[str, float]) -> float:
        """The estimate for one tactic."""
        return sum(self.weights[name] * value for name, value in values.items())

    def head_log_odds(self, values: Mapping[str, float]) -> float:
        """The estimate for one first word."""
        return sum(self.head_weights[name] * value for name, value in values.items())


@functools.cache
def load_mixing(path: Path | None = None) -> Mixing:
    """Read the weights, by default those that come with the package.

    Raises:
        ModelFileError: The file is missing or damaged.
    """
    path = path or paths.models_dir() / FILE_NAME
    try:
        values = read_toml(path)
        weights = {name: float(values["weights"][name]) for name in FEATURES}
        head_weights = {name: float(values["head_weights"][name]) for name in HEAD_FEATURES}
        return Mixing(weights, head_weights, float(values["head_value"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(
            f"{path}: the weights of the sources cannot be read: {error!r}",
            hint="Restore the file, or set `sources` to `model`.",
        ) from error


def choose_covering(
    judged: Iterable[tuple[str, float]],
    heads: Mapping[str, float],
    head_value: float,
    n: int,
) -> list[str]:
    """Choose tactics one after the other, each the one that adds most to the list's worth.

    Args:
        judged: Tactics, each with the probability that it is the author's.
        heads: The probability of each first word.
        head_value: What the right first word is worth, where the right tactic is 1.
        n: How many.
    """
    left = sorted(((chance, tactic) for tactic, chance in judged), reverse=True)
    chosen: list[str] = []
    covered: set[str] = set()

    def gain(item: tuple[float, str]) -> float:
        head = first_word(item[1])
        return item[0] + (0.0 if head in covered else head_value * heads[head])

    while left and len(chosen) < n:
        best = max(left, key=gain)
        left.remove(best)
        chosen.append(best[1])
        covered.add(first_word(best[1]))
    return chosen


def first_word(tactic: str) -> str:
    """The tactic's name, e.g. ``exact``."""
    words = tactic.split(None, 1)
    return words[0] if words else ""


def sigmoid(value: float) -> float:
    """The probability of log-odds."""
    return math.exp(log_sigmoid(value))


def log_sigmoid(value: float) -> float:
    """The logarithm of the probability of log-odds; finite for any finite value."""
    return -math.log1p(math.exp(-value)) if value > -30.0 else value
