"""Fit the weights that mix the sources of suggestions: ``models/mixing.toml``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import attrs
import numpy as np
import numpy.typing as npt

from llmstep.backends import open_backend
from llmstep.backends.base import Backend, CancelToken, Candidate, GenerationRequest
from llmstep.prompts.postprocess import extract_tactic
from llmstep.prompts.template import BuiltPrompt
from llmstep.retrieval.index import TacticIndex
from llmstep.service.engine import Engine
from llmstep.service.evidence import FEATURES, Evidence, Mixing, choose_varied
from llmstep.service.portfolio import Portfolio
from llmstep.service.question import Document
from llmstep.service.ranking import normal_form
from llmstep.training.data import Row
from llmstep.training.errors import TrainingDataError
from llmstep.training.logistic import fit_logistic

PENALTIES = (0.0, 0.25, 0.5, 0.75, 1.0)
FOLDS = 4
_RIDGE = 1e-5
# How much the right first word counts beside the whole tactic when the penalty is chosen.
_HEAD_VALUE = 0.5
_NO_MIXING = Mixing(dict.fromkeys(FEATURES, 0.0), 0.0)


@attrs.frozen(eq=False)
class Case:
    """All tactics proposed for one row.

    Attributes:
        number: Of the row; cross-validation goes by it.
        row: The row.
        tactics: Distinct tactics, k of them.
        values: Their features, shape (k, len(FEATURES)).
        right: Which of them is the row's own, shape (k,).
        complete: Whether all sources were asked. The fit also sees rows where some are missing, so
            that its weights serve those who leave out a source.
    """

    number: int
    row: Row
    tactics: tuple[str, ...]
    values: npt.NDArray[np.float64]
    right: npt.NDArray[np.bool_]
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
    for tactic, candidate in candidates:
        key = normal_form(tactic)
        known = best.get(key)
        if known is None or known[1] is None or known[1] < candidate.logprob:
            best[key] = (tactic, candidate.logprob, candidate.tokens)
    wanted = normal_form(row.tactic)
    features = [evidence.features(*entry) for entry in best.values()]
    values = [[feature[name] for name in FEATURES] for feature in features]
    return Case(
        number,
        row,
        tuple(tactic for tactic, _, _ in best.values()),
        np.array(values, dtype=np.float64).reshape(len(values), len(FEATURES)),
        np.array([key == wanted for key in best], dtype=np.bool_),
        complete,
    )


def fit_mixing(cases: Sequence[Case], n: int) -> tuple[Mixing, MixingScores]:
    """Fit the weights, and choose the penalty by cross-validation.

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

    def worth(penalty: float) -> float:
        scores = _score(judged, penalty, n)
        return scores.exact_at_n + _HEAD_VALUE * scores.head_at_n

    penalty = max(PENALTIES, key=worth)
    complete = [(case, weights) for case, weights in judged if case.complete]
    return Mixing(_fit(cases), penalty), _score(complete, penalty, n)


def score_mixing(cases: Sequence[Case], mixing: Mixing, n: int) -> MixingScores:
    """Score given weights on rows that they were not fitted on."""
    judged = [(case, mixing.weights) for case in cases if case.complete]
    return _score(judged, mixing.repeat_penalty, n)


def _fit(cases: Sequence[Case]) -> dict[str, float]:
    values = np.concatenate([case.values for case in cases])
    labels = np.concatenate([case.right for case in cases])
    weights = fit_logistic(values, labels, _RIDGE)
    return {name: round(float(w), 4) for name, w in zip(FEATURES, weights, strict=True)}


def _score(
    judged: Sequence[tuple[Case, Mapping[str, float]]], penalty: float, n: int
) -> MixingScores:
    first = whole = headed = proposed = 0
    for case, weights in judged:
        odds = case.values @ np.array([weights[name] for name in FEATURES])
        chosen = choose_varied(zip(case.tactics, odds.tolist(), strict=True), penalty, n)
        wanted = normal_form(case.row.tactic)
        keys = [normal_form(tactic) for tactic in chosen]
        first += keys[:1] == [wanted]
        whole += wanted in keys
        headed += case.row.head in {tactic.split(None, 1)[0] for tactic in chosen}
        proposed += bool(case.right.any())
    count = len(judged)
    return MixingScores(count, proposed / count, first / count, whole / count, headed / count)
