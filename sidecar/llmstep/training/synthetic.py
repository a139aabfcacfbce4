"""Generate training pairs for the elementary goals that library proofs rarely start with.

A library proves its basic lemmas by terms, so closers such as ``omega`` or ``linarith``, case
analyses on hypotheses, and first-order steps are scarce in pairs taken from one. Each family
below draws names, numbers, types and the order of hypotheses at random and pairs the state with a
tactic that is right for every instance of the family. A state appears with several tactics over the
course of a run, so that a model learns the alternatives.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from llmstep.training.data import Row
from llmstep.training.families import logic, numbers, relations, structures
from llmstep.training.families.goals import Family

# How often a family is drawn against the others.
_FAMILIES: dict[Family, int] = {
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


def generate(count: int, seed: int) -> Iterator[Row]:
    """Yield ``count`` distinct (state, tactic) pairs; the same seed gives the same rows."""
    rng = random.Random(seed)
    families = [family for family, weight in _FAMILIES.items() for _ in range(weight)]
    seen: set[tuple[str, str]] = set()
    while len(seen) < count:
        family = rng.choice(families)
        goal, tactics = family(rng)
        pair = (goal.render(rng), rng.choice(tactics))
        names = [name for name, _ in goal.hypotheses]
        if pair not in seen and len(set(names)) == len(names):
            seen.add(pair)
            yield Row(*pair, file=f"synthetic:{family.__name__}", kind="synthetic")
