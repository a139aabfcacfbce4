"""Scores of one model on one file of recorded proof steps."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from llmstep.prompts.goal import parse_goal
from llmstep.sources.feasibility import is_impossible
from llmstep.sources.goal_view import view_goal
from llmstep_workshop.data.lemma_labels import NameList, all_names_exist, names_one_of
from llmstep_workshop.data.rows import Row
from llmstep_workshop.evaluation.candidates import Answer
from llmstep_workshop.evaluation.intervals import Interval, bootstrap_means, bootstrap_ratio, wilson
from llmstep_workshop.evaluation.likelihood import Likelihood

_HEADS = 20
# Candidates that are kept of each row, for the page that shows them.
_SHOWN = 5


@attrs.frozen
class RowScore:
    """What became of one row.

    Attributes:
        number: Place of the row in the file, from 1 on.
        head: First word of the reference.
        exact: Place of the reference among the candidates, from 1 on; ``None`` if it is not there.
        headed: Place of the first candidate with the reference's first word, likewise.
        candidates: Number of distinct candidates.
        seconds: Time of the answer.
        trimmed: Whether the state was too long for the prompt.
        best: The first candidates.
        origins: The sources that proposed the reference; empty if none did.
        likelihood: How likely the reference is; ``None`` if the backend cannot tell.
        failure: Why the model gave no answer; empty if it did.
        source: The corpus of the row; empty if it is not known.
        citing: Whether the reference names a lemma, as far as is known.
        shown: Whether one of these lemmas is among the row's own premises.
        lemma: Place of the first candidate that names one of these lemmas, likewise.
        inventing: Candidates that name what does not exist; ``None`` if that was not measured.
        impossible: Candidates that cannot run, by the form of the goal.
    """

    number: int
    head: str
    exact: int | None = None
    headed: int | None = None
    candidates: int = 0
    seconds: float = 0.0
    trimmed: bool = False
    best: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    likelihood: Likelihood | None = None
    failure: str = ""
    source: str = ""
    citing: bool = False
    shown: bool = False
    lemma: int | None = None
    inventing: int | None = None
    impossible: int = 0


@attrs.frozen
class ExistingNames:
    """What names there are.

    Attributes:
        listed: Full names of declarations.
        knows: Whether a name is known besides.
    """

    listed: NameList
    knows: Callable[[str], bool] = lambda _: False


@attrs.frozen
class SourceScore:
    """Scores of the rows of one corpus.

    Attributes:
        rows: Number of rows.
        exact_at_10, exact_at_n: Share whose reference is among the first 10, or n, candidates.
        citing: Number of rows that cite a lemma.
        lemma_at_10, lemma_at_n: Of these, the share with one of their lemmas named there.
    """

    rows: int
    exact_at_10: float
    exact_at_n: float
    citing: int
    lemma_at_10: float
    lemma_at_n: float


@attrs.frozen
class HeadScore:
    """Scores of the rows whose reference begins with one word.

    Attributes:
        head: The word.
        rows: Number of rows.
        exact: Share whose reference is among the candidates.
        headed: Share with a candidate of the same first word.
    """

    head: str
    rows: int
    exact: float
    headed: float


@attrs.frozen
class Scores:
    """Scores over the rows of a file; a row without an answer counts as not found.

    Attributes:
        rows: Number of rows.
        failures: Rows that the model failed on.
        trimmed: Rows whose state was too long for the prompt.
        nll: Mean negative log-likelihood of the reference per token (nats), its end included;
            ``None`` if the backend cannot tell.
        exact_at_1: Share whose first candidate is the reference, blanks aside.
        exact_at_n: The same for any candidate.
        head_at_1: Share whose first candidate has the reference's first word.
        head_at_n: The same for any candidate.
        exact_curve: Share found among the first k candidates, for k = 1..n.
        head_curve: The same for the first word.
        candidates: Mean number of distinct candidates.
        median_ms: Median time of one answer.
        p90_ms: Time within which nine of ten answers came.
        rows_per_second: Answers per second, one after the other.
        intervals: 95 % intervals: of nll by the bootstrap, of exact_at_1, exact_at_n, head_at_1
            and head_at_n by Wilson's formula.
        found_by: For each source the share of rows whose reference it proposed; several may have.
        heads: For the commonest first words.
        citing: Number of rows whose reference names a lemma, as far as is known.
        lemma_at_10, lemma_at_n: Of these, the share with such a lemma named among the first 10, or
            n, candidates.
        shown: Number of rows with such a lemma among the premises that the row brings.
        shown_at_n: Of these, the share with such a lemma named among the candidates.
        names_exist: Share of candidates all of whose names exist; ``None`` if it was not measured.
        impossible: Share of candidates that cannot run, by the form of the goal.
        sources: For each corpus of the rows.
    """

    rows: int
    failures: int
    trimmed: int
    nll: float | None
    exact_at_1: float
    exact_at_n: float
    head_at_1: float
    head_at_n: float
    exact_curve: tuple[float, ...]
    head_curve: tuple[float, ...]
    candidates: float
    median_ms: float
    p90_ms: float
    rows_per_second: float
    intervals: dict[str, Interval]
    found_by: dict[str, float]
    heads: tuple[HeadScore, ...]
    citing: int
    lemma_at_10: float
    lemma_at_n: float
    shown: int
    shown_at_n: float
    names_exist: float | None
    impossible: float
    sources: dict[str, SourceScore]


def score_row(
    number: int, row: Row, answer: Answer, names: ExistingNames | None = None
) -> RowScore:
    """Compare an answer with the recorded tactic; blanks do not count."""
    view = view_goal(parse_goal(row.state))
    inventing = None
    if names is not None:
        exist = [all_names_exist(t, row, names.listed, names.knows) for t in answer.tactics]
        inventing = exist.count(False)
    reference = " ".join(row.tactic.split())
    texts = [" ".join(tactic.split()) for tactic in answer.tactics]
    exact = _place([text == reference for text in texts])
    return RowScore(
        number=number,
        head=row.head,
        exact=exact,
        headed=_place([text.split(" ", 1)[0] == row.head for text in texts]),
        candidates=len(set(texts)),
        seconds=answer.seconds,
        trimmed=answer.trimmed,
        best=answer.tactics[:_SHOWN],
        origins=answer.origins[exact - 1] if exact is not None and answer.origins else (),
        source=row.src,
        citing=bool(row.lemmas),
        shown=any(_is_shown(lemma, row) for lemma in row.lemmas),
        lemma=_place([names_one_of(t, row.lemmas, row.state) for t in answer.tactics]),
        inventing=inventing,
        impossible=sum(is_impossible(tactic, view) for tactic in answer.tactics),
    )


def summarise(rows: Sequence[RowScore], n: int) -> Scores:
    """Scores over at least one row; ``n`` candidates were asked for."""
    shares = {
        "exact_at_1": [_within(row.exact, 1) for row in rows],
        "exact_at_n": [_within(row.exact, n) for row in rows],
        "head_at_1": [_within(row.headed, 1) for row in rows],
        "head_at_n": [_within(row.headed, n) for row in rows],
    }
    means: dict[str, Any] = {name: _mean(column) for name, column in shares.items()}
    # Of a share that is 0 the bootstrap would say that it is certain; Wilson's interval does not.
    intervals = {name: wilson(round(sum(column)), len(rows)) for name, column in shares.items()}
    known = [row.likelihood for row in rows if row.likelihood is not None]
    nll = None
    if known:
        nats, tokens = [one.nll for one in known], [one.tokens for one in known]
        nll = sum(nats) / sum(tokens)
        intervals["nll"] = bootstrap_ratio(nats, tokens)
    seconds = [row.seconds for row in rows if not row.failure] or [0.0]
    median, p90 = np.percentile(seconds, [50, 90])
    return Scores(
        rows=len(rows),
        failures=sum(bool(row.failure) for row in rows),
        trimmed=sum(row.trimmed for row in rows),
        nll=nll,
        exact_curve=tuple(_mean([_within(r.exact, k) for r in rows]) for k in range(1, n + 1)),
        head_curve=tuple(_mean([_within(r.headed, k) for r in rows]) for k in range(1, n + 1)),
        candidates=_mean([float(row.candidates) for row in rows]),
        median_ms=1e3 * float(median),
        p90_ms=1e3 * float(p90),
        rows_per_second=len(seconds) / sum(seconds) if sum(seconds) > 0 else 0.0,
        intervals=intervals,
        found_by={
            origin: _mean([float(origin in row.origins) for row in rows])
            for origin in sorted({origin for row in rows for origin in row.origins})
        },
        heads=_score_heads(rows),
        **_score_lemmas(rows, n),
        **means,
    )


def compare(first: Sequence[RowScore], second: Sequence[RowScore], n: int) -> dict[str, Interval]:
    """95 % bootstrap intervals of second minus first, row by row: exact_at_n and head_at_n.

    A model is better, not by the luck of the rows, where the interval does not hold 0.
    """
    pairs = list(zip(first, second, strict=True))
    columns = {
        "exact_at_n": [_within(b.exact, n) - _within(a.exact, n) for a, b in pairs],
        "head_at_n": [_within(b.headed, n) - _within(a.headed, n) for a, b in pairs],
    }
    return dict(zip(columns, bootstrap_means(list(columns.values())), strict=True))


def _score_lemmas(rows: Sequence[RowScore], n: int) -> dict[str, Any]:
    candidates = max(sum(row.candidates for row in rows), 1)
    measured = [row.inventing for row in rows if row.inventing is not None]
    by_source: dict[str, list[RowScore]] = defaultdict(list)
    for row in rows:
        by_source[row.source].append(row)
    whole = _score_source(rows, n)
    shown = [row for row in rows if row.shown]
    return {
        "citing": whole.citing,
        "lemma_at_10": whole.lemma_at_10,
        "lemma_at_n": whole.lemma_at_n,
        "shown": len(shown),
        "shown_at_n": _mean([_within(row.lemma, n) for row in shown]),
        "names_exist": 1 - sum(measured) / candidates if measured else None,
        "impossible": sum(row.impossible for row in rows) / candidates,
        "sources": {
            source: _score_source(own, n) for source, own in sorted(by_source.items()) if source
        },
    }


def _score_source(rows: Sequence[RowScore], n: int) -> SourceScore:
    citing = [row for row in rows if row.citing]
    return SourceScore(
        len(rows),
        _mean([_within(row.exact, min(n, 10)) for row in rows]),
        _mean([_within(row.exact, n) for row in rows]),
        len(citing),
        _mean([_within(row.lemma, min(n, 10)) for row in citing]),
        _mean([_within(row.lemma, n) for row in citing]),
    )


def _score_heads(rows: Sequence[RowScore]) -> tuple[HeadScore, ...]:
    found: list[HeadScore] = []
    for head, number in Counter(row.head for row in rows).most_common(_HEADS):
        own = [row for row in rows if row.head == head]
        exact = sum(row.exact is not None for row in own) / number
        headed = sum(row.headed is not None for row in own) / number
        found.append(HeadScore(head, number, exact, headed))
    return tuple(found)


def _is_shown(lemma: str, row: Row) -> bool:
    return any(
        lemma == mention.name or lemma.endswith(f".{mention.name}") for mention in row.premises
    )


def _place(hits: Sequence[bool]) -> int | None:
    return hits.index(True) + 1 if True in hits else None


def _within(place: int | None, k: int) -> float:
    return float(place is not None and place <= k)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
