"""A goal as premises are matched with it: its target, its facts, its variables."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from llmstep.prompts.goal import Goal
from llmstep.sources.binders import is_proposition
from llmstep.sources.proposition import (
    Proposition,
    head_of,
    is_variable,
    read_proposition,
    split_term,
    tokens_of,
)

_MIRRORED = {"≥": "≤", ">": "<"}
# Facts beyond these are seldom what a step needs, and each is matched with each premise.
_MOST_FACTS = 40
# How far into a term its parts are compared.
_DEEPEST = 3


@attrs.frozen
class Fact:
    """A hypothesis that is a proposition: its name, its printed type, and that type, read."""

    name: str
    text: str
    says: Proposition


@attrs.frozen
class GoalView:
    """A goal, read.

    Attributes:
        target: What is to be shown.
        text: The same as printed, without the turnstile.
        facts: The hypotheses that are propositions, the nearest to the target first.
        variables: The other names that can be written, with their types.
        words: All words and symbols of the target.
    """

    target: Proposition
    text: str
    facts: tuple[Fact, ...]
    variables: Mapping[str, str]
    words: frozenset[str]


def view_goal(goal: Goal) -> GoalView:
    """Read a goal; inaccessible names and instances are left out."""
    facts: list[Fact] = []
    variables: dict[str, str] = {}
    for hypothesis in goal.hypotheses:
        text = _one_line(hypothesis.type)
        for name in hypothesis.names:
            if "✝" in name or name.startswith("inst"):
                continue
            # `x : α := v` is no fact.
            if ":=" not in text and is_proposition(name, text):
                facts.append(Fact(name, text, read_proposition(text)))
            else:
                variables[name] = text
    target = _one_line(goal.target.removeprefix("⊢").removeprefix("|-"))
    return GoalView(
        read_proposition(target),
        target,
        tuple(reversed(facts[-_MOST_FACTS:])),
        variables,
        frozenset(tokens_of(target)),
    )


def fit(pattern: Proposition, said: Proposition, bound: dict[str, str]) -> float:
    """How well a statement of variables fits something said: 0 if not at all, 1 if in all.

    Args:
        pattern: What a premise says, or assumes.
        said: What is to be fitted.
        bound: What its variables stand for; what is found out is added, where it fits.
    """
    relation = _MIRRORED.get(pattern.relation, pattern.relation)
    if relation != _MIRRORED.get(said.relation, said.relation):
        return 0.0
    sides, others = [pattern.left, pattern.right], [said.left, said.right]
    if (pattern.relation in _MIRRORED) != (said.relation in _MIRRORED):
        others.reverse()
    if relation in ("∃", "∃!", "∀ᵐ", "∀ᶠ", "∃ᶠ"):
        sides, others = sides[1:], others[1:]
    new: dict[str, str] = {}
    total = 0.0
    for side, other in zip(sides, others, strict=True):
        if not side and not other:
            continue
        one = _fit_side(side, other, bound, new)
        if one == 0.0:
            return 0.0
        total += one
    bound |= new
    return total / max(sum(bool(side) for side in sides), 1)


def covered(side: str, words: frozenset[str]) -> float:
    """Share of a side's constants that the words hold; 0 if its outermost one is not among them."""
    head = head_of(side)
    if not side or is_variable(head) or head not in words:
        return 0.0
    own = {token for token in tokens_of(side) if not is_variable(token)}
    return len(own & words) / len(own) if own else 0.0


def _fit_side(
    side: str, other: str, bound: dict[str, str], new: dict[str, str], depth: int = 0
) -> float:
    """How well one side fits: by its outermost symbol, and less and less by what is inside."""
    if is_variable(side):
        known = bound.get(side, new.get(side))
        if known is not None:
            return 1.0 if _bare(known) == _bare(other) else 0.0
        new[side] = other
        return 0.5
    if side == other:
        return 1.0
    (head, terms), (said, others) = split_term(side), split_term(other)
    if is_variable(head) and terms and len(terms) == len(others):
        known = bound.get(head, new.setdefault(head, said))
        weight = 0.4 if known == said else 0.0
    else:
        weight = 0.8 if head == said else 0.0
    if weight == 0.0 or depth == _DEEPEST:
        return weight
    if len(terms) != len(others) or not terms:
        return weight + 0.2 * _overlap(side, other)
    inside = [
        _fit_side(term, match, bound, new, depth + 1)
        for term, match in zip(terms, others, strict=True)
    ]
    return weight + 0.2 * sum(inside) / len(inside)


def _bare(term: str) -> str:
    whole = term.startswith("(") and term.endswith(")")
    return read_proposition(term).conclusion if whole else term


def _overlap(side: str, other: str) -> float:
    own = {token for token in tokens_of(side) if not is_variable(token)}
    return len(own.intersection(tokens_of(other))) / len(own) if own else 1.0


def _one_line(text: str) -> str:
    return " ".join(text.split())
