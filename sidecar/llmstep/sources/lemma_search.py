"""Lemmas that somebody looks for in words, from the file, the project and the library."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from llmstep.lean_text.statements import Statement
from llmstep.sources.libraries import AnyLibrary
from llmstep.sources.premise_source import FoundLemma, origin_of
from llmstep.sources.premises import Premise, Ranker, fuse
from llmstep.sources.ranking import Origin
from llmstep.sources.statement_features import Query
from llmstep.sources.text_query import names_in, text_query

_RANKED = 100
# How much a place counts where they are fused, as for goals.
_WEIGHTS: Mapping[str, float] = {"library": 1.0, "file": 1.5, "project": 1.3, "named": 20.0}
# How much a statement that proofs use is worth more, and one in a namespace nobody spoke of less.
_PER_USE = 0.08
_FOREIGN = 0.85


def find_by_text(
    text: str,
    index: AnyLibrary | None,
    tables: Mapping[Origin, Ranker],
    count: int,
    *,
    reaches: Callable[[str], bool] | None,
    write: Callable[[Statement], str],
    namespaces: Iterable[str] = (),
) -> list[FoundLemma]:
    """The statements that fit a text best, the best first.

    Args:
        text: A name or half of one, a formula, or words; see `text_query`.
        index: The library, or ``None`` to do without.
        tables: Statements at hand besides, by where they are from.
        count: How many.
        reaches: Whether a module of the library can be used; all of them if ``None``.
        write: How a statement's name must be written here.
        namespaces: Those whose names may be written short.
    """
    query = text_query(text)
    rankings: dict[str, tuple[float, Sequence[Statement]]] = {
        origin: (_WEIGHTS[origin], [found for found, _ in table.rank(query, _RANKED)])
        for origin, table in tables.items()
    }
    if index is not None:
        ranked = index.premises(query, _RANKED, reaches)
        worth = {
            statement.name: score * _prior(statement, query, index.uses(statement.name))
            for statement, score in ranked
        }
        statements = sorted((s for s, _ in ranked), key=lambda s: -worth[s.name])
        rankings["library"] = (_WEIGHTS["library"], statements)
        meant = [
            full
            for name in names_in(text)
            for full in (name, *(f"{namespace}.{name}" for namespace in namespaces))
        ]
        named = [found for name in meant if (found := index.find_statement(name))]
        usable = [found for found in named if reaches is None or reaches(found.module)]
        rankings["named"] = (_WEIGHTS["named"], usable)
    best = fuse(rankings, count)
    return [
        FoundLemma(
            premise.statement,
            write(premise.statement),
            origin_of(premise),
            _score(premise, best[0]),
        )
        for premise in best
    ]


def _prior(statement: Statement, query: Query, uses: int) -> float:
    foreign = sum(f"S{part}" not in query for part in statement.name.split(".")[:-1])
    return (1 + _PER_USE * math.log1p(uses)) * _FOREIGN**foreign


def _score(premise: Premise, best: Premise) -> float:
    return min(math.log(premise.worth / best.worth), 0.0)
