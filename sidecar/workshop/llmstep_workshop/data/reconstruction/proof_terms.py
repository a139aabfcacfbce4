"""What a proof term proves, as far as the hypotheses of a goal tell."""

from __future__ import annotations

from llmstep_workshop.data.reconstruction.known_types import elaborate, instantiate
from llmstep_workshop.data.reconstruction.patterns import split_exists
from llmstep_workshop.data.reconstruction.states import GoalState
from llmstep_workshop.data.reconstruction.substitution import (
    replace_name,
)
from llmstep_workshop.data.reconstruction.terms import (
    Apply,
    Atom,
    Binding,
    Bracketed,
    Infix,
    Postfix,
    Prefix,
    Term,
)

_FIELDS = {
    "∧": {"left": 0, "right": 1, "1": 0, "2": 1},
    "↔": {"mp": 0, "mpr": 1, "1": 0, "2": 1},
}
_FUNCTIONS = {
    "And.left": ".left",
    "And.right": ".right",
    "Iff.mp": ".mp",
    "Iff.mpr": ".mpr",
    "Eq.symm": ".symm",
    "Iff.symm": ".symm",
}


def proved_by(term: Term, goal: GoalState) -> Term | None:
    """The proposition that a term proves; ``None`` if the hypotheses do not tell."""
    match term:
        case Atom(text):
            return _of_name(text, goal)
        case Postfix(argument, operator):
            inner = proved_by(argument, goal)
            return None if inner is None else _field(inner, operator)
        case Bracketed("⟨", (first, second)):
            return _both(first, second, goal)
        case Apply(Atom("And.intro"), (first, second)):
            return _both(first, second, goal)
        case Apply(Atom(name), (argument,)) if name in _FUNCTIONS:
            inner = proved_by(argument, goal)
            return None if inner is None else _field(inner, _FUNCTIONS[name])
        case Apply(function, arguments):
            proved = proved_by(function, goal)
            for argument in arguments:
                proved = None if proved is None else applied(proved, argument, goal)
            return proved
        case _:
            return None


def _of_name(text: str, goal: GoalState) -> Term | None:
    first, *fields = text.split(".")
    found = goal.find(first)
    proved = None if found is None else found.type
    for field in fields:
        proved = None if proved is None else _field(proved, "." + field)
    return proved


def _field(proved: Term, field: str) -> Term | None:
    match proved:
        case Infix("∧", left, right):
            at = _FIELDS["∧"].get(field[1:])
            return None if at is None else (left, right)[at]
        case Infix("↔", left, right):
            if field == ".symm":
                return Infix("↔", right, left)
            at = _FIELDS["↔"].get(field[1:])
            return None if at is None else Infix("→", *((left, right), (right, left))[at])
        case Infix("=" | "≠" as sign, left, right) if field == ".symm":
            return Infix(sign, right, left)
        case _:
            return None


def _both(first: Term, second: Term, goal: GoalState) -> Term | None:
    left, right = proved_by(first, goal), proved_by(second, goal)
    return None if left is None or right is None else Infix("∧", left, right)


def applied(proved: Term, argument: Term, goal: GoalState) -> Term | None:
    """What a proof of an implication, or of a ``∀``, proves of an argument."""
    match proved:
        case Infix("→", _, right):
            return right
        case Prefix("¬", _):
            return Atom("False")
        case Infix("≠", _, _):
            return Atom("False")
        case Binding("∀", _, _):
            found = instantiate(proved, argument)
            return None if found is None else elaborate(found, goal.known())
        case _:
            return None


def premises(proved: Term, target: Term) -> list[tuple[str, Term]] | None:
    """What `apply` leaves to prove of a chain of implications that ends in the target.

    Returns:
        Tag and proposition of each; ``None`` if the proposition does not end in the target.
    """
    found: list[tuple[str, Term]] = []
    while proved != target:
        match proved:
            case Infix("→", left, right):
                found.append(("a", left))
                proved = right
            case Prefix("¬", argument):
                found.append(("a", argument))
                proved = Atom("False")
            case _:
                return None
    return found


def filled(goal: GoalState, target: Term, witness: Term) -> Term | None:
    """What is left of ``∃ x, p`` once a witness is given."""
    found = split_exists(goal, target)
    if found is None:
        return None
    name, _, body = found
    return elaborate(replace_name(body, name, witness), goal.known())


def constructed(name: str, target: Term) -> list[tuple[str, Term]] | None:
    """What `apply` of a well-known constructor or eliminator leaves, with tags."""
    match name, target:
        case ("And.intro", Infix("∧", left, right)):
            return [("left", left), ("right", right)]
        case ("Iff.intro", Infix("↔", left, right)):
            return [("mp", Infix("→", left, right)), ("mpr", Infix("→", right, left))]
        case ("Or.inl" | "Or.intro_left _", Infix("∨", left, _)):
            return [("h", left)]
        case ("Or.inr" | "Or.intro_right _", Infix("∨", _, right)):
            return [("h", right)]
        case _:
            return None


def eliminated(term: Term, goal: GoalState, target: Term) -> list[tuple[str, Term]] | None:
    """What `apply Or.elim h` leaves, with tags."""
    match term:
        case Apply(Atom("Or.elim"), (major, *minor)):
            proved = proved_by(major, goal)
            if isinstance(proved, Infix) and proved.operator == "∨":
                left = ("left", Infix("→", proved.left, target))
                right = ("right", Infix("→", proved.right, target))
                return [left, right][len(minor) :]
            return None
        case Apply(function, arguments):
            proved = proved_by(function, goal)
            for argument in arguments:
                proved = None if proved is None else applied(proved, argument, goal)
            return None if proved is None else premises(proved, target)
        case Atom() | Postfix():
            proved = proved_by(term, goal)
            return None if proved is None else premises(proved, target)
        case _:
            return None
