"""What `constructor`, `apply`, `refine` and their like leave to prove."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from llmstep_workshop.data.reconstruction.introductions import intro_one, target_of
from llmstep_workshop.data.reconstruction.proof_terms import constructed, eliminated, filled
from llmstep_workshop.data.reconstruction.states import GoalState
from llmstep_workshop.data.reconstruction.term_reader import read_term
from llmstep_workshop.data.reconstruction.terms import (
    Atom,
    Binding,
    Bracketed,
    Infix,
    Term,
    names_in,
)


def _leave(goal: GoalState, found: Sequence[tuple[str, Term]] | None) -> list[GoalState] | None:
    """Goals with their tags: of a single one the tag is passed on."""
    if found is None:
        return None
    if len(found) == 1:
        return [goal.to(found[0][1])]
    return [goal.to(target).tagged(tag) for tag, target in found]


def construct(goal: GoalState, argument: str) -> list[GoalState] | None:
    """`constructor`, for a conjunction, an equivalence and `True`."""
    match goal.target:
        case Atom("True"):
            return []
        case Infix("∧", _, _):
            return _leave(goal, constructed("And.intro", target_of(goal)))
        case Infix("↔", _, _):
            return _leave(goal, constructed("Iff.intro", target_of(goal)))
        case _:
            return None


def choose_left(goal: GoalState, argument: str) -> list[GoalState] | None:
    """`left`."""
    return _leave(goal, constructed("Or.inl", target_of(goal)))


def choose_right(goal: GoalState, argument: str) -> list[GoalState] | None:
    """`right`."""
    return _leave(goal, constructed("Or.inr", target_of(goal)))


def apply_proof(goal: GoalState, argument: str) -> list[GoalState] | None:
    """`apply`, of hypotheses and of the constructors of logic."""
    target = target_of(goal)
    if (found := constructed(argument, target)) is not None:
        return _leave(goal, found)
    term = read_term(argument)
    if "?" in argument:
        return None
    if argument.startswith("Exists.intro "):
        rest = filled(goal, target, read_term(argument.removeprefix("Exists.intro ")))
        return None if rest is None else [goal.to(rest)]
    return _leave(goal, eliminated(term, goal, target))


def refine(goal: GoalState, argument: str) -> list[GoalState] | None:
    """`refine`, with lambdas, pairs and holes."""
    found = _fill(read_term(argument), goal)
    if found is None:
        return None
    unnamed = sum(not name for name, _ in found)
    goals: list[GoalState] = []
    count = 0
    for name, one in found:
        if name:
            goals.append(attrs.evolve(one, tag=name))
            continue
        count += 1
        goals.append(one if unnamed == 1 else one.tagged(f"refine_{count}"))
    return goals


def _fill(term: Term, goal: GoalState) -> list[tuple[str, GoalState]] | None:
    """The holes of a proof term, each with its name and goal."""
    holes = {name for name in names_in(term) if name.startswith("?")}
    if not holes:
        return []
    target = target_of(goal)
    match term:
        case Atom(text):
            return [("" if text == "?_" else text[1:], goal)]
        case Binding("fun", groups, body):
            for group in groups:
                for name in group.names:
                    after = intro_one(goal, name)
                    if after is None:
                        return None
                    goal = after[0]
            return _fill(body, goal)
        case Bracketed("⟨", items) if len(items) > 1:
            return _fill_parts(items, target, goal)
        case _:
            return None


def _fill_parts(
    items: tuple[Term, ...], target: Term, goal: GoalState
) -> list[tuple[str, GoalState]] | None:
    first = items[0]
    rest = items[1] if len(items) == 2 else Bracketed("⟨", items[1:])
    match target:
        case Infix("∧", left, right):
            pairs = ((first, left), (rest, right))
        case Infix("↔", left, right):
            pairs = ((first, Infix("→", left, right)), (rest, Infix("→", right, left)))
        case Binding("∃", _, _):
            said = filled(goal, target, first)
            return None if said is None else _fill(rest, goal.to(said))
        case _:
            return None
    found: list[tuple[str, GoalState]] = []
    for item, part in pairs:
        holes = _fill(item, goal.to(part))
        if holes is None:
            return None
        found += holes
    return found


def give_witness(goal: GoalState, argument: str) -> list[GoalState] | None:
    """`exists`."""
    rest = filled(goal, target_of(goal), read_term(argument))
    return None if rest is None or "," in argument else [goal.to(rest)]


def use(goal: GoalState, argument: str) -> list[GoalState] | None:
    """`use`, which leaves a tag."""
    after = give_witness(goal, argument)
    return None if after is None else [one.tagged("h") for one in after]
