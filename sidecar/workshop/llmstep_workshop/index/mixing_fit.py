"""Fit the weights that mix the sources of suggestions: ``models/mixing.toml``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import attrs
import numpy as np
import numpy.typing as npt

from llmstep.backends import open_backend
from llmstep.backends.base import Backend, CancelToken, Candidate, GenerationRequest
from llmstep.prompts.template import BuiltPrompt
from llmstep.service.engine import Engine
from llmstep.service.postprocess import extract_tactic
from llmstep.service.question import Document
from llmstep.sources.evidence import Evidence
from llmstep.sources.mixing import FEATURES, HEAD_FEATURES, Mixing, choose_covering, first_word
from llmstep.sources.portfolio import Portfolio
from llmstep.sources.ranking import normal_form
from llmstep.sources.tactic_index import TacticIndex
from llmstep_workshop.data.rows import Row
from llmstep_workshop.errors import TrainingDataError
from llmstep_workshop.index.logistic import fit_logistic

HEAD_VALUES = (0.0, 0.05, 0.1, 0.15, 0.25, 0.5)
FOLDS = 4
_RIDGE = 1e-5
# How much the right first word counts beside the whole tactic when the head value is chosen.
_HEAD_WORTH = 0.5
_NO_MIXING = Mixing(dict.fromkeys(FEATURES, 0.0), dict.fromkeys(HEAD_FEATURES, 0.0), 0.0)


@attrs.frozen(eq=False)
class Case:
    """All tactics proposed for one row.

    Attributes:
        number: Of the row; cross-validation goes by it.
        row: The row.
        tactics: Distinct tactics, k of them.
        values: Their features, shape (k, len(FEATURES)).
        right: Which of them is the row's own, shape (k,).
        heads: Their distinct first words, m of them.
        head_values: The features of these, shape (m, len(HEAD_FEATURES)).
        head_right: Which of them is the row's own, shape (m,).
        complete: Whether all sources were asked. The fit also sees rows where some are missing, so
            that its weights serve those who leave out a source.
    """

    number: int
    row: Row
    tactics: tuple[str, ...]
    values: npt.NDArray[np.float64]
    right: npt.NDArray[np.bool_]
    heads: tuple[str, ...]
    head_values: npt.NDArray[np.float64]
    head_right: npt.NDArray[np.bool_]
    complete: bool = True


@attrs.frozen
class MixingScores:
    """Cross-validated scores of a fit: shares of rows.

    Attributes:
        rows: Number of rows.
        proposed: The row's tactic is among all that were proposed.
        exact_at_1, exact_at_n: It is the first, or among the n chosen.
        head_at_n: Its first word is among those of the n chosen.
    """

    rows: int
    proposed: float
    exact_at_1: float
    exact_at_n: float
    head_at_n: float


class CandidateSource:
    """A model's candidates for a row, as the sidecar would get them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sampling = engine.sampling()
        self._backend: Backend = open_backend(engine.model.backend, engine.options)

    def ask(self, row: Row) -> Iterator[tuple[str, Candidate]]:
        """Tactics and the candidates they were cut from."""
        document = Document("", row.context)
        for prompt in self._engine.prompts(self._backend, [row.state], document, self._sampling):
            yield from self._ask_once(prompt)

    def _ask_once(self, prompt: BuiltPrompt) -> Iterator[tuple[str, Candidate]]:
        stop = (*self._engine.model.card.stop, *prompt.stop)
        found: list[Candidate] = []
        request = GenerationRequest(prompt.parts, "", stop, self._sampling)
        self._backend.generate(request, CancelToken(), found.append)
        for candidate in found:
            truncated = candidate.finish == "length"
            verdict = extract_tactic(
                candidate.text, stop=stop, column=prompt.column, truncated=truncated
            )
            if verdict.tactic is not None:
                yield verdict.tactic, candidate

    def close(self) -> None:
        """Free the model."""
        self._backend.close()


def collect_cases(
    rows: Sequence[Row],
    source: CandidateSource | None,
    index: TacticIndex | None,
    portfolio: Portfolio | None,
    on_row: Callable[[], object] = lambda: None,
) -> list[Case]:
    """Ask all sources about each row, and some of them once more."""
    cases: list[Case] = []
    for number, row in enumerate(rows):
        candidates = list(source.ask(row)) if source else []
        full = Evidence(row.state, row.context, index, True, portfolio, _NO_MIXING)
        cases.append(_compare(number, row, full, candidates, complete=True))
        without = number % 3
        part = Evidence(
            row.state,
            row.context,
            index if without == 0 else None,
            without == 1,
            portfolio if without != 1 else None,
            _NO_MIXING,
        )
        cases.append(_compare(number, row, part, candidates, complete=False))
        on_row()
    return cases


def _compare(
    number: int,
    row: Row,
    evidence: Evidence,
    candidates: Sequence[tuple[str, Candidate]],
    *,
    complete: bool,
) -> Case:
    best: dict[str, tuple[str, float | None, int]] = {}
    for text, _ in evidence.propose():
        verdict = extract_tactic(text)
        if verdict.tactic is not None:
            best.setdefault(normal_form(verdict.tactic), (verdict.tactic, None, 0))
    for proposed, candidate in candidates:
        tactic = evidence.complete_names(proposed)
        evidence.add_candidate(tactic, candidate.logprob, candidate.tokens)
        key = normal_form(tactic)
        known = best.get(key)
        if known is None or known[1] is None or known[1] < candidate.logprob:
            best[key] = (tactic, candidate.logprob, candidate.tokens)
    wanted = normal_form(row.tactic)
    heads = tuple(dict.fromkeys(first_word(tactic) for tactic, _, _ in best.values()))
    return Case(
        number,
        row,
        tuple(tactic for tactic, _, _ in best.values()),
        _stack([evidence.features(*entry) for entry in best.values()], FEATURES),
        np.array([key == wanted for key in best], dtype=np.bool_),
        heads,
        _stack([evidence.head_features(head) for head in heads], HEAD_FEATURES),
        np.array([head == row.head for head in heads], dtype=np.bool_),
        complete,
    )


def _stack(rows: Sequence[Mapping[str, float]], names: Sequence[str]) -> npt.NDArray[np.float64]:
    """The named numbers of each row, shape (rows, names), also where there is no row."""
    values = [[row[name] for name in names] for row in rows]
    return np.array(values, dtype=np.float64).reshape(len(rows), len(names))


def fit_mixing(cases: Sequence[Case], n: int) -> tuple[Mixing, MixingScores]:
    """Fit the weights, and choose the head value by cross-validation.

    Args:
        cases: Rows that neither the model nor the library was made from.
        n: Number of suggestions the scores speak of.

    Raises:
        TrainingDataError: None of the rows' tactics was proposed by any source.
    """
    if not any(case.right.any() for case in cases):
        raise TrainingDataError(
            "no source proposes the tactic of any row: there is nothing to fit",
            hint="Give more rows.",
        )
    folds = [_fit([case for case in cases if case.number % FOLDS != fold]) for fold in range(FOLDS)]
    judged = [(case, folds[case.number % FOLDS]) for case in cases]

    def worth(head_value: float) -> float:
        scores = _score([(case, attrs.evolve(m, head_value=head_value)) for case, m in judged], n)
        return scores.exact_at_n + _HEAD_WORTH * scores.head_at_n

    head_value = max(HEAD_VALUES, key=worth)
    complete = [
        (case, attrs.evolve(mixing, head_value=head_value))
        for case, mixing in judged
        if case.complete
    ]
    return attrs.evolve(_fit(cases), head_value=head_value), _score(complete, n)


def score_mixing(cases: Sequence[Case], mixing: Mixing, n: int) -> MixingScores:
    """Score given weights on rows that they were not fitted on."""
    return _score([(case, mixing) for case in cases if case.complete], n)


def _fit(cases: Sequence[Case]) -> Mixing:
    values = np.concatenate([case.values for case in cases])
    labels = np.concatenate([case.right for case in cases])
    weights = fit_logistic(values, labels, _RIDGE)
    values = np.concatenate([case.head_values for case in cases])
    labels = np.concatenate([case.head_right for case in cases])
    head_weights = fit_logistic(values, labels, _RIDGE)
    return Mixing(_name(FEATURES, weights), _name(HEAD_FEATURES, head_weights), 0.0)


def _name(names: Sequence[str], weights: npt.NDArray[np.float64]) -> dict[str, float]:
    return {name: round(float(w), 4) for name, w in zip(names, weights, strict=True)}


def _score(judged: Sequence[tuple[Case, Mixing]], n: int) -> MixingScores:
    first = whole = headed = proposed = 0
    for case, mixing in judged:
        chances = _estimate(case.values, mixing.weights, FEATURES)
        heads = _estimate(case.head_values, mixing.head_weights, HEAD_FEATURES)
        by_tactic = dict(zip(case.tactics, chances, strict=True))
        by_head = dict(zip(case.heads, heads, strict=True))
        chosen = choose_covering(by_tactic.items(), by_head, mixing.head_value, n)
        chosen.sort(key=lambda tactic: -by_tactic[tactic])
        wanted = normal_form(case.row.tactic)
        keys = [normal_form(tactic) for tactic in chosen]
        first += keys[:1] == [wanted]
        whole += wanted in keys
        headed += case.row.head in map(first_word, chosen)
        proposed += bool(case.right.any())
    count = len(judged)
    return MixingScores(count, proposed / count, first / count, whole / count, headed / count)


def _estimate(
    values: npt.NDArray[np.float64], weights: Mapping[str, float], names: Sequence[str]
) -> list[float]:
    """The probability that each row of features stands for."""
    odds = values @ np.array([weights[name] for name in names])
    return (1.0 / (1.0 + np.exp(-odds))).tolist()
