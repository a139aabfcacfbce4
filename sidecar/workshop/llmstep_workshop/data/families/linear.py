# ruff: noqa: E501
"""Systems of linear relations with a conclusion that follows from them.

The conclusion is a sum of multiples of the hypotheses (Farkas' lemma), so it holds by construction.
"""

from __future__ import annotations

import random
from typing import Literal

import attrs

from llmstep_workshop.data.families.goals import Case, GoalDraft, declare, draw_letters, draw_names

Relation = Literal["=", "≤", "<"]
_INTEGERS = ("ℕ", "Nat", "ℤ", "Int", "ℕ", "ℤ")
_FIELDS = ("ℝ", "ℝ", "ℚ")


@attrs.frozen
class Constraint:
    """``coefficients · variables + constant`` related to 0."""

    coefficients: tuple[int, ...]
    constant: int
    relation: Relation

    def show(self, names: list[str], flip: bool = False) -> str:
        """As Lean prints it, each term on the side where its coefficient is positive.

        ``flip`` turns it around, and ``<`` into ``>``.
        """
        left = _sum(self.coefficients, self.constant, names)
        right = _sum([-c for c in self.coefficients], -self.constant, names)
        relation: str = self.relation
        if flip:
            left, right = right, left
            relation = {"=": "=", "≤": "≥", "<": ">"}[relation]
        return f"{left} {relation} {right}"

    def holds(self, values: list[int]) -> bool:
        """Whether it is true of these values."""
        total = sum(c * v for c, v in zip(self.coefficients, values, strict=True)) + self.constant
        return {"=": total == 0, "≤": total <= 0, "<": total < 0}[self.relation]


def _sum(coefficients: list[int] | tuple[int, ...], constant: int, names: list[str]) -> str:
    terms = [
        name if c == 1 else f"{c} * {name}"
        for c, name in zip(coefficients, names, strict=True)
        if c > 0
    ]
    if constant > 0 or not terms:
        terms.append(str(max(constant, 0)))
    return " + ".join(terms)


def draw_system(rng: random.Random, size: int) -> tuple[list[Constraint], Constraint]:
    """Hypotheses on ``size`` variables, and a constraint that follows from them."""
    while True:
        hypotheses = [_draw_constraint(rng, size) for _ in range(rng.choice((1, 2, 2, 3)))]
        factors = [rng.choice((1, 1, 1, 2, 3)) for _ in hypotheses]
        coefficients = tuple(
            sum(f * h.coefficients[i] for f, h in zip(factors, hypotheses, strict=True))
            for i in range(size)
        )
        constant = sum(f * h.constant for f, h in zip(factors, hypotheses, strict=True))
        relation: Relation = "="
        if any(h.relation != "=" for h in hypotheses):
            relation = "<" if any(h.relation == "<" for h in hypotheses) else "≤"
        if relation != "=":
            constant -= rng.choice((0, 0, 0, 1, 2, 5))
        conclusion = Constraint(coefficients, constant, relation)
        # Nothing to prove, or nothing that a person would write.
        small = all(abs(c) <= 9 for c in coefficients) and abs(constant) <= 60
        if any(coefficients) and small and conclusion not in hypotheses:
            return hypotheses, conclusion


def _draw_constraint(rng: random.Random, size: int) -> Constraint:
    while True:
        coefficients = [rng.choice((0, 0, 1, 1, -1, -1, 2, -2, 3)) for _ in range(size)]
        if any(coefficients):
            relation: Relation = rng.choice(("=", "≤", "≤", "<"))
            return Constraint(tuple(coefficients), rng.randint(-9, 9), relation)


def linear_arithmetic(rng: random.Random) -> Case:
    """A conclusion, a refutation or a pair of conclusions from one to three relations."""
    integer = rng.random() < 0.55
    type_ = rng.choice(_INTEGERS if integer else _FIELDS)
    names = draw_letters(rng, rng.choice((1, 2, 2, 3)))
    hypotheses, conclusion = draw_system(rng, len(names))
    labels = draw_names(rng, len(hypotheses) + 1)
    facts = [
        (label, hypothesis.show(names, rng.random() < 0.2))
        for label, hypothesis in zip(labels, hypotheses, strict=False)
    ]
    target = conclusion.show(names, rng.random() < 0.2)
    closers = ["omega"] if integer else ["linarith"]
    form = rng.random()
    base = declare(names, type_)
    if form < 0.12 and conclusion.relation != "=":
        # The negation of the conclusion among the hypotheses.
        facts.append((labels[-1], f"¬{target}"))
        return GoalDraft((*base, *facts), "False"), [
            *closers,
            f"exact {labels[-1]} (by {closers[0]})",
        ]
    if form < 0.24:
        other = facts[0][1]
        tactics = ["constructor", f"constructor <;> {closers[0]}", f"refine ⟨?_, {facts[0][0]}⟩"]
        tactics += ["omega"] if integer else []
        return GoalDraft((*base, *facts), f"{target} ∧ {other}"), tactics
    if not integer and form < 0.34:
        tactics = ["nlinarith", f"linarith [{', '.join(label for label, _ in facts)}]", "linarith"]
        return GoalDraft((*base, *facts), target), tactics
    return GoalDraft((*base, *facts), target), closers


def parity(rng: random.Random) -> Case:
    """Remainders, halves and other facts that `omega` decides by cases."""
    type_ = rng.choice(_INTEGERS)
    a, b, c = draw_letters(rng, 3)
    h, k = draw_names(rng, 2)
    n, r = rng.randint(2, 9), rng.randint(1, 9)
    m = n * r
    one, two = declare([a], type_), declare([a, b], type_)
    options: list[Case] = [
        (GoalDraft((*one, (h, f"{a} % {m} = {r % m}")), f"{a} % {n} = {r % m % n}"), ["omega"]),
        (GoalDraft((*two, (h, f"{a} = {n} * {b} + {r % n}")), f"{a} % {n} = {r % n}"), ["omega"]),
        (GoalDraft((*two, (h, f"{a} = {n} * {b}")), f"{n} ∣ {a}"), ["omega", f"exact ⟨{b}, {h}⟩", f"exact Dvd.intro {b} {h}.symm"]),
        (GoalDraft((*one, (h, f"{m} ∣ {a}")), f"{n} ∣ {a}"), ["omega"]),
        (GoalDraft((*one, (h, f"¬{a} % 2 = 0")), f"{a} % 2 = 1"), ["omega"]),
        (GoalDraft(one, f"{a} % 2 = 0 ∨ {a} % 2 = 1"), ["omega"]),
        (GoalDraft(one, f"{a} % {n} < {n}"), ["omega"]),
        (GoalDraft((*two, (h, f"{a} % 2 = 1"), (k, f"{b} % 2 = 1")), f"({a} + {b}) % 2 = 0"), ["omega"]),
        (GoalDraft((*two, (h, f"{a} < {b}")), f"∃ {c}, {b} = {a} + {c}"), [f"exact ⟨{b} - {a}, by omega⟩", f"refine ⟨{b} - {a}, ?_⟩"]),
        (GoalDraft((*one, (h, f"{n} ≤ {a}"), (k, f"{a} ≤ {n}")), f"{a} = {n}"), ["omega"]),
        (GoalDraft((*one, (h, f"{a} ≤ {n}"), (k, f"{n} < {a} + 1")), f"{a} = {n}"), ["omega"]),
        (GoalDraft((*one, (h, f"{a} * {n} = {m}")), f"{a} = {r}"), ["omega"]),
        (GoalDraft(two, f"{a} < {b} ∨ {a} = {b} ∨ {b} < {a}"), ["omega"]),
        (GoalDraft((*two, (h, f"{a} < {b}"), (k, f"{b} < {a} + 2")), f"{b} = {a} + 1"), ["omega"]),
        (GoalDraft(two, f"max {a} {b} = max {b} {a}"), ["omega"]),
        (GoalDraft(two, f"min {a} {b} ≤ max {a} {b}"), ["omega"]),
    ]  # fmt: skip
    return rng.choice(options)
