"""What `intro`, `rcases` and their like make of a proposition by a pattern.

A pattern is read as a term: ``⟨x, hx⟩``, ``h₁ | h₂``, ``rfl``, ``_``, ``-``, ``(p : T)``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs

from llmstep_workshop.data.reconstruction.known_types import (
    bound_type,
    elaborate,
)
from llmstep_workshop.data.reconstruction.states import GoalState, LocalEntry
from llmstep_workshop.data.reconstruction.substitution import (
    replace_name,
)
from llmstep_workshop.data.reconstruction.term_reader import (
    read_term,
)
from llmstep_workshop.data.reconstruction.terms import (
    Atom,
    Binding,
    Bound,
    Infix,
    Prefix,
    Term,
    names_in,
)

NAME = re.compile(r"[^\W\d][\w'!?₀-₉]*|«[^«»]+»")
_SIDE = re.compile(r"(?:Or)?\.(inl|inr)\s+(.+)")
_PAIR = re.compile(r"(?:And|Exists|Iff)?\.intro\s+(.+)")
_OPEN = {"(": ")", "⟨": "⟩", "[": "]", "{": "}"}


@attrs.frozen
class Introduced:
    """A goal after one introduction.

    Attributes:
        type: The type of what was introduced.
        name: The name it would get by itself.
        target: What is left to prove.
        given: The bound name, for a quantifier.
    """

    type: Term
    name: str
    target: Term
    given: str = ""


def introduce(goal: GoalState, target: Term) -> Introduced | None:
    """What `intro` finds in front of a target; ``None`` if the text does not tell."""
    match target:
        case Infix("→", left, right):
            return Introduced(left, "a", right)
        case Prefix("¬", argument):
            return Introduced(argument, "a", Atom("False"))
        case Infix("≠", left, right):
            return Introduced(Infix("=", left, right), "a", Atom("False"))
        case Binding("∀", groups, body):
            return _from_universal(goal, groups, body)
        case _:
            return None


def _from_universal(goal: GoalState, groups: tuple[Bound, ...], body: Term) -> Introduced | None:
    first, *others = groups
    if not first.names:
        rest = Binding("∀", tuple(others), body) if others else body
        return Introduced(first.type, "inst", rest) if first.type else None
    name, *names = first.names
    left = [attrs.evolve(first, names=tuple(names))] if names else []
    rest = Binding("∀", (*left, *others), body) if left or others else body
    type_ = bound_type(name, first, rest, goal.known())
    if type_ is None:
        return None
    if first.relation and first.bound is not None:
        rest = Infix("→", Infix(first.relation, Atom(name), first.bound), rest)
    hidden = "x" if name == "_" else name
    return Introduced(elaborate(type_, goal.known()), hidden, rest, name)


def split_exists(goal: GoalState, term: Term) -> tuple[str, Term, Term] | None:
    """Of ``∃ x, p`` the name, its type, and what is said of it."""
    if not (isinstance(term, Binding) and term.sign == "∃"):
        return None
    first, *others = term.groups
    name, *names = first.names
    left = [attrs.evolve(first, names=tuple(names))] if names else []
    rest = Binding("∃", (*left, *others), term.body) if left or others else term.body
    type_ = bound_type(name, first, rest, goal.known())
    if type_ is None:
        return None
    if first.relation and first.bound is not None:
        rest = Infix("∧", Infix(first.relation, Atom(name), first.bound), rest)
    return name, type_, rest


def split_alternatives(pattern: str) -> list[str]:
    """The parts of a pattern between its outer bars."""
    return list(_split(pattern, "|"))


def split_parts(pattern: str) -> list[str]:
    """The parts of a pattern between its outer commas."""
    return list(_split(pattern, ","))


def split_patterns(text: str) -> list[str]:
    """The patterns of a list with blanks between them."""
    return [part for part in _split(text, " ") if part]


def _split(text: str, mark: str) -> Iterator[str]:
    depth = start = 0
    for at, character in enumerate(text):
        depth += (character in _OPEN) - (character in _OPEN.values())
        if depth == 0 and character == mark:
            yield text[start:at].strip()
            start = at + 1
    yield text[start:].strip()


def take_apart(goal: GoalState, pattern: str, type_: Term, unnamed: str) -> list[GoalState] | None:
    """The goals after a proof of a type was taken apart by a pattern.

    Args:
        goal: The goal, without the proof.
        pattern: The pattern.
        type_: What is proved, or the type of the value.
        unnamed: The name it gets where the pattern gives none.

    Returns:
        The goals, with what their tags become; ``None`` if the text does not tell.
    """
    pattern = pattern.strip()
    alternatives = split_alternatives(pattern)
    if len(alternatives) > 1:
        return _take_either(goal, alternatives, type_)
    if pattern.startswith("(") and pattern.endswith(")"):
        inner, colon, typed = pattern[1:-1].partition(" : ")
        if colon and "⟨" not in typed:
            type_ = elaborate(read_term(typed), goal.known())
        return take_apart(goal, inner, type_, unnamed)
    if pattern.startswith("⟨") and pattern.endswith("⟩"):
        return _take_parts(goal, split_parts(pattern[1:-1]), type_)
    if found := _SIDE.fullmatch(pattern):
        if not (isinstance(type_, Infix) and type_.operator == "∨"):
            return None
        return take_apart(goal, found[2], type_.left if found[1] == "inl" else type_.right, "h")
    if found := _PAIR.fullmatch(pattern):
        return _take_parts(goal, split_patterns(found[1]), type_)
    if pattern == "rfl":
        return substitute(goal, type_)
    if pattern == "-":
        return [goal]
    if pattern == "_":
        return [goal.adding(LocalEntry(goal.fresh(unnamed), type_))]
    if not NAME.fullmatch(pattern):
        return None
    return [goal.adding(LocalEntry(pattern, type_))]


def _take_either(goal: GoalState, alternatives: list[str], type_: Term) -> list[GoalState] | None:
    if not (isinstance(type_, Infix) and type_.operator == "∨"):
        return None
    left = take_apart(goal.tagged("inl"), alternatives[0], type_.left, "h")
    right = take_apart(goal.tagged("inr"), " | ".join(alternatives[1:]), type_.right, "h")
    return None if left is None or right is None else left + right


def _take_parts(goal: GoalState, given: list[str], type_: Term) -> list[GoalState] | None:
    if len(given) == 1:
        return take_apart(goal, given[0], type_, "h")
    first, rest = given[0], given[1] if len(given) == 2 else f"⟨{', '.join(given[1:])}⟩"
    if (found := split_exists(goal, type_)) is not None:
        name, own, body = found
        if first != "_" and not NAME.fullmatch(first):
            return None
        if first == "rfl":
            return None
        shown = goal.fresh("w") if first == "_" else first
        goal = goal.adding(LocalEntry(shown, own))
        body = replace_name(body, name, Atom(shown))
        return take_apart(goal, rest, body, "h")
    match type_:
        case Infix("∧", left, right):
            pairs = ((first, left, "left"), (rest, right, "right"))
        case Infix("↔", left, right):
            forth, back = Infix("→", left, right), Infix("→", right, left)
            pairs = ((first, forth, "mp"), (rest, back, "mpr"))
        case _:
            return None
    goals = [goal]
    for pattern, part, unnamed in pairs:
        following: list[GoalState] = []
        for one in goals:
            found_goals = take_apart(one, pattern, part, unnamed)
            if found_goals is None:
                return None
            following += found_goals
        goals = following
    return goals


def substitute(goal: GoalState, equation: Term) -> list[GoalState] | None:
    """The goal after a variable of an equation was replaced, as `subst` does."""
    if not (isinstance(equation, Infix) and equation.operator == "="):
        return None
    for variable, value in ((equation.right, equation.left), (equation.left, equation.right)):
        if not isinstance(variable, Atom):
            continue
        found = goal.find(variable.text)
        if found is None or found.value is not None or variable.text in names_in(value):
            continue
        name = variable.text
        stay = [h for h in goal.hypotheses if h.name != name and not h.mentions(name)]
        moved = [h.replaced(name, value) for h in goal.hypotheses if h.mentions(name)]
        target = None if goal.target is None else replace_name(goal.target, name, value)
        return [attrs.evolve(goal, hypotheses=(*stay, *moved), target=target)]
    return None
