"""What `cases` and `induction` make of a goal, constructor by constructor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from llmstep_workshop.data.reconstruction.known_types import elaborate, type_of
from llmstep_workshop.data.reconstruction.patterns import split_exists
from llmstep_workshop.data.reconstruction.proof_terms import proved_by
from llmstep_workshop.data.reconstruction.states import GoalState, LocalEntry
from llmstep_workshop.data.reconstruction.substitution import replace_name, replace_term
from llmstep_workshop.data.reconstruction.term_reader import (
    read_term,
)
from llmstep_workshop.data.reconstruction.terms import (
    Apply,
    Atom,
    Binding,
    Bound,
    Infix,
    Term,
    names_in,
)

_TERM = "x"


@attrs.frozen
class ConstructorGoal:
    """One goal of a case split.

    Attributes:
        constructor: Its name without that of its type.
        goal: The goal, its fields with names that cannot be written.
        fields: Those names, in order.
    """

    constructor: str
    goal: GoalState
    fields: tuple[str, ...]

    def named(self, names: Sequence[str]) -> GoalState:
        """The goal with names for the fields; ``_`` leaves one as it is."""
        goal = self.goal
        for field, name in zip(self.fields, names, strict=False):
            if name != "_":
                goal = _free(goal, name).renamed(field, name)
        return goal


@attrs.frozen
class _Constructor:
    """A constructor of a type: its fields, which of them an induction hypothesis is about."""

    name: str
    fields: tuple[tuple[str, Term], ...]
    value: Term
    recursive: str = ""
    hypothesis: str = ""


def _free(goal: GoalState, name: str) -> GoalState:
    return goal.renamed(name, goal.fresh(name)) if goal.find(name) is not None else goal


def split_cases(
    goal: GoalState, major: str, *, induction: bool, generalizing: Sequence[str] = ()
) -> list[ConstructorGoal] | None:
    """The goals of `cases` or `induction` on a hypothesis, variable or proof.

    Returns:
        A case for each constructor; ``None`` for what is not known, such as other types.
    """
    term = elaborate(read_term(major), goal.known())
    proved = proved_by(term, goal) or type_of(term, goal.known())
    if proved is None or goal.target is None:
        return None
    variable = term.text if isinstance(term, Atom) and goal.find(term.text) else ""
    if (found := _split_proof(goal, variable, proved)) is not None:
        return found
    if not variable:
        # As Lean does, the term is made a variable first.
        variable = goal.fresh(_TERM)
        target = replace_term(goal.target, term, Atom(variable))
        goal = goal.to(target).adding(LocalEntry(variable, proved))
    constructors = list(_constructors(proved))
    if not constructors:
        return None
    return [
        _split_value(goal, variable, constructor, induction, generalizing)
        for constructor in constructors
    ]


def _split_proof(goal: GoalState, variable: str, proved: Term) -> list[ConstructorGoal] | None:
    """The cases of a disjunction, a conjunction and their like."""
    if variable and any(h.mentions(variable) for h in goal.hypotheses):
        return None
    rest = goal.without(variable) if variable else goal
    match proved:
        case Infix("∨", left, right):
            parts = [("inl", [("h", left)]), ("inr", [("h", right)])]
        case Infix("∧", left, right):
            parts = [("intro", [("left", left), ("right", right)])]
        case Infix("↔", left, right):
            forth, back = Infix("→", left, right), Infix("→", right, left)
            parts = [("intro", [("mp", forth), ("mpr", back)])]
        case Binding("∃", _, _):
            found = split_exists(goal, proved)
            if found is None:
                return None
            name, type_, body = found
            witness = rest.fresh("w")
            with_witness = rest.tagged("intro").adding(LocalEntry(witness, type_))
            proof = with_witness.fresh("h")
            body = replace_name(body, name, Atom(witness))
            return [
                ConstructorGoal(
                    "intro", with_witness.adding(LocalEntry(proof, body)), (witness, proof)
                )
            ]
        case Atom("False"):
            return []
        case _:
            return None
    return [_add_fields(rest.tagged(name), name, fields) for name, fields in parts]


def _add_fields(goal: GoalState, name: str, fields: Sequence[tuple[str, Term]]) -> ConstructorGoal:
    names: list[str] = []
    for field, type_ in fields:
        names.append(goal.fresh(field))
        goal = goal.adding(LocalEntry(names[-1], type_))
    return ConstructorGoal(name, goal, tuple(names))


def _constructors(type_: Term) -> Iterator[_Constructor]:
    match type_:
        case Atom("Nat" | "ℕ"):
            yield _Constructor("zero", (), Atom("0"))
            after = Infix("+", Atom("n"), Atom("1"))
            yield _Constructor("succ", (("n", type_),), after, "n", "a")
        case Atom("Bool"):
            yield _Constructor("false", (), Atom("false"))
            yield _Constructor("true", (), Atom("true"))
        case Apply(Atom("List"), (item,)):
            yield _Constructor("nil", (), Atom("[]"))
            value = Infix("::", Atom("head"), Atom("tail"))
            fields = (("head", item), ("tail", type_))
            yield _Constructor("cons", fields, value, "tail", "tail_ih")
        case Apply(Atom("Option"), (item,)):
            yield _Constructor("none", (), Atom("none"))
            yield _Constructor("some", (("val", item),), Apply(Atom("some"), (Atom("val"),)))
        case _:
            return


def _split_value(
    goal: GoalState,
    variable: str,
    constructor: _Constructor,
    induction: bool,
    generalizing: Sequence[str],
) -> ConstructorGoal:
    """The case of one constructor; what depends on the variable is put behind its fields."""
    stay: list[LocalEntry] = []
    moved: list[LocalEntry] = []
    gone = {variable, *generalizing}
    for hypothesis in goal.hypotheses:
        if hypothesis.name == variable:
            continue
        if hypothesis.name in gone or any(hypothesis.mentions(name) for name in gone):
            moved.append(hypothesis)
            gone.add(hypothesis.name)
        else:
            stay.append(hypothesis)
    target = goal.target
    assert target is not None
    case = attrs.evolve(goal, hypotheses=tuple(stay)).to(None).tagged(constructor.name)
    names: list[str] = []
    value = constructor.value
    own: dict[str, str] = {}
    for field, type_ in constructor.fields:
        own[field] = _fresh(field, (*goal.hypotheses, *case.hypotheses))
        names.append(own[field])
        value = replace_name(value, field, Atom(own[field]))
        case = case.adding(LocalEntry(own[field], type_))
    if induction and constructor.recursive:
        said = target
        for hypothesis in reversed(moved):
            if hypothesis.name in names_in(said):
                said = Binding("∀", (Bound((hypothesis.name,), hypothesis.type),), said)
            else:
                said = Infix("→", hypothesis.type, said)
        said = replace_name(said, variable, Atom(own[constructor.recursive]))
        names.append(_fresh(constructor.hypothesis, (*goal.hypotheses, *case.hypotheses)))
        case = case.adding(LocalEntry(names[-1], said))
    for hypothesis in moved:
        case = case.adding(hypothesis.replaced(variable, value))
    return ConstructorGoal(
        constructor.name, case.to(replace_name(target, variable, value)), tuple(names)
    )


def _fresh(name: str, taken: Sequence[LocalEntry]) -> str:
    return GoalState(tuple(taken), None).fresh(name)
