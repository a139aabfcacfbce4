from __future__ import annotations

import random

import pytest

from llmstep_workshop.data.families.formulas import (
    FALSE,
    AtomicFormula,
    Compound,
    Formula,
    Not,
    Quantified,
    draw_formula,
    show,
    substitute,
)

P, Q, R = AtomicFormula("p"), AtomicFormula("q"), AtomicFormula("r")
EVERY = Quantified("∀", "x", "α", AtomicFormula("P", ("x",)))
SOME = Quantified("∃", "x", "α", AtomicFormula("P", ("x",)))


def infer(text: str) -> Formula:
    """Read a propositional formula by Lean's precedences, as an independent check of `show`."""
    tokens = text.replace("(", " ( ").replace(")", " ) ").replace("¬", " ¬ ").split()
    position = 0

    def parse(level: int) -> Formula:
        nonlocal position
        token = tokens[position]
        position += 1
        if token == "(":
            left = parse(0)
            position += 1
        elif token == "¬":
            left = Not(parse(40))
        else:
            left = AtomicFormula(token)
        levels = {"↔": (20, 21), "→": (25, 25), "∨": (30, 30), "∧": (35, 35)}
        while position < len(tokens) and tokens[position] in levels:
            connective = tokens[position]
            own, right = levels[connective]
            if own < level:
                break
            position += 1
            left = Compound(connective, left, parse(right))  # pyright: ignore
        return left

    return parse(0)


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        (Compound("∧", P, Compound("∧", Q, R)), "p ∧ q ∧ r"),
        (Compound("∧", Compound("∧", P, Q), R), "(p ∧ q) ∧ r"),
        (Compound("→", Compound("→", P, Q), R), "(p → q) → r"),
        (Compound("↔", Compound("→", P, Q), Not(R)), "p → q ↔ ¬r"),
        (Compound("↔", Compound("↔", P, Q), R), "(p ↔ q) ↔ r"),
        (Not(Compound("∨", P, Not(Q))), "¬(p ∨ ¬q)"),
        (Compound("∧", EVERY, SOME), "(∀ (x : α), P x) ∧ ∃ x, P x"),
        (Compound("→", Not(EVERY), Compound("∨", SOME, P)), "(¬∀ (x : α), P x) → (∃ x, P x) ∨ p"),
        (Not(FALSE), "¬False"),
    ],
)
def test_layout(formula: Formula, text: str) -> None:
    assert show(formula) == text


def test_what_is_shown_means_what_it_was() -> None:
    rng = random.Random(4)
    for _ in range(500):
        formula = draw_formula(rng, [P, Q, R], 4)
        assert infer(show(formula)) == formula, show(formula)


def test_substitution_leaves_bound_variables_alone() -> None:
    body = Compound("∧", AtomicFormula("Q", ("x", "y")), EVERY)
    assert show(substitute(body, "x", "a")) == "Q a y ∧ ∀ (x : α), P x"
    assert show(substitute(Not(SOME), "y", "a")) == show(Not(SOME))
    assert show(substitute(Quantified("∃", "z", "α", Not(body)), "y", "z'")) == (
        "∃ z, ¬(Q x z' ∧ ∀ (x : α), P x)"
    )
