from __future__ import annotations

import itertools
import random

from llmstep_workshop.data.families.linear import Constraint, draw_system


def test_every_conclusion_follows() -> None:
    rng = random.Random(6)
    tried = 0
    for _ in range(400):
        size = rng.choice((1, 2))
        hypotheses, conclusion = draw_system(rng, size)
        for values in itertools.product(range(-12, 13), repeat=size):
            if all(hypothesis.holds(list(values)) for hypothesis in hypotheses):
                tried += 1
                assert conclusion.holds(list(values)), (hypotheses, conclusion, values)
    assert tried > 5000


def test_a_constraint_is_shown_without_subtraction() -> None:
    constraint = Constraint((2, -1, 0), -3, "<")
    assert constraint.show(["a", "b", "c"]) == "2 * a < b + 3"
    assert constraint.show(["a", "b", "c"], flip=True) == "b + 3 > 2 * a"
    assert Constraint((-1, 0, 0), 0, "≤").show(["a", "b", "c"]) == "0 ≤ a"
    assert Constraint((1, 0, 0), -4, "=").show(["a", "b", "c"], flip=True) == "4 = a"
