"""Scores of one model on one file of recorded proof steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import attrs
import numpy as np

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


def score_row(number: int, row: Row, answer: Answer) -> RowScore:
    """Compare an answer with the recorded tactic; blanks do not count."""
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
    )


def summarise(rows: Sequence[RowScore], n: int) -> Scores:
    """Scores over at least one row; ``n`` candidates were asked for."""
    shares = {
        "exact_at_1": [_within(row.exact, 1) for row in rows],
        "exact_at_n": [_within(row.exact, n) for row in rows],
        "head_at_1": [_within(row.headed, 1) for row in rows],
        "head_at_n": [_within(row.headed, n) for row in rows],
    }
    means = {name: _mean(column) for name, column in shares.items()}
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


def _score_heads(rows: Sequence[RowScore]) -> tuple[HeadScore, ...]:
    found: list[HeadScore] = []
    for head, number in Counter(row.head for row in rows).most_common(_HEADS):
        own = [row for row in rows if row.head == head]
        exact = sum(row.exact is not None for row in own) / number
        headed = sum(row.headed is not None for row in own) / number
        found.append(HeadScore(head, number, exact, headed))
    return tuple(found)


def _place(hits: Sequence[bool]) -> int | None:
    return hits.index(True) + 1 if True in hits else None


def _within(place: int | None, k: int) -> float:
    return float(place is not None and place <= k)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
