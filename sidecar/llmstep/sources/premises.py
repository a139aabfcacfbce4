"""Which statements help with a goal: a few at hand, ranked as those of the library are."""

from __future__ import annotations

import functools
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import attrs

from llmstep.lean_text.statements import Statement
from llmstep.sources.statement_features import Query, statement_features

# The file that is edited is read again and again.
_features = functools.lru_cache(maxsize=50_000)(statement_features)
# BM25, as in the library's index.
LENGTH = 0.6
# Reciprocal rank fusion: one over this and the rank (Cormack, Clarke, Buettcher 2009).
_FUSION = 10.0


class Ranker(Protocol):
    """Statements that can be ranked for a question."""

    def rank(self, query: Query, count: int) -> list[tuple[Statement, float]]:
        """The ``count`` statements that most likely help, the likeliest first, with scores."""
        ...

    def find_statement(self, name: str) -> Statement | None:
        """The statement of this full name, if there is one."""
        ...


@attrs.frozen
class Premise:
    """A statement that may help with a goal, and its place, from 1 on, in each ranking of it.

    `worth` is the fused score of all of them; it is comparable within one goal.
    """

    statement: Statement
    worth: float
    ranks: Mapping[str, int]


class PremiseTable:
    """Statements that are at hand as objects: those of a file, or of a project."""

    def __init__(self, statements: Iterable[Statement]) -> None:
        self._statements = [statement for statement in statements if statement.name]
        self._features = [_features(s.name, s.conclusion) for s in self._statements]
        counts: Counter[str] = Counter()
        for features in self._features:
            counts.update(features)
        total = len(self._statements)
        self._rows: dict[str, list[int]] = defaultdict(list)
        for row, features in enumerate(self._features):
            for feature in features:
                self._rows[feature].append(row)
        self._weights = {name: math.log(1 + total / count) for name, count in counts.items()}
        mean = sum(map(len, self._features)) / max(total, 1)
        self._norms = [
            1.0 / (1 - LENGTH + LENGTH * len(features) / max(mean, 1.0))
            for features in self._features
        ]

    def __len__(self) -> int:
        return len(self._statements)

    def rank(self, query: Query, count: int) -> list[tuple[Statement, float]]:
        """The ``count`` statements that most likely help, the likeliest first, with scores."""
        scores: dict[int, float] = defaultdict(float)
        for feature, worth in query.items():
            for row in self._rows.get(feature, ()):
                scores[row] += worth * self._weights[feature]
        # Of two that say as much the later one is nearer to the goal.
        ranked = sorted(
            ((score * self._norms[row], row) for row, score in scores.items()), reverse=True
        )
        return [(self._statements[row], score) for score, row in ranked[:count]]

    def find_statement(self, name: str) -> Statement | None:
        """The statement of this full name, if there is one."""
        return next((statement for statement in self._statements if statement.name == name), None)


def fuse(rankings: Mapping[str, tuple[float, Sequence[Statement]]], count: int) -> list[Premise]:
    """One ranking of several, each with a weight and the best first, by reciprocal ranks."""
    worth: dict[str, float] = defaultdict(float)
    ranks: dict[str, dict[str, int]] = defaultdict(dict)
    statements: dict[str, Statement] = {}
    for source, (weight, ranked) in rankings.items():
        for rank, statement in enumerate(ranked, start=1):
            worth[statement.name] += weight / (_FUSION + rank)
            ranks[statement.name].setdefault(source, rank)
            statements.setdefault(statement.name, statement)
    best = sorted(worth, key=lambda name: (-worth[name], name))[:count]
    return [Premise(statements[name], worth[name], ranks[name]) for name in best]


def merge(
    rankings: Iterable[tuple[int, Sequence[tuple[Statement, float]]]], count: int
) -> list[tuple[Statement, float]]:
    """One ranking of those of several libraries, each given with its number of statements.

    Scores of two libraries do not compare: a word that is rare in one is common in the other. So
    ranks are joined, and those of a library count by the logarithm of its size, as of many
    statements the first is the better for it.

    Returns:
        The ``count`` best. The scores are those given if one library alone has any.
    """
    known = [(size, ranked) for size, ranked in rankings if ranked]
    if len(known) < 2:
        return list(known[0][1][:count]) if known else []
    worth: dict[str, float] = {}
    statements: dict[str, Statement] = {}
    for size, ranked in known:
        for rank, (statement, _) in enumerate(ranked, start=1):
            own = math.log1p(size) / (_FUSION + rank)
            if own > worth.get(statement.name, 0.0):
                worth[statement.name] = own
                statements.setdefault(statement.name, statement)
    best = sorted(worth, key=lambda name: -worth[name])[:count]
    return [(statements[name], worth[name]) for name in best]
