"""What all sources propose for rows, with the numbers that a fit of the mix is made of."""

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
    Mixing,
    first_word,
    load_mixing,
)
from llmstep.sources.portfolio import Portfolio
from llmstep.sources.premises import PremiseTable
from llmstep.sources.ranking import normal_form
from llmstep_workshop.data.rows import Row, module_of

# What a step is worth that is not the author's, but names a lemma of the author's step.
NAMES_LEMMA = 0.3

AskModel = Callable[[Row], Iterable[tuple[str, Candidate]]]


@attrs.frozen(eq=False)
class RatedRow:
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


class ModelCandidates:
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


def rate_rows(
    rows: Sequence[Row],
    ask: AskModel | None,
    index: LibraryIndex | None,
    portfolio: Portfolio | None,
    mixing: Mixing | None = None,
    on_row: Callable[[], object] = lambda: None,
) -> list[RatedRow]:
    """Ask all sources about each row, and some of them once more.

    Args:
        rows: The rows. The module of a row's file does not count as part of the library.
        ask: A model's candidates for a row; ``None`` to do without.
        index: The library, or ``None`` to do without.
        portfolio: The closers, or ``None`` to do without.
        mixing: Weights that decide which premises become steps; the shipped ones if ``None``.
        on_row: Called after each row.
    """
    rated: list[RatedRow] = []
    mixing = mixing or load_mixing()
    for number, row in enumerate(rows):
        candidates = list(ask(row)) if ask else []
        rated.append(_collect(number, row, candidates, index, portfolio, mixing, complete=True))
        without = number % 3
        rated.append(
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
    return rated


def _collect(
    number: int,
    row: Row,
    candidates: Sequence[tuple[str, Candidate]],
    index: LibraryIndex | None,
    portfolio: Portfolio | None,
    mixing: Mixing,
    *,
    complete: bool,
) -> RatedRow:
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
) -> RatedRow:
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
    return RatedRow(
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
