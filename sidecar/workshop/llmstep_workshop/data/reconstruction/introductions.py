"""What `intro` and its like make of a goal."""

from __future__ import annotations

from llmstep_workshop.data.reconstruction.patterns import (
    NAME,
    introduce,
    split_patterns,
    take_apart,
)
from llmstep_workshop.data.reconstruction.states import GoalState, LocalEntry
from llmstep_workshop.data.reconstruction.substitution import replace_name
from llmstep_workshop.data.reconstruction.terms import Atom, Prefix, Raw, Term, names_in


def target_of(goal: GoalState) -> Term:
    """The target; nothing that is understood if it is not known."""
    return goal.target if goal.target is not None else Raw("")


def intro(goal: GoalState, argument: str) -> list[GoalState] | None:
    """`intro` and `rintro` with their patterns; without one, a single introduction."""
    goals = [goal]
    for pattern in split_patterns(argument) or [""]:
        following: list[GoalState] = []
        for one in goals:
            after = intro_one(one, pattern)
            if after is None:
                return None
            following += after
        goals = following
    return goals


def intro_one(goal: GoalState, pattern: str) -> list[GoalState] | None:
    """The goals after one introduction; an empty pattern leaves the name to Lean."""
    name = pattern if NAME.fullmatch(pattern) and pattern not in ("_", "rfl") else ""
    if name and goal.find(name) is not None:
        goal = goal.renamed(name, goal.fresh(name))
    found = introduce(goal, target_of(goal))
    if found is None:
        return None
    target = found.target
    if pattern in ("", "_"):
        name = goal.fresh(found.name)
        if found.given:
            target = replace_name(target, found.given, Atom(name))
        return [goal.to(target).adding(LocalEntry(name, found.type))]
    if not name and found.given in names_in(target):
        return None  # a value is taken apart: what becomes of its name is not followed
    if found.given and name != found.given:
        target = replace_name(target, found.given, Atom(name or found.name))
    if name:
        return [goal.to(target).adding(LocalEntry(name, found.type))]
    return take_apart(goal.to(target), pattern, found.type, found.name)


def intros(goal: GoalState, argument: str) -> list[GoalState] | None:
    """`intros`: without names all that can be introduced."""
    if argument:
        return intro(goal, argument)
    while introduce(goal, target_of(goal)) is not None:
        after = intro_one(goal, "")
        if after is None:
            return None
        goal = after[0]
        if isinstance(goal.target, Prefix | Atom):
            break
    return [goal]
