"""Generate training pairs for the elementary goals that library proofs rarely start with.

A library proves its basic lemmas by terms, so closers such as ``omega`` or ``linarith``, case
analyses on hypotheses, and first-order steps are scarce in pairs taken from one. Each family
below draws names, numbers, types and the order of hypotheses at random and pairs the state with a
tactic that is right for every instance of the family. A state appears with several tactics over the
course of a run, so that a model learns the alternatives.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from llmstep_workshop.data.families import (
    finite,
    linear,
    logic,
    membership,
    numbers,
    recursion,
    relations,
    rewriting,
    structures,
    traces,
)
from llmstep_workshop.data.families.goals import Case, Family
from llmstep_workshop.data.normal_forms import read_goal
from llmstep_workshop.data.rows import Row
from llmstep_workshop.data.splitting import hash_share
from llmstep_workshop.errors import RecipeError

TemplateSplit = Literal["all", "train", "valid"]
_Maker = Family | Callable[[random.Random], list[Case]]

# How often a family is drawn against the others. The built-in model was trained on the families of
# this group in this order; another order would draw other rows.
_BASIC: dict[_Maker, int] = {
    logic.conjunction: 3,
    logic.implication: 3,
    logic.tautology: 2,
    logic.first_order: 5,
    relations.equality: 4,
    relations.order: 4,
    relations.density: 2,
    relations.functions: 2,
    numbers.linear_integer: 5,
    numbers.natural_identity: 4,
    numbers.induction: 3,
    numbers.real: 6,
    numbers.divisibility: 2,
    structures.lists: 5,
    structures.sets: 4,
    structures.options_and_products: 3,
    structures.simp_at: 2,
}
# A trace gives several rows at once, so it is drawn less often than it counts.
_EXTENDED: dict[_Maker, int] = {
    traces.propositional: 3,
    traces.quantified: 3,
    linear.linear_arithmetic: 8,
    linear.parity: 3,
    recursion.natural_induction: 3,
    recursion.order_induction: 3,
    recursion.list_induction: 5,
    rewriting.substitution: 4,
    rewriting.simplify_at: 4,
    membership.set_membership: 5,
    membership.finset_membership: 4,
    finite.fin: 3,
    finite.option: 3,
    finite.closed: 4,
}
GROUPS: dict[str, dict[_Maker, int]] = {
    "basic": _BASIC,
    "extended": _EXTENDED,
    "all": _BASIC | _EXTENDED,
}
# One template in ten is for validation only.
_HELD_OUT = 0.1
# Drawing this often without a new row means that there are no more.
_MOST_REPEATS = 50_000


def family_names() -> list[str]:
    """Names of all families."""
    return sorted(family.__name__ for family in GROUPS["all"])


def generate(
    count: int,
    seed: int,
    families: Sequence[str] = ("basic",),
    split: TemplateSplit = "all",
) -> Iterator[Row]:
    """Yield ``count`` distinct (state, tactic) pairs; the same arguments give the same rows.

    Args:
        count: How many.
        seed: Seed of the random numbers.
        families: Names of families or of groups of them (``basic``, ``extended``, ``all``).
        split: ``train`` and ``valid`` share no template: no state of one differs from a state of
            the other only in names, numbers, number types or the order of hypotheses.

    Raises:
        RecipeError: A family is unknown, or there are fewer such rows.
    """
    rng = random.Random(seed)
    makers = [maker for maker, weight in _select(families).items() for _ in range(weight)]
    seen: set[tuple[str, str]] = set()
    repeats = 0
    while len(seen) < count:
        maker = rng.choice(makers)
        drawn = maker(rng)
        for goal, tactics in drawn if isinstance(drawn, list) else [drawn]:
            pair = (goal.render(rng), rng.choice(tactics))
            names = [name for name, _ in goal.hypotheses]
            fresh = pair not in seen and len(set(names)) == len(names) and len(seen) < count
            if fresh and (split == "all" or place_template(pair[0]) == split):
                seen.add(pair)
                repeats = 0
                yield Row(*pair, file=f"synthetic:{maker.__name__}", kind="synthetic")
        repeats += 1
        if repeats > _MOST_REPEATS:
            raise RecipeError(
                f"the families {', '.join(families)} have no more than {len(seen)} rows",
                hint="Ask for fewer rows, or for more families.",
            )


def place_template(state: str) -> Literal["train", "valid"]:
    """The split that a state's template belongs to."""
    return "valid" if hash_share(read_goal(state).skeleton()) < _HELD_OUT else "train"


def _select(families: Sequence[str]) -> dict[_Maker, int]:
    by_name = {maker.__name__: {maker: weight} for maker, weight in GROUPS["all"].items()}
    chosen: dict[_Maker, int] = {}
    for name in families:
        found = GROUPS.get(name) or by_name.get(name)
        if found is None:
            known = ", ".join([*GROUPS, *family_names()])
            raise RecipeError(f"no family {name!r}", hint=f"Take some of: {known}.")
        chosen |= found
    return chosen
