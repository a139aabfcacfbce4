"""Premises for a goal, or for what somebody asks for in words, from all places that know some."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import attrs

from llmstep.lean_text.lexer import plain_name
from llmstep.lean_text.statements import Statement
from llmstep.prompts.goal import Goal
from llmstep.sources.libraries import AnyLibrary
from llmstep.sources.premise_steps import PremiseStep
from llmstep.sources.premises import Premise, Ranker, fuse
from llmstep.sources.ranking import Origin
from llmstep.sources.statement_features import Query, goal_query

if TYPE_CHECKING:
    from llmstep.lean_text.scope import NameScope

# Of each place; the fused list is shorter.
_RANKED = 100
_VOTED = 60
_KEPT = 60
# How much a place counts where they are fused.
_WEIGHTS: Mapping[str, float] = {
    "library": 1.0,
    "votes": 1.0,
    "file": 1.5,
    "project": 1.3,
    "named": 20.0,  # what a text names
}
# How much a statement that proofs use is worth more, and one in a namespace nobody spoke of less.
_PER_USE = 0.08
_FOREIGN = 0.85


@attrs.frozen
class FoundLemma:
    """A statement that was looked for, and how it is used here.

    Attributes:
        statement: What it states.
        written: Its name as it must be written here.
        origin: Where it stands: ``file``, ``project`` or ``library``.
        score: Nats, at most 0. For a goal the log of the estimated probability that its author's
            next step names the lemma; for words the log of how well it fits, the best one being 0.
        step: The likeliest step with it; only for a goal, and where its form allows one.
    """

    statement: Statement
    written: str
    origin: Origin
    score: float
    step: PremiseStep | None = None


@attrs.frozen
class FoundLemmas:
    """What was found, the best first, and what has not been read yet, in words."""

    lemmas: tuple[FoundLemma, ...]
    missing: tuple[str, ...] = ()


def rank_premises(
    goal: Goal,
    index: AnyLibrary | None,
    tables: Mapping[Origin, Ranker],
    votes: Mapping[str, float],
    reaches: Callable[[str], bool] | None = None,
) -> list[Premise]:
    """The statements that most likely help, the likeliest first.

    The tables are what is stated at hand besides the library, the votes how strongly similar goals
    speak for full names. `reaches` tells which modules can be used; all of them if ``None``.
    """
    rankings: dict[str, tuple[float, Sequence[Statement]]] = {}
    query = goal_query(goal)
    for origin, table in tables.items():
        ranked = [statement for statement, _ in table.rank(query, _RANKED)]
        rankings[origin] = (_WEIGHTS[origin], ranked)
    if index is not None:
        found = [statement for statement, _ in index.premises(query, _RANKED, reaches)]
        rankings["library"] = (_WEIGHTS["library"], found)
        named = sorted(votes, key=lambda name: (-votes[name], name))[:_VOTED]
        voted = [s for name in named if (s := index.find_statement(name)) is not None]
        if reaches is not None:
            voted = [statement for statement in voted if reaches(statement.module)]
        rankings["votes"] = (_WEIGHTS["votes"], voted)
    return fuse(rankings, _KEPT)


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
    """The statements that fit a name or half of one, a formula, or words (`text_query`).

    The best come first. What is a name may also be one of these namespaces; `write` tells how names
    must be written here, the rest is as for `rank_premises`.
    """
    from llmstep.sources.text_query import names_in, text_query

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


def find_named(
    name: str,
    index: AnyLibrary | None,
    tables: Mapping[Origin, Ranker],
    scope: NameScope | None,
) -> Statement | None:
    """What is stated by a name as it is written at a place, or in full; what is nearest first."""
    places = [table for origin in ("file", "project") if (table := tables.get(origin))]
    for full in scope.readings(name) if scope is not None else (plain_name(name),):
        for place in (*places, index):
            if place is not None and (found := place.find_statement(full)) is not None:
                return found
    return None


def origin_of(premise: Premise) -> Origin:
    """Where a premise is stated."""
    if "file" in premise.ranks:
        return "file"
    return "project" if "project" in premise.ranks else "library"
