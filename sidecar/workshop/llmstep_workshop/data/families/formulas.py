"""Propositional and first-order formulas, printed as Lean prints them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Literal

import attrs

Connective = Literal["∧", "∨", "→", "↔"]
Quantifier = Literal["∀", "∃"]

# Precedences of Init/Prelude.lean and Init/Core.lean: own level, left side, right side.
_LEVELS: dict[Connective, tuple[int, int, int]] = {
    "↔": (20, 21, 21),
    "→": (25, 26, 25),
    "∨": (30, 31, 30),
    "∧": (35, 36, 35),
}
_NOT_BODY = 40


@attrs.frozen
class AtomicFormula:
    """A predicate of variables; without any it is a proposition."""

    name: str
    arguments: tuple[str, ...] = ()


@attrs.frozen
class Not:
    """¬ body."""

    body: Formula


@attrs.frozen
class Compound:
    """left ∘ right."""

    connective: Connective
    left: Formula
    right: Formula


@attrs.frozen
class Quantified:
    """∀ or ∃ over a type."""

    quantifier: Quantifier
    variable: str
    type: str
    body: Formula


Formula = AtomicFormula | Not | Compound | Quantified
FALSE = AtomicFormula("False")


def show(formula: Formula) -> str:
    """A formula in Lean's layout."""
    return _show(formula, 0)[0]


def _show(formula: Formula, level: int) -> tuple[str, bool]:
    """A formula where what stands around it binds so strongly.

    Also returns whether it ends in the body of a quantifier, which would swallow what follows.
    """
    if isinstance(formula, AtomicFormula):
        return " ".join((formula.name, *formula.arguments)), False
    if isinstance(formula, Not):
        body, is_open = _show(formula.body, _NOT_BODY)
        return f"¬{body}", is_open
    if isinstance(formula, Quantified):
        variable = formula.variable
        if formula.quantifier == "∀":
            variable = f"({variable} : {formula.type})"
        return f"{formula.quantifier} {variable}, {show(formula.body)}", True
    own, left, right = _LEVELS[formula.connective]
    first, is_open = _show(formula.left, left)
    first = f"({first})" if is_open else first
    second, is_open = _show(formula.right, right)
    text = f"{first} {formula.connective} {second}"
    return (f"({text})", False) if own < level else (text, is_open)


def substitute(formula: Formula, variable: str, term: str) -> Formula:
    """The formula with a term for a free variable; terms are names, and none is captured."""
    if isinstance(formula, AtomicFormula):
        arguments = tuple(term if name == variable else name for name in formula.arguments)
        return AtomicFormula(formula.name, arguments)
    if isinstance(formula, Not):
        return Not(substitute(formula.body, variable, term))
    if isinstance(formula, Compound):
        left, right = (substitute(f, variable, term) for f in (formula.left, formula.right))
        return Compound(formula.connective, left, right)
    if formula.variable == variable:
        return formula
    return attrs.evolve(formula, body=substitute(formula.body, variable, term))


def scan_atoms(formula: Formula) -> Iterator[AtomicFormula]:
    """The atoms of a formula that stand under no quantifier."""
    if isinstance(formula, AtomicFormula):
        yield formula
    elif isinstance(formula, Not):
        yield from scan_atoms(formula.body)
    elif isinstance(formula, Compound):
        yield from scan_atoms(formula.left)
        yield from scan_atoms(formula.right)


def draw_formula(
    rng: random.Random, atoms: Sequence[Formula], depth: int, strength: float = 0.75
) -> Formula:
    """A random propositional combination of atoms, at most ``depth`` connectives deep."""
    if depth == 0 or rng.random() > strength:
        return rng.choice(atoms)
    if rng.random() < 0.15:
        return Not(draw_formula(rng, atoms, depth - 1, strength))
    connective: Connective = rng.choice(("∧", "∧", "∨", "∨", "→", "→", "→", "↔"))
    left = draw_formula(rng, atoms, depth - 1, strength)
    right = draw_formula(rng, atoms, depth - 1, strength)
    return Compound(connective, left, right)
