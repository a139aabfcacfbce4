"""How all that is said of a tactic becomes one estimate, and which tactics are offered together.

Two logistic regressions, in ``models/mixing.toml``, fitted by `llmstep index fit` on proofs that
neither the model nor the library has seen: how likely a tactic is the author's step, and how likely
its first word is that of the author's step. The second is the better known, so a list is worth the
steps in it and the first words that they cover.
"""

from __future__ import annotations

import functools
import heapq
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import attrs

from llmstep import paths
from llmstep.errors import ModelFileError
from llmstep.limits import raise_limit
from llmstep.user_files import read_toml

FILE_NAME = "mixing.toml"


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# The forms that a premise is put into; see `premise_steps`.
FORMS = _names("exact refine apply rw rw_back rw_at simp iff trans obtain have")
FEATURES = _names(
    """
    bias library library_share library_log_share library_similarity file file_share
    file_log_share file_strength portfolio portfolio_log_odds model model_probability
    model_logprob model_mean library_head file_head names_known no_names invented length
    uses_local goal lemma lemma_log_odds premise premise_fit premise_filled
    """
) + tuple(f"form_{form}" for form in FORMS)
LEMMA_FEATURES = _names(
    """
    bias library_rank votes_rank file_rank project_rank file project vote_share uses fits
    rewrites covered foreign_namespaces arguments definition model_log_mass
    """
)
HEAD_FEATURES = _names("bias model_log_mass model_count library_head file_head closer_odds")
# Added to a premise's log-odds where they are a feature, so that an unlikely premise gives about 0.
LEMMA_ODDS = 6.0


@attrs.frozen
class Mixing:
    """The fitted regressions: a weight for each of ``FEATURES`` and its like.

    Where the author's whole step is worth 1, `head_value` is what covering its first word is worth,
    and `lemma_value` what naming a lemma of it is.
    """

    weights: Mapping[str, float]
    head_weights: Mapping[str, float]
    head_value: float
    lemma_weights: Mapping[str, float] = attrs.field(
        factory=lambda: dict.fromkeys(LEMMA_FEATURES, 0.0)
    )
    lemma_value: float = 0.0

    def log_odds(self, values: Mapping[str, float]) -> float:
        """The estimate for one tactic."""
        return _weigh(self.weights, values)

    def head_log_odds(self, values: Mapping[str, float]) -> float:
        """The estimate for one first word."""
        return _weigh(self.head_weights, values)

    def lemma_log_odds(self, values: Mapping[str, float]) -> float:
        """The estimate for one premise."""
        return _weigh(self.lemma_weights, values)


def _weigh(weights: Mapping[str, float], values: Mapping[str, float]) -> float:
    return sum([weights[name] * value for name, value in values.items() if value])


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
        lemma_weights = {name: float(values["lemma_weights"][name]) for name in LEMMA_FEATURES}
        values_of = (float(values["head_value"]), float(values["lemma_value"]))
        return Mixing(weights, head_weights, values_of[0], lemma_weights, values_of[1])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise_limit(error)
        raise ModelFileError(
            f"{path}: the weights of the sources cannot be read: {error!r}",
            hint="Restore the file, or set `sources` to `model`.",
        ) from error


@attrs.frozen
class Judged:
    """A tactic with the probability that it is the author's step, and the premises it names."""

    tactic: str
    chance: float
    lemmas: tuple[str, ...] = ()


def choose_covering(
    judged: Iterable[Judged],
    heads: Mapping[str, float],
    head_value: float,
    n: int,
    lemmas: Mapping[str, float] | None = None,
    lemma_value: float = 0.0,
) -> list[tuple[str, float]]:
    """Choose tactics one after the other, each the one that adds most to the list's worth.

    `heads` and `lemmas` are probabilities of first words and premises; the values are what the
    right one is worth, where the right tactic is 1.

    Returns:
        The tactics, each with what it added, from 0 to 1, in terms of the most that one can add. As
        the list grows, a tactic can only add less: the numbers fall.
    """
    order = sorted(judged, key=lambda item: (item.chance, item.tactic), reverse=True)
    first_words = [first_word(item.tactic) for item in order]
    chosen: list[tuple[str, float]] = []
    most = 1.0 + head_value + lemma_value
    covered: set[str] = set()
    named: set[str] = set()
    chances = lemmas or {}

    def gain(place: int) -> float:
        item, head = order[place], first_words[place]
        new_head = 0.0 if head in covered else head_value * heads[head]
        new_lemma = max((chances[name] for name in item.lemmas if name not in named), default=0.0)
        return item.chance + new_head + lemma_value * new_lemma

    # What a tactic adds can only fall, so that what it added once is a bound: only the first of the
    # heap has to be looked at again.
    bounds = [(-gain(place), place) for place in range(len(order))]
    heapq.heapify(bounds)
    while bounds and len(chosen) < n:
        place = bounds[0][1]
        now = gain(place)
        if -bounds[0][0] != now:
            heapq.heapreplace(bounds, (-now, place))
            continue
        heapq.heappop(bounds)
        chosen.append((order[place].tactic, now / most))
        covered.add(first_words[place])
        named.update(order[place].lemmas)
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
