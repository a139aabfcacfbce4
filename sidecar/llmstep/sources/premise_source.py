"""Premises for one goal, from all places that know some, and the steps they become."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs

from llmstep.lean_text.statements import Statement
from llmstep.prompts.goal import Goal
from llmstep.sources.goal_view import GoalView
from llmstep.sources.libraries import AnyLibrary
from llmstep.sources.premise_steps import PremiseStep, premise_steps
from llmstep.sources.premises import Premise, Ranker, fuse
from llmstep.sources.ranking import Origin
from llmstep.sources.statement_features import goal_query

# Of each place; the fused list is shorter.
_RANKED = 100
_VOTED = 60
_KEPT = 60
_MADE_STEPS = 30
# How much a place counts where they are fused.
_WEIGHTS: Mapping[str, float] = {"library": 1.0, "votes": 1.0, "file": 1.5, "project": 1.3}


@attrs.frozen
class ProposedStep:
    """A step with the premise it was made of.

    Attributes:
        step: The step.
        premise: The premise.
        origin: Where it is stated.
    """

    step: PremiseStep
    premise: Premise
    origin: Origin


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
    """What was found.

    Attributes:
        lemmas: The best first.
        missing: What has not been read yet, in words.
    """

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

    Args:
        goal: The goal.
        index: The library, or ``None`` to do without.
        tables: Statements at hand besides, by where they are from.
        votes: How strongly similar goals speak for a name, by full names.
        reaches: Whether a module of the library can be used; all of them if ``None``.
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


def propose_steps(
    premises: Sequence[Premise], view: GoalView, write: Callable[[Statement], str]
) -> list[ProposedStep]:
    """What the best premises become.

    Args:
        premises: The best first.
        view: The goal.
        write: How a statement's name must be written here.
    """
    return [
        ProposedStep(step, premise, origin_of(premise))
        for premise in premises[:_MADE_STEPS]
        for step in premise_steps(premise.statement, write(premise.statement), view)
    ]


def origin_of(premise: Premise) -> Origin:
    """Where a premise is stated."""
    if "file" in premise.ranks:
        return "file"
    return "project" if "project" in premise.ranks else "library"
