"""Whole proofs of random propositional and first-order statements, step by step."""

from __future__ import annotations

import random

from llmstep_workshop.data.families.formulas import (
    FALSE,
    AtomicFormula,
    Compound,
    Formula,
    Quantified,
    Quantifier,
    draw_formula,
)
from llmstep_workshop.data.families.goals import Case
from llmstep_workshop.data.families.prover import Prover, Sequent

_LETTERS = (("p", "q", "r", "s"), ("P", "Q", "R", "S"), ("a", "b", "c", "d"), ("A", "B", "C", "D"))
_NAMES = (("h", "h1", "h2", "h3"), ("h₁", "h₂", "h₃", "h₄"), ("h", "h'", "h''", "k"))
_MOST_TRIES = 200


def propositional(rng: random.Random) -> list[Case]:
    """A proof of a random propositional statement of one to four letters."""
    for _ in range(_MOST_TRIES):
        letters = rng.choice(_LETTERS)[: rng.choice((1, 2, 2, 3, 3, 4))]
        atoms: list[Formula] = [AtomicFormula(letter) for letter in letters]
        names = rng.choice(_NAMES)
        facts = [
            (name, draw_formula(rng, atoms, 2)) for name in names[: rng.choice((0, 1, 1, 2, 2, 3))]
        ]
        target = draw_formula(rng, atoms, rng.choice((1, 2, 2, 3)))
        if rng.random() < 0.04:
            target = FALSE
        declarations = tuple((letter, "Prop") for letter in letters)
        steps = Prover(rng).prove(Sequent(declarations, tuple(facts), target))
        if steps and (len(steps) > 1 or (facts and rng.random() < 0.4)):
            return steps
    return []


def quantified(rng: random.Random) -> list[Case]:
    """A proof of a random first-order statement about one or two predicates."""
    for _ in range(_MOST_TRIES):
        type_ = rng.choice(("α", "α", "X", "β", "Nat", "ℕ"))
        predicates = rng.choice((("P", "Q"), ("p", "q"), ("P", "Q", "R"), ("R", "S")))
        universe = rng.choice(("Type", "Type u", "Type u_1"))
        declarations = () if type_ in ("Nat", "ℕ") else ((type_, universe),)
        declarations += tuple((name, f"{type_} → Prop") for name in predicates)
        elements = tuple((name, type_) for name in ("a", "b")[: rng.choice((0, 1, 1, 2))])
        names = rng.choice(_NAMES)
        # Statements that differ in bound names only would be one line in Lean's layout.
        bound: dict[Quantifier, str] = {
            "∀": rng.choice(("x", "x", "y", "z")),
            "∃": rng.choice(("x", "x", "y", "z")),
        }
        facts = tuple(
            (name, _draw_statement(rng, predicates, type_, elements, bound))
            for name in names[: rng.choice((0, 1, 2, 2, 3))]
        )
        target = _draw_statement(rng, predicates, type_, elements, bound)
        if rng.random() < 0.3:
            other = _draw_statement(rng, predicates, type_, elements, bound)
            target = Compound(rng.choice(("→", "→", "∧", "↔")), other, target)
        steps = Prover(rng, classical=False).prove(
            Sequent(declarations, (*elements, *facts), target)
        )
        if steps and (len(steps) > 1 or (facts and rng.random() < 0.4)):
            return steps
    return []


def _draw_statement(
    rng: random.Random,
    predicates: tuple[str, ...],
    type_: str,
    elements: tuple[tuple[str, str], ...],
    bound: dict[Quantifier, str],
) -> Formula:
    if elements and rng.random() < 0.35:
        names = [name for name, _ in elements]
        atoms: list[Formula] = [AtomicFormula(p, (rng.choice(names),)) for p in predicates]
        return draw_formula(rng, atoms, 1)
    quantifier: Quantifier = rng.choice(("∀", "∃"))
    variable = bound[quantifier]
    inner: list[Formula] = [AtomicFormula(predicate, (variable,)) for predicate in predicates]
    body = draw_formula(rng, inner, rng.choice((1, 1, 2)))
    return Quantified(quantifier, variable, type_, body)
