"""Fit the weights that mix the sources of suggestions: ``models/mixing.toml``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np
import numpy.typing as npt

from llmstep.sources.mixing import (
    FEATURES,
    HEAD_FEATURES,
    LEMMA_FEATURES,
    LEMMA_ODDS,
    Judged,
    Mixing,
    choose_covering,
    first_word,
)
from llmstep.sources.ranking import normal_form
from llmstep_workshop.errors import TrainingDataError
from llmstep_workshop.index.logistic import fit_logistic
from llmstep_workshop.index.mixing_rows import RatedRow

HEAD_VALUES = (0.0, 0.02, 0.05, 0.1, 0.25)
LEMMA_VALUES = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
FOLDS = 4
# How strongly a fit may be held to weights in use, the strongest first.
PULLS = (float("inf"), 1e-1, 1e-2, 1e-3)
_RIDGE = 1e-5
# What the list is chosen for, beside the author's step: a lemma of it named, its first word there.
_LEMMA_WORTH = 1.0
_HEAD_WORTH = 0.05


@attrs.frozen
class MixingScores:
    """Cross-validated scores of a fit: shares of rows.

    Attributes:
        rows: Number of rows.
        proposed: The row's tactic is among all that were proposed.
        exact_at_1, exact_at_n: It is the first, or among the n chosen.
        head_at_n: Its first word is among those of the n chosen.
        citing: Rows whose tactic names a lemma, as the rows say.
        lemma_at_n: Of these, the share with such a lemma named among the n chosen.
    """

    rows: int
    proposed: float
    exact_at_1: float
    exact_at_n: float
    head_at_n: float
    citing: int
    lemma_at_n: float


@attrs.frozen
class _Pull:
    """How strongly a fit is held to weights that there are already.

    Attributes:
        prior: These weights; ``None`` for 0.
        ridge: How strongly; infinite where they are kept as they are.
    """

    prior: Mixing | None = None
    ridge: float = _RIDGE


def fit_mixing(
    rows: Sequence[RatedRow], n: int, prior: Mixing | None = None
) -> tuple[Mixing, MixingScores]:
    """Fit the weights; head value, lemma value and the pull are chosen by cross-validation.

    A log-loss is not what a list is for. It makes the author's step likely, of which there are few,
    and what closes a goal in another way than the author's is punished. So a fit is chosen by what
    its lists are worth, and may be held to weights that serve well.

    Args:
        rows: Rows that neither the model nor the library was made from.
        n: Number of suggestions the scores speak of.
        prior: Weights in use, which are kept as far as that serves better.

    Raises:
        TrainingDataError: None of the rows' tactics was proposed by any source.
    """
    if not any(rated.right.any() for rated in rows):
        raise TrainingDataError(
            "no source proposes the tactic of any row: there is nothing to fit",
            hint="Give more rows.",
        )
    pulls = [_Pull(prior, ridge) for ridge in PULLS] if prior is not None else []
    best: tuple[float, _Pull, tuple[float, float], MixingScores] | None = None
    for pull in (*pulls, _Pull()):
        worth, choice, scores = _cross_validate(rows, n, pull)
        if best is None or worth > best[0]:
            best = worth, pull, choice, scores
    assert best is not None
    _, pull, choice, scores = best
    return _with(_fit(rows, pull), choice), scores


def _cross_validate(
    rows: Sequence[RatedRow], n: int, pull: _Pull
) -> tuple[float, tuple[float, float], MixingScores]:
    """The worth of the lists of a fit, the best head and lemma value, and the scores with these."""
    folds = [
        _fit([rated for rated in rows if rated.number % FOLDS != fold], pull)
        for fold in range(FOLDS)
    ]
    judged = [(rated, folds[rated.number % FOLDS]) for rated in rows if rated.complete]
    chances = [(rated, mixing, _estimate_all(rated, mixing)) for rated, mixing in judged]

    def score(choice: tuple[float, float]) -> MixingScores:
        return _score([(rated, _with(m, choice), told) for rated, m, told in chances], n)

    scored = {(head, lemma): score((head, lemma)) for head in HEAD_VALUES for lemma in LEMMA_VALUES}
    best = max(scored, key=lambda choice: _worth(scored[choice]))
    return _worth(scored[best]), best, scored[best]


def _worth(scores: MixingScores) -> float:
    citing = scores.citing / scores.rows
    return (
        scores.exact_at_n
        + _LEMMA_WORTH * citing * scores.lemma_at_n
        + _HEAD_WORTH * scores.head_at_n
    )


def score_mixing(rows: Sequence[RatedRow], mixing: Mixing, n: int) -> MixingScores:
    """Score given weights on rows that they were not fitted on."""
    complete = [rated for rated in rows if rated.complete]
    return _score([(rated, mixing, _estimate_all(rated, mixing)) for rated in complete], n)


def _with(mixing: Mixing, choice: tuple[float, float]) -> Mixing:
    return attrs.evolve(mixing, head_value=choice[0], lemma_value=choice[1])


def _fit(rows: Sequence[RatedRow], pull: _Pull) -> Mixing:
    prior, ridge = pull.prior, pull.ridge
    if prior is not None and np.isinf(ridge):
        return prior
    values = np.concatenate([rated.lemma_values for rated in rows])
    labels = np.concatenate([rated.lemma_right for rated in rows])
    lemma_weights: Mapping[str, float] = dict.fromkeys(map(str, LEMMA_FEATURES), 0.0)
    if labels.any():
        held = _as_array(prior.lemma_weights, LEMMA_FEATURES) if prior else None
        lemma_weights = _name(LEMMA_FEATURES, fit_logistic(values, labels, ridge, prior=held))
    values = np.concatenate([_with_lemmas(rated, lemma_weights) for rated in rows])
    worth = np.concatenate([rated.worth for rated in rows])
    held = _as_array(prior.weights, FEATURES) if prior else None
    weights = fit_logistic(values, worth, ridge, prior=held)
    values = np.concatenate([rated.head_values for rated in rows])
    labels = np.concatenate([rated.head_right for rated in rows])
    held = _as_array(prior.head_weights, HEAD_FEATURES) if prior else None
    head_weights = fit_logistic(values, labels, ridge, prior=held)
    return Mixing(
        _name(FEATURES, weights), _name(HEAD_FEATURES, head_weights), 0.0, lemma_weights, 0.0
    )


def _as_array(weights: Mapping[str, float], names: Sequence[str]) -> npt.NDArray[np.float64]:
    return np.array([weights[name] for name in names], dtype=np.float64)


def _with_lemmas(rated: RatedRow, weights: Mapping[str, float]) -> npt.NDArray[np.float64]:
    """The features of a row's tactics, as they are with these weights of premises."""
    odds = rated.lemma_values @ np.array([weights[name] for name in LEMMA_FEATURES])
    values = rated.values.copy()
    column = FEATURES.index("lemma_log_odds")
    for at, places in enumerate(rated.named):
        values[at, column] = max(odds[list(places)]) + LEMMA_ODDS if places else 0.0
    return values


def _name(names: Sequence[str], weights: npt.NDArray[np.float64]) -> dict[str, float]:
    return {name: round(float(w), 4) for name, w in zip(names, weights, strict=True)}


@attrs.frozen
class _Chances:
    tactics: Mapping[str, float]
    heads: Mapping[str, float]
    lemmas: Mapping[str, float]


def _estimate_all(rated: RatedRow, mixing: Mixing) -> _Chances:
    values = _with_lemmas(rated, mixing.lemma_weights)
    return _Chances(
        dict(zip(rated.tactics, _estimate(values, mixing.weights, FEATURES), strict=True)),
        dict(
            zip(
                rated.heads,
                _estimate(rated.head_values, mixing.head_weights, HEAD_FEATURES),
                strict=True,
            )
        ),
        dict(
            zip(
                rated.lemmas,
                _estimate(rated.lemma_values, mixing.lemma_weights, LEMMA_FEATURES),
                strict=True,
            )
        ),
    )


def choose(rated: RatedRow, mixing: Mixing, n: int, told: _Chances | None = None) -> list[str]:
    """The ``n`` tactics that would be offered for a row, in the order they are chosen in."""
    told = told or _estimate_all(rated, mixing)
    judged = [
        Judged(tactic, told.tactics[tactic], tuple(rated.lemmas[at] for at in places))
        for tactic, places in zip(rated.tactics, rated.named, strict=True)
    ]
    values = (mixing.head_value, mixing.lemma_value)
    chosen = choose_covering(judged, told.heads, values[0], n, told.lemmas, values[1])
    return [tactic for tactic, _ in chosen]


def _score(judged: Sequence[tuple[RatedRow, Mixing, _Chances]], n: int) -> MixingScores:
    first = whole = headed = proposed = citing = named = 0
    for rated, mixing, told in judged:
        chosen = choose(rated, mixing, n, told)
        wanted = normal_form(rated.row.tactic)
        keys = [normal_form(tactic) for tactic in chosen]
        first += keys[:1] == [wanted]
        whole += wanted in keys
        headed += rated.row.head in map(first_word, chosen)
        proposed += bool(rated.right.any())
        citing += bool(rated.row.lemmas)
        places = {tactic: at for at, tactic in enumerate(rated.tactics)}
        helping = {at for at, right in enumerate(rated.lemma_right) if right}
        named += any(helping.intersection(rated.named[places[tactic]]) for tactic in chosen)
    count = len(judged)
    return MixingScores(
        count,
        proposed / count,
        first / count,
        whole / count,
        headed / count,
        citing,
        named / citing if citing else 0.0,
    )


def _estimate(
    values: npt.NDArray[np.float64], weights: Mapping[str, float], names: Sequence[str]
) -> list[float]:
    """The probability that each row of features stands for."""
    odds = values @ np.array([weights[name] for name in names])
    return (1.0 / (1.0 + np.exp(-odds))).tolist()
