"""States of a proof in first-order logic, and what follows from them at once."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from llmstep_workshop.data.families.formulas import (
    FALSE,
    Compound,
    Formula,
    Not,
    Quantified,
    show,
    substitute,
)
from llmstep_workshop.data.families.goals import GoalDraft

_ROUNDS = 2
_MOST_TERMS = 60


@attrs.frozen
class Sequent:
    """A state of a proof.

    Attributes:
        declarations: Names of types, predicates and propositions, with their types.
        context: What came after them, in order: elements with the name of their type, and facts.
        target: What is to be proved.
        case: The case tag.
        decided: A case distinction by excluded middle has been made.
    """

    declarations: tuple[tuple[str, str], ...]
    context: tuple[tuple[str, Formula | str], ...]
    target: Formula
    case: str = ""
    decided: bool = False

    @property
    def facts(self) -> list[tuple[str, Formula]]:
        """The hypotheses, in order."""
        return [(name, what) for name, what in self.context if not isinstance(what, str)]

    @property
    def elements(self) -> list[tuple[str, str]]:
        """The elements with their types, in order."""
        return [(name, what) for name, what in self.context if isinstance(what, str)]

    def goal(self) -> GoalDraft:
        """The state as Lean shows it."""
        context = tuple(
            (name, what if isinstance(what, str) else show(what)) for name, what in self.context
        )
        return GoalDraft((*self.declarations, *context), show(self.target), self.case)

    def names(self) -> set[str]:
        """All names in use."""
        return {name for name, _ in (*self.declarations, *self.context)}

    def add(self, *entries: tuple[str, Formula | str], target: Formula | None = None) -> Sequent:
        """The sequent with more context, and perhaps another target."""
        return attrs.evolve(
            self,
            context=(*self.context, *entries),
            target=self.target if target is None else target,
        )

    def without(self, name: str) -> Sequent:
        """The sequent without one entry of the context."""
        context = tuple(entry for entry in self.context if entry[0] != name)
        return attrs.evolve(self, context=context)

    def tag(self, tag: str) -> str:
        """The case tag of a goal that a tactic makes of this one."""
        return f"{self.case}.{tag}" if self.case else tag


def derive(sequent: Sequent) -> dict[Formula, str]:
    """What follows from the facts by a few projections and applications, with proof terms."""
    terms: dict[Formula, str] = {}
    for name, formula in sequent.facts:
        terms.setdefault(formula, name)
    for _ in range(_ROUNDS):
        for formula, term in list(terms.items()):
            for new, proof in _consequences(formula, term, sequent, terms):
                if len(terms) < _MOST_TERMS:
                    terms.setdefault(new, proof)
    return terms


def find_contradiction(terms: dict[Formula, str]) -> tuple[str, str] | None:
    """Proofs of a formula and of its negation; the second is empty for a proof of False."""
    if FALSE in terms:
        return terms[FALSE], ""
    for formula, term in terms.items():
        if isinstance(formula, Not) and formula.body in terms:
            return terms[formula.body], term
    return None


def _consequences(
    formula: Formula, term: str, sequent: Sequent, terms: dict[Formula, str]
) -> Iterator[tuple[Formula, str]]:
    receiver = as_argument(term)
    if isinstance(formula, Compound):
        left, right = formula.left, formula.right
        if formula.connective == "∧":
            yield left, f"{receiver}.1"
            yield right, f"{receiver}.2"
        elif formula.connective == "↔":
            yield Compound("→", left, right), f"{receiver}.mp"
            yield Compound("→", right, left), f"{receiver}.mpr"
        elif formula.connective == "→" and left in terms:
            yield right, f"{term} {as_argument(terms[left])}"
    elif isinstance(formula, Quantified) and formula.quantifier == "∀":
        for element, type_ in sequent.elements:
            if type_ == formula.type:
                yield substitute(formula.body, formula.variable, element), f"{term} {element}"


def as_argument(term: str) -> str:
    """A proof term as an argument of another."""
    return f"({term})" if " " in term else term
