"""A small prover that writes down each step of its proofs as a Lean tactic.

It looks for intuitionistic proofs of limited depth; where none is found, one case distinction by
excluded middle is tried. Every step it returns has run on its state by the rules below, so a trace
is right by construction.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import attrs

from llmstep_workshop.data.families.formulas import (
    FALSE,
    AtomicFormula,
    Compound,
    Formula,
    Not,
    Quantified,
    scan_atoms,
    show,
    substitute,
)
from llmstep_workshop.data.families.goals import Case
from llmstep_workshop.data.families.sequents import Sequent, as_argument, derive, find_contradiction

_MOST_NODES = 250
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@attrs.define
class Prover:
    """Looks for proofs; one object serves one proof.

    Attributes:
        rng: Draws names and the order of attempts.
        classical: Allow one case distinction by excluded middle.
    """

    rng: random.Random
    classical: bool = True
    _nodes: int = 0

    def prove(self, sequent: Sequent, depth: int = 7) -> list[Case] | None:
        """The steps of a proof, each with its state, or ``None``."""
        self._nodes += 1
        if depth == 0 or self._nodes > _MOST_NODES:
            return None
        terms = derive(sequent)
        closers = [*self._close(sequent, terms)]
        if closers:
            return [(sequent.goal(), closers)]
        for attempt in (self._introduce, self._destruct, self._split, self._choose):
            for tactics, subgoals in attempt(sequent, terms):
                steps = self._prove_all(subgoals, depth - 1)
                if steps is not None:
                    return [(sequent.goal(), tactics), *steps]
                if attempt in (self._introduce, self._destruct, self._split):
                    return None  # these lose nothing: what fails after them fails before
        return None

    def _prove_all(self, subgoals: list[Sequent], depth: int) -> list[Case] | None:
        steps: list[Case] = []
        for subgoal in subgoals:
            found = self.prove(subgoal, depth)
            if found is None:
                return None
            steps += found
        return steps

    def _close(self, sequent: Sequent, terms: dict[Formula, str]) -> Iterator[str]:
        target, facts = sequent.target, {formula: name for name, formula in sequent.facts}
        if target in facts:
            yield f"exact {facts[target]}"
            yield "assumption"
            return
        if target in terms:
            term = terms[target]
            yield f"exact {term}"
            head, *arguments = term.split()
            if arguments and head in sequent.names() and "." not in term:
                yield f"apply {head}"
            return
        contradiction = find_contradiction(terms)
        if contradiction:
            yield from _close_absurd(target, contradiction, set(facts.values()))
            return
        if isinstance(target, Compound):
            left, right = terms.get(target.left), terms.get(target.right)
            if target.connective == "∧" and left and right:
                yield f"exact ⟨{left}, {right}⟩"
                yield f"refine ⟨{left}, {right}⟩"
                yield "constructor"
            if target.connective == "∨" and (left or right):
                side = "inl" if left else "inr"
                yield f"exact Or.{side} {as_argument(left or right or '')}"
                yield "left" if left else "right"
        if isinstance(target, Quantified) and target.quantifier == "∃":
            for element, _ in sequent.elements:
                term = terms.get(substitute(target.body, target.variable, element))
                if term:
                    yield f"exact ⟨{element}, {term}⟩"
                    yield f"refine ⟨{element}, ?_⟩"
                    yield f"exists {element}"

    def _introduce(
        self, sequent: Sequent, terms: dict[Formula, str]
    ) -> Iterator[tuple[list[str], list[Sequent]]]:
        target = sequent.target
        if isinstance(target, Quantified) and target.quantifier == "∀":
            name = target.variable if target.variable not in sequent.names() else ""
            name = name or self._fresh(sequent, "xyzwabc")
            body = substitute(target.body, target.variable, name)
            yield [f"intro {name}"], [sequent.add((name, target.type), target=body)]
            return
        if isinstance(target, Not):
            premise, rest = target.body, FALSE
        elif isinstance(target, Compound) and target.connective == "→":
            premise, rest = target.left, target.right
        else:
            return
        name = self._name_fact(sequent, premise)
        after = sequent.add((name, premise), target=rest)
        tactics = [f"intro {name}", f"intro {name}"]
        known = derive(after)
        if rest in known:
            tactics.append(f"exact fun {name} => {known[rest]}")
        if isinstance(premise, Compound) and premise.connective == "∧":
            left = self._name_fact(sequent, premise.left)
            right = self._name_fact(sequent, premise.right, {left})
            tactics.append(f"rintro ⟨{left}, {right}⟩")
        if isinstance(premise, Compound) and premise.connective == "∨":
            tactics.append(f"rintro ({name} | {name})")
        yield tactics, [after]

    def _destruct(
        self, sequent: Sequent, terms: dict[Formula, str]
    ) -> Iterator[tuple[list[str], list[Sequent]]]:
        late: list[tuple[str, Compound]] = []
        for name, fact in sequent.facts:
            rest = sequent.without(name)
            if isinstance(fact, Compound) and fact.connective in ("∧", "↔"):
                if fact.connective == "∧":
                    parts = (fact.left, fact.right)
                else:
                    parts = (
                        Compound("→", fact.left, fact.right),
                        Compound("→", fact.right, fact.left),
                    )
                first = self._name_fact(sequent, parts[0])
                second = self._name_fact(sequent, parts[1], {first})
                after = rest.add((first, parts[0]), (second, parts[1]))
                pattern = f"⟨{first}, {second}⟩"
                tactics = [f"obtain {pattern} := {name}", f"rcases {name} with {pattern}"]
                yield tactics, [after]
                return
            if isinstance(fact, Quantified) and fact.quantifier == "∃":
                element = fact.variable
                if element in sequent.names():
                    element = self._fresh(sequent, "xyzwabc")
                body = substitute(fact.body, fact.variable, element)
                new = self._name_fact(sequent, body, {element})
                after = rest.add((element, fact.type), (new, body))
                pattern = f"⟨{element}, {new}⟩"
                yield [f"obtain {pattern} := {name}", f"rcases {name} with {pattern}"], [after]
                return
            if isinstance(fact, Compound) and fact.connective == "∨":
                late.append((name, fact))
        for name, fact in late[:1]:
            rest = sequent.without(name)
            sides = [
                attrs.evolve(rest.add((name, side)), case=sequent.tag(tag))
                for side, tag in ((fact.left, "inl"), (fact.right, "inr"))
            ]
            pattern = f"{name} | {name}"
            tactics = [f"rcases {name} with {pattern}", f"obtain {pattern} := {name}"]
            yield [*tactics, f"cases {name}"], sides

    def _split(
        self, sequent: Sequent, terms: dict[Formula, str]
    ) -> Iterator[tuple[list[str], list[Sequent]]]:
        target = sequent.target
        if not isinstance(target, Compound) or target.connective not in ("∧", "↔"):
            return
        if target.connective == "∧":
            parts = ((target.left, "left"), (target.right, "right"))
        else:
            parts = (
                (Compound("→", target.left, target.right), "mp"),
                (Compound("→", target.right, target.left), "mpr"),
            )
        subgoals = [attrs.evolve(sequent, target=p, case=sequent.tag(t)) for p, t in parts]
        yield ["constructor", "refine ⟨?_, ?_⟩"], subgoals

    def _choose(
        self, sequent: Sequent, terms: dict[Formula, str]
    ) -> Iterator[tuple[list[str], list[Sequent]]]:
        yield from self._choose_witness(sequent)
        for name, fact in self.rng.sample(sequent.facts, len(sequent.facts)):
            premise = _premise_for(fact, sequent.target)
            if premise is not None and premise != sequent.target:
                yield (
                    [f"apply {name}", f"refine {name} ?_"],
                    [attrs.evolve(sequent, target=premise)],
                )
        known = {formula for _, formula in sequent.facts}
        for formula, term in terms.items():
            useful = isinstance(formula, Compound) and formula.connective in ("∨", "∧")
            if formula not in known and (useful or isinstance(formula, Quantified)):
                name = self._name_fact(sequent, formula)
                tactics = [f"have {name} := {term}", f"have {name} : {show(formula)} := {term}"]
                yield tactics, [sequent.add((name, formula))]
        if sequent.target != FALSE and any(isinstance(f, Not) for _, f in sequent.facts):
            yield ["exfalso"], [attrs.evolve(sequent, target=FALSE)]
        if self.classical and not sequent.decided:
            yield from self._decide(sequent)

    def _choose_witness(self, sequent: Sequent) -> Iterator[tuple[list[str], list[Sequent]]]:
        target = sequent.target
        if isinstance(target, Compound) and target.connective == "∨":
            sides = [("left", "inl", target.left), ("right", "inr", target.right)]
            for tactic, constructor, side in self.rng.sample(sides, 2):
                tactics = [tactic, f"refine Or.{constructor} ?_", f"apply Or.{constructor}"]
                yield tactics, [attrs.evolve(sequent, target=side)]
        if isinstance(target, Quantified) and target.quantifier == "∃":
            for element, _ in reversed(sequent.elements):
                body = substitute(target.body, target.variable, element)
                yield (
                    [f"refine ⟨{element}, ?_⟩", f"exists {element}"],
                    [attrs.evolve(sequent, target=body)],
                )

    def _decide(self, sequent: Sequent) -> Iterator[tuple[list[str], list[Sequent]]]:
        known = {formula for _, formula in sequent.facts}
        atoms = {atom for _, f in sequent.facts for atom in scan_atoms(f)}
        for atom in sorted(atoms | set(scan_atoms(sequent.target)), key=show):
            if atom in known or Not(atom) in known or atom == FALSE:
                continue
            name = self._name_fact(sequent, atom)
            sides = [
                attrs.evolve(sequent.add((name, side)), case=sequent.tag(tag), decided=True)
                for side, tag in ((atom, "pos"), (Not(atom), "neg"))
            ]
            yield [f"by_cases {name} : {show(atom)}"], sides

    def _name_fact(
        self, sequent: Sequent, formula: Formula, also: set[str] | frozenset[str] = frozenset()
    ) -> str:
        taken = sequent.names() | also
        if isinstance(formula, AtomicFormula) and formula != FALSE:
            named = f"h{(formula.arguments or (formula.name.lower(),))[-1]}"
            if named not in taken and self.rng.random() < 0.7:
                return named
        if isinstance(formula, Not) and isinstance(formula.body, AtomicFormula):
            named = f"hn{formula.body.name.lower()}"
            if named not in taken and self.rng.random() < 0.5:
                return named
        style = self.rng.choice(("h", "h", "h₁", "h1", "H"))
        return next(name for name in _number(style) if name not in taken)

    def _fresh(self, sequent: Sequent, letters: str) -> str:
        taken = sequent.names()
        return next(
            name
            for suffix in ("", "'", "₁", "₂")
            for letter in letters
            if (name := letter + suffix) not in taken
        )


def _close_absurd(target: Formula, proofs: tuple[str, str], facts: set[str]) -> Iterator[str]:
    proof, refutation = proofs
    direct = {proof, refutation} - {""} <= facts
    if not refutation:
        yield f"exact {proof}" if target == FALSE else f"exact {as_argument(proof)}.elim"
    elif target == FALSE:
        yield f"exact {refutation} {as_argument(proof)}"
    else:
        yield f"exact absurd {as_argument(proof)} {as_argument(refutation)}"
        yield f"exact ({refutation} {as_argument(proof)}).elim"
    if direct:
        yield "contradiction"


def _premise_for(fact: Formula, target: Formula) -> Formula | None:
    if isinstance(fact, Compound) and fact.connective == "→" and fact.right == target:
        return fact.left
    return fact.body if isinstance(fact, Not) and target == FALSE else None


def _number(style: str) -> Iterator[str]:
    if style in ("h", "H"):
        yield style
        style += "1"
    stem, subscript = style[0], style.endswith("₁")
    for number in range(1, 100):
        yield stem + (str(number).translate(_SUBSCRIPTS) if subscript else str(number))
