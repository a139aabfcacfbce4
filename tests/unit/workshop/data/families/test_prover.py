from __future__ import annotations

import itertools
import random

import pytest

from llmstep_workshop.data.families.formulas import (
    FALSE,
    AtomicFormula,
    Compound,
    Formula,
    Not,
    Quantified,
)
from llmstep_workshop.data.families.prover import Prover
from llmstep_workshop.data.families.sequents import Sequent, as_argument, derive, find_contradiction
from llmstep_workshop.data.families.traces import propositional, quantified

P, Q, R = AtomicFormula("p"), AtomicFormula("q"), AtomicFormula("r")
LETTERS = (("p", "Prop"), ("q", "Prop"), ("r", "Prop"))


def evaluate(formula: Formula, values: dict[Formula, bool]) -> bool:
    """The truth value of a propositional formula."""
    if formula == FALSE:
        return False
    if isinstance(formula, AtomicFormula):
        return values[formula]
    if isinstance(formula, Not):
        return not evaluate(formula.body, values)
    assert isinstance(formula, Compound)
    left, right = evaluate(formula.left, values), evaluate(formula.right, values)
    return {
        "∧": left and right,
        "∨": left or right,
        "→": not left or right,
        "↔": left == right,
    }[formula.connective]


def prove(target: Formula, *facts: Formula, classical: bool = True) -> list[list[str]] | None:
    names = ("h", "h'", "k")
    context = tuple(zip(names, facts, strict=False))
    steps = Prover(random.Random(0), classical).prove(Sequent(LETTERS, context, target))
    return None if steps is None else [tactics for _, tactics in steps]


def test_nothing_false_is_proved() -> None:
    rng = random.Random(8)
    rows = [
        dict(zip((P, Q, R), bits, strict=True))
        for bits in itertools.product((False, True), repeat=3)
    ]
    from llmstep_workshop.data.families.formulas import draw_formula

    proved = 0
    for _ in range(600):
        facts = [draw_formula(rng, [P, Q, R], 2) for _ in range(rng.randrange(3))]
        target = draw_formula(rng, [P, Q, R], 2)
        if prove(target, *facts) is not None:
            proved += 1
            for values in rows:
                if all(evaluate(fact, values) for fact in facts):
                    assert evaluate(target, values), (facts, target)
    assert proved > 100


@pytest.mark.parametrize(
    ("target", "facts", "first"),
    [
        (P, (P,), "exact h"),
        (Q, (Compound("→", P, Q), P), "exact h h'"),
        (Q, (Compound("∧", P, Q),), "exact h.2"),
        (Q, (Compound("↔", P, Q), P), "exact h.mp h'"),
        (Q, (P, Not(P)), "exact absurd h h'"),
        (Q, (FALSE,), "exact h.elim"),
        (FALSE, (Not(P), P), "exact h h'"),
        (Compound("∧", Q, P), (P, Q), "exact ⟨h', h⟩"),
        (Compound("∨", Q, P), (P,), "exact Or.inr h"),
        (Compound("→", P, P), (), "intro hp"),
    ],
)
def test_first_steps(target: Formula, facts: tuple[Formula, ...], first: str) -> None:
    steps = prove(target, *facts)
    assert steps is not None
    # The name of a new hypothesis is drawn.
    assert first in steps[0] or first.split()[0] == steps[0][0].split()[0] == "intro"


def test_excluded_middle_is_used_only_where_it_may_be() -> None:
    middle = Compound("∨", P, Not(P))
    steps = prove(middle)
    assert steps is not None
    assert steps[0][0].endswith(": p")
    assert steps[0][0].startswith("by_cases ")
    assert prove(middle, classical=False) is None


def test_case_tags_are_those_of_lean() -> None:
    fact = Compound("∨", P, Q)
    target = Compound("∧", Compound("∨", Q, P), Compound("∨", R, Compound("∨", P, Q)))
    steps = Prover(random.Random(1)).prove(Sequent(LETTERS, (("h", fact),), target))
    assert steps is not None
    tags = {goal.case for goal, _ in steps}
    assert {"", "inl", "inr"} <= tags
    assert any(tag.startswith("inl.left") for tag in map(str, tags)) or len(steps) == 3


def test_terms_from_quantifiers() -> None:
    every = Quantified(
        "∀", "x", "α", Compound("→", AtomicFormula("P", ("x",)), AtomicFormula("Q", ("x",)))
    )
    sequent = Sequent(
        (("α", "Type"),),
        (("a", "α"), ("h", every), ("ha", AtomicFormula("P", ("a",)))),
        AtomicFormula("Q", ("a",)),
    )
    terms = derive(sequent)
    assert terms[AtomicFormula("Q", ("a",))] == "h a ha"
    assert find_contradiction(terms) is None
    assert as_argument("h a") == "(h a)"


@pytest.mark.parametrize("family", [propositional, quantified])
def test_a_trace_begins_with_its_statement_and_ends_closed(family) -> None:
    rng = random.Random(12)
    longest = 0
    for _ in range(40):
        steps = family(rng)
        assert steps
        longest = max(longest, len(steps))
        assert steps[0][0].case == ""
        closing = ("exact", "assumption", "contradiction", "constructor", "left", "right", "refine")
        assert any(tactic.startswith(closing) for tactic in steps[-1][1])
    assert longest > 4
