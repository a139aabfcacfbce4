"""Fit the weights that mix the sources of suggestions: ``models/mixing.toml``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import attrs
import numpy as np
import numpy.typing as npt

from llmstep.backends import open_backend
from llmstep.backends.base import Backend, CancelToken, Candidate, GenerationRequest
from llmstep.lean_text.document import read_document
from llmstep.prompts.template import BuiltPrompt
from llmstep.service.model_setup import ModelSetup
from llmstep.service.postprocess import extract_tactic
from llmstep.service.question import Document
from llmstep.sources.evidence import Evidence
from llmstep.sources.goal_readers import GOAL_READERS
from llmstep.sources.library_index import LibraryIndex
from llmstep.sources.mixing import (
    FEATURES,
    HEAD_FEATURES,
    LEMMA_FEATURES,
    LEMMA_ODDS,
    Judged,
    Mixing,
    choose_covering,
    first_word,
    load_mixing,
)
from llmstep.sources.portfolio import Portfolio
from llmstep.sources.premises import PremiseTable
from llmstep.sources.ranking import normal_form
from llmstep_workshop.data.rows import Row, module_of
from llmstep_workshop.errors import TrainingDataError
from llmstep_workshop.index.logistic import fit_logistic

HEAD_VALUES = (0.0, 0.02, 0.05, 0.1, 0.25)
LEMMA_VALUES = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
FOLDS = 4
_RIDGE = 1e-5
# What a step is worth that is not the author's, but names a lemma of the author's step.
NAMES_LEMMA = 0.3
# What the list is chosen for, beside the author's step: a lemma of it named, its first word there.
_LEMMA_WORTH = 1.0
_HEAD_WORTH = 0.05

AskModel = Callable[[Row], Iterable[tuple[str, Candidate]]]


@attrs.frozen(eq=False)
class Case:
    """All tactics proposed for one row.

    Attributes:
        number: Of the row; cross-validation goes by it.
        row: The row.
        tactics: Distinct tactics, k of them.
        values: Their features, shape (k, len(FEATURES)).
        worth: What each of them is worth: 1 for the row's own, less for one that names a lemma of
            it, shape (k,).
        right: Which of them is the row's own, shape (k,).
        heads: Their distinct first words, m of them.
        head_values: The features of these, shape (m, len(HEAD_FEATURES)).
        head_right: Which of them is the row's own, shape (m,).
        lemmas: The premises, p of them.
        lemma_values: The features of these, shape (p, len(LEMMA_FEATURES)).
        lemma_right: Which of them the row's tactic names, shape (p,).
        named: For each tactic the premises that it names, by their places.
        complete: Whether all sources were asked. The fit also sees rows where some are missing, so
            that its weights serve those who leave out a source.
    """

    number: int
    row: Row
    tactics: tuple[str, ...]
    values: npt.NDArray[np.float64]
    worth: npt.NDArray[np.float64]
    right: npt.NDArray[np.bool_]
    heads: tuple[str, ...]
    head_values: npt.NDArray[np.float64]
    head_right: npt.NDArray[np.bool_]
    lemmas: tuple[str, ...]
    lemma_values: npt.NDArray[np.float64]
    lemma_right: npt.NDArray[np.bool_]
    named: tuple[tuple[int, ...], ...]
    complete: bool = True


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


class CandidateSource:
    """A model's candidates for a row, as the sidecar would get them."""

    def __init__(self, setup: ModelSetup) -> None:
        self._setup = setup
        self._sampling = setup.sampling()
        self._backend: Backend = open_backend(setup.model.backend, setup.options)

    def ask(self, row: Row) -> Iterator[tuple[str, Candidate]]:
        """Tactics and the candidates they were cut from."""
        document = Document("", row.context)
        for prompt in self._setup.prompts(self._backend, [row.state], document, self._sampling):
            yield from self._ask_once(prompt)

    def _ask_once(self, prompt: BuiltPrompt) -> Iterator[tuple[str, Candidate]]:
        stop = (*self._setup.model.card.stop, *prompt.stop)
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
    ask: AskModel | None,
    index: LibraryIndex | None,
    portfolio: Portfolio | None,
    mixing: Mixing | None = None,
    on_row: Callable[[], object] = lambda: None,
) -> list[Case]:
    """Ask all sources about each row, and some of them once more.

    Args:
        rows: The rows. The module of a row's file does not count as part of the library.
        ask: A model's candidates for a row; ``None`` to do without.
        index: The library, or ``None`` to do without.
        portfolio: The closers, or ``None`` to do without.
        mixing: Weights that decide which premises become steps; the shipped ones if ``None``.
        on_row: Called after each row.
    """
    cases: list[Case] = []
    mixing = mixing or load_mixing()
    for number, row in enumerate(rows):
        candidates = list(ask(row)) if ask else []
        cases.append(_collect(number, row, candidates, index, portfolio, mixing, complete=True))
        without = number % 3
        cases.append(
            _collect(
                number,
                row if without == 1 else attrs.evolve(row, context=""),
                candidates,
                index if without == 0 else None,
                portfolio if without != 1 else None,
                mixing,
                complete=False,
            )
        )
        on_row()
    return cases


def _collect(
    number: int,
    row: Row,
    candidates: Sequence[tuple[str, Candidate]],
    index: LibraryIndex | None,
    portfolio: Portfolio | None,
    mixing: Mixing,
    *,
    complete: bool,
) -> Case:
    own = module_of(row.file)
    evidence = Evidence(
        row.state,
        row.context,
        index,
        bool(row.context),
        portfolio,
        mixing,
        tables={"file": PremiseTable(read_document(row.context).statements())}
        if row.context
        else {},
        readers=GOAL_READERS if complete or number % 3 == 1 else None,
        reaches=(lambda module: module != own) if own else None,
    )
    return _compare(number, row, evidence, candidates, complete=complete)


def _compare(
    number: int,
    row: Row,
    evidence: Evidence,
    candidates: Sequence[tuple[str, Candidate]],
    *,
    complete: bool,
) -> Case:
    banned = (row.decl,) if row.decl else ()
    best: dict[str, tuple[str, float | None, int]] = {}
    for text, _ in evidence.propose():
        verdict = extract_tactic(text, banned=banned)
        if verdict.tactic is not None:
            best.setdefault(normal_form(verdict.tactic), (verdict.tactic, None, 0))
    for proposed, candidate in candidates:
        tactic = evidence.complete_names(proposed)
        if not evidence.runs_here(tactic):
            continue
        if extract_tactic(tactic, banned=banned).tactic is None:
            continue
        evidence.add_candidate(tactic, candidate.logprob, candidate.tokens)
        key = normal_form(tactic)
        known = best.get(key)
        if known is None or known[1] is None or known[1] < candidate.logprob:
            best[key] = (tactic, candidate.logprob, candidate.tokens)
    wanted = normal_form(row.tactic)
    heads = tuple(dict.fromkeys(first_word(tactic) for tactic, _, _ in best.values()))
    lemmas = tuple(evidence.premises())
    places = {name: place for place, name in enumerate(lemmas)}
    named = tuple(
        tuple(places[name] for name in evidence.lemmas_of(tactic)) for tactic, _, _ in best.values()
    )
    cited = {name for name in lemmas if name in row.lemmas}
    right = np.array([key == wanted for key in best], dtype=np.bool_)
    helps = np.array([any(lemmas[at] in cited for at in places) for places in named], dtype=bool)
    return Case(
        number,
        row,
        tuple(tactic for tactic, _, _ in best.values()),
        _stack([evidence.features(*entry) for entry in best.values()], FEATURES),
        np.where(right, 1.0, np.where(helps, NAMES_LEMMA, 0.0)),
        right,
        heads,
        _stack([evidence.head_features(head) for head in heads], HEAD_FEATURES),
        np.array([head == row.head for head in heads], dtype=np.bool_),
        lemmas,
        _stack([evidence.lemma_features(name) for name in lemmas], LEMMA_FEATURES),
        np.array([name in cited for name in lemmas], dtype=np.bool_),
        named,
        complete,
    )


def _stack(rows: Sequence[Mapping[str, float]], names: Sequence[str]) -> npt.NDArray[np.float64]:
    """The named numbers of each row, shape (rows, names), also where there is no row."""
    values = [[row[name] for name in names] for row in rows]
    return np.array(values, dtype=np.float64).reshape(len(rows), len(names))


def fit_mixing(cases: Sequence[Case], n: int) -> tuple[Mixing, MixingScores]:
    """Fit the weights, and choose head value and lemma value by cross-validation.

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
    judged = [(case, folds[case.number % FOLDS]) for case in cases if case.complete]
    chances = [(case, mixing, _estimate_all(case, mixing)) for case, mixing in judged]
    choices = [(head, lemma) for head in HEAD_VALUES for lemma in LEMMA_VALUES]

    def worth(choice: tuple[float, float]) -> float:
        scores = _score([(case, _with(m, choice), told) for case, m, told in chances], n)
        citing = scores.citing / scores.rows
        return (
            scores.exact_at_n
            + _LEMMA_WORTH * citing * scores.lemma_at_n
            + _HEAD_WORTH * scores.head_at_n
        )

    best = max(choices, key=worth)
    scores = _score([(case, _with(m, best), told) for case, m, told in chances], n)
    return _with(_fit(cases), best), scores


def score_mixing(cases: Sequence[Case], mixing: Mixing, n: int) -> MixingScores:
    """Score given weights on rows that they were not fitted on."""
    complete = [case for case in cases if case.complete]
    return _score([(case, mixing, _estimate_all(case, mixing)) for case in complete], n)


def _with(mixing: Mixing, choice: tuple[float, float]) -> Mixing:
    return attrs.evolve(mixing, head_value=choice[0], lemma_value=choice[1])


def _fit(cases: Sequence[Case]) -> Mixing:
    values = np.concatenate([case.lemma_values for case in cases])
    labels = np.concatenate([case.lemma_right for case in cases])
    lemma_weights: Mapping[str, float] = dict.fromkeys(map(str, LEMMA_FEATURES), 0.0)
    if labels.any():
        lemma_weights = _name(LEMMA_FEATURES, fit_logistic(values, labels, _RIDGE))
    values = np.concatenate([_with_lemmas(case, lemma_weights) for case in cases])
    weights = fit_logistic(values, np.concatenate([case.worth for case in cases]), _RIDGE)
    values = np.concatenate([case.head_values for case in cases])
    labels = np.concatenate([case.head_right for case in cases])
    head_weights = fit_logistic(values, labels, _RIDGE)
    return Mixing(
        _name(FEATURES, weights), _name(HEAD_FEATURES, head_weights), 0.0, lemma_weights, 0.0
    )


def _with_lemmas(case: Case, weights: Mapping[str, float]) -> npt.NDArray[np.float64]:
    """The features of a case's tactics, as they are with these weights of premises."""
    odds = case.lemma_values @ np.array([weights[name] for name in LEMMA_FEATURES])
    values = case.values.copy()
    column = FEATURES.index("lemma_log_odds")
    for row, places in enumerate(case.named):
        values[row, column] = max(odds[list(places)]) + LEMMA_ODDS if places else 0.0
    return values


def _name(names: Sequence[str], weights: npt.NDArray[np.float64]) -> dict[str, float]:
    return {name: round(float(w), 4) for name, w in zip(names, weights, strict=True)}


@attrs.frozen
class _Chances:
    tactics: Mapping[str, float]
    heads: Mapping[str, float]
    lemmas: Mapping[str, float]


def _estimate_all(case: Case, mixing: Mixing) -> _Chances:
    values = _with_lemmas(case, mixing.lemma_weights)
    return _Chances(
        dict(zip(case.tactics, _estimate(values, mixing.weights, FEATURES), strict=True)),
        dict(
            zip(
                case.heads,
                _estimate(case.head_values, mixing.head_weights, HEAD_FEATURES),
                strict=True,
            )
        ),
        dict(
            zip(
                case.lemmas,
                _estimate(case.lemma_values, mixing.lemma_weights, LEMMA_FEATURES),
                strict=True,
            )
        ),
    )


def choose(case: Case, mixing: Mixing, n: int, told: _Chances | None = None) -> list[str]:
    """The ``n`` tactics that would be offered for a case, in the order they are chosen in."""
    told = told or _estimate_all(case, mixing)
    judged = [
        Judged(tactic, told.tactics[tactic], tuple(case.lemmas[at] for at in places))
        for tactic, places in zip(case.tactics, case.named, strict=True)
    ]
    values = (mixing.head_value, mixing.lemma_value)
    chosen = choose_covering(judged, told.heads, values[0], n, told.lemmas, values[1])
    return [tactic for tactic, _ in chosen]


def _score(judged: Sequence[tuple[Case, Mixing, _Chances]], n: int) -> MixingScores:
    first = whole = headed = proposed = citing = named = 0
    for case, mixing, told in judged:
        chosen = choose(case, mixing, n, told)
        wanted = normal_form(case.row.tactic)
        keys = [normal_form(tactic) for tactic in chosen]
        first += keys[:1] == [wanted]
        whole += wanted in keys
        headed += case.row.head in map(first_word, chosen)
        proposed += bool(case.right.any())
        citing += bool(case.row.lemmas)
        places = {tactic: at for at, tactic in enumerate(case.tactics)}
        helping = {at for at, right in enumerate(case.lemma_right) if right}
        named += any(helping.intersection(case.named[places[tactic]]) for tactic in chosen)
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
