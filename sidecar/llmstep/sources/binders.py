"""What a statement takes: its bracketed binders, read as text."""

from __future__ import annotations

import functools

import attrs

from llmstep.lean_text.statements import Statement
from llmstep.lean_text.vocabulary import symbols
from llmstep.sources.proposition import (
    CLOSE,
    OPEN,
    RELATIONS,
    Proposition,
    read_proposition,
    tokens_of,
)

_SORTS = symbols("Type Sort Prop")
_PROOF_NAMES = ("h", "H", "ih")


@attrs.frozen
class Argument:
    """One explicit argument of a statement.

    Attributes:
        name: Its name; empty for what stands before an arrow.
        type: Its printed type.
        is_proof: Whether the type is a proposition, as far as its form tells.
        inferred: Whether the conclusion, or a later proof, mentions the name, so that Lean can
            find out the value.
    """

    name: str
    type: str
    is_proof: bool
    inferred: bool


@attrs.frozen
class Signature:
    """A statement as it is applied: its explicit arguments in order, and what it says of them."""

    arguments: tuple[Argument, ...]
    conclusion: Proposition


@functools.lru_cache(maxsize=4096)
def read_signature(statement: Statement) -> Signature:
    """The explicit arguments of a statement and its conclusion."""
    proposition = read_proposition(statement.conclusion)
    explicit = [
        (name, type_)
        for opener, names, type_ in _groups(statement.binders)
        if opener == "("
        for name in names
    ]
    explicit += [(name, "") for name in proposition.bound]
    explicit += [("", assumption) for assumption in proposition.assumptions]
    arguments: list[Argument] = []
    mentioned = set(tokens_of(proposition.conclusion))
    for name, type_ in reversed(explicit):
        is_proof = not name or is_proposition(name, type_)
        arguments.append(Argument(name, type_, is_proof, not is_proof and name in mentioned))
        mentioned.update(tokens_of(type_))
    return Signature(tuple(reversed(arguments)), proposition)


def _groups(binders: str) -> list[tuple[str, tuple[str, ...], str]]:
    """Opening bracket, names and type of each group."""
    found: list[tuple[str, tuple[str, ...], str]] = []
    depth = start = 0
    colon = -1
    for index, character in enumerate(binders):
        if character in OPEN:
            if depth == 0:
                start, colon = index, -1
            depth += 1
        elif character in CLOSE:
            depth -= 1
            if depth == 0:
                inner = binders[start + 1 : index if colon < 0 else colon]
                type_ = binders[colon + 1 : index].strip() if colon >= 0 else ""
                # `(h : p := by simp)` need not be given.
                opener = "{" if ":=" in type_ else binders[start]
                found.append((opener, tuple(inner.split()), type_))
        elif depth == 1 and character == ":" and colon < 0:
            colon = index
    return found


def is_proposition(name: str, type_: str) -> bool:
    """Whether a name of this type stands for a proof, as far as the two tell."""
    proposition = read_proposition(type_)
    if proposition.left in _SORTS or (not type_ and not name):
        return False
    if proposition.relation in RELATIONS or proposition.relation in ("↔", "∧", "∨", "¬", "∃"):
        return proposition.relation not in ("≃", "≅")
    return name.startswith(_PROOF_NAMES) and bool(type_)
