"""Terms of Lean as trees, and what is asked of any of them: its parts, the names it mentions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import attrs

_WORDS = re.compile(r"[^\s()\[\]{}⟨⟩⦃⦄,:.]+")


@attrs.frozen
class Atom:
    """A name, a numeral or a literal."""

    text: str


@attrs.frozen
class Raw:
    """Text that is not understood."""

    text: str


@attrs.frozen
class Apply:
    """A function and its arguments."""

    function: Term
    arguments: tuple[Term, ...]


@attrs.frozen
class Infix:
    """An operator between two terms."""

    operator: str
    left: Term
    right: Term


@attrs.frozen
class Prefix:
    """An operator in front of a term."""

    operator: str
    argument: Term


@attrs.frozen
class Postfix:
    """What stands directly behind a term: ``⁻¹``, or a field with its dot."""

    argument: Term
    operator: str


@attrs.frozen
class Index:
    """``xs[i]`` or ``f^[n]``."""

    argument: Term
    index: Term
    opening: str = "["


@attrs.frozen
class Around:
    """``|x|`` or ``‖x‖``."""

    mark: str
    argument: Term


@attrs.frozen
class Bound:
    """One group of bound names.

    Attributes:
        names: The names.
        type: Their type, where it is known.
        bracket: ``(``, ``{``, ``[`` or ``⦃``.
        relation: Of ``x ∈ s`` the sign.
        bound: Of ``x ∈ s`` the other side.
    """

    names: tuple[str, ...]
    type: Term | None = None
    bracket: str = "("
    relation: str = ""
    bound: Term | None = None


@attrs.frozen
class Binding:
    """``∀``, ``∃``, ``fun``, ``∑`` and their like."""

    sign: str
    groups: tuple[Bound, ...]
    body: Term


@attrs.frozen
class Bracketed:
    """``⟨a, b⟩``, ``(a, b)``, ``[a, b]`` or ``{a, b}``."""

    bracket: str
    items: tuple[Term, ...]


@attrs.frozen
class SetOf:
    """``{x | p x}`` or ``{x ∈ s | p x}``."""

    group: Bound
    body: Term


@attrs.frozen
class Conditional:
    """``if c then a else b``."""

    condition: Term
    yes: Term
    no: Term


@attrs.frozen
class Typed:
    """``(t : T)``."""

    argument: Term
    type: Term


Term = (
    Atom
    | Raw
    | Apply
    | Infix
    | Prefix
    | Postfix
    | Index
    | Around
    | Binding
    | Bracketed
    | SetOf
    | Conditional
    | Typed
)


def apply(function: Term, *arguments: Term) -> Term:
    """A function applied to some more arguments."""
    if not arguments:
        return function
    if isinstance(function, Apply):
        return Apply(function.function, (*function.arguments, *arguments))
    return Apply(function, arguments)


def rebuild(term: Term, change: Callable[[Term], Term]) -> Term:
    """A term with each of its direct parts changed."""
    match term:
        case Apply(function, arguments):
            return apply(change(function), *map(change, arguments))
        case Infix(operator, left, right):
            return Infix(operator, change(left), change(right))
        case Prefix(operator, argument):
            return Prefix(operator, change(argument))
        case Postfix(argument, operator):
            return Postfix(change(argument), operator)
        case Index(argument, index, opening):
            return Index(change(argument), change(index), opening)
        case Around(mark, argument):
            return Around(mark, change(argument))
        case Binding(sign, groups, body):
            return Binding(sign, tuple(_rebuild_group(g, change) for g in groups), change(body))
        case Bracketed(bracket, items):
            return Bracketed(bracket, tuple(map(change, items)))
        case SetOf(group, body):
            return SetOf(_rebuild_group(group, change), change(body))
        case Conditional(condition, yes, no):
            return Conditional(change(condition), change(yes), change(no))
        case Typed(argument, type_):
            return Typed(change(argument), change(type_))
        case _:
            return term


def _rebuild_group(group: Bound, change: Callable[[Term], Term]) -> Bound:
    return attrs.evolve(
        group,
        type=None if group.type is None else change(group.type),
        bound=None if group.bound is None else change(group.bound),
    )


def parts(term: Term) -> Iterator[Term]:
    """A term and all that it is made of."""
    found: list[Term] = []
    rebuild(term, lambda part: (found.append(part), part)[1])
    yield term
    for part in found:
        yield from parts(part)


def names_in(term: Term) -> frozenset[str]:
    """The names that are free in a term, dotted ones by their first component too."""
    match term:
        case Atom(text):
            return frozenset((text, text.partition(".")[0]))
        case Raw(text):
            return frozenset(_WORDS.findall(text))
        case _:
            pass
    found: set[str] = set()
    rebuild(term, lambda part: (found.update(names_in(part)), part)[1])
    match term:
        case Binding(_, groups, _):
            return frozenset(found.difference(*(group.names for group in groups)))
        case SetOf(group, _):
            return frozenset(found.difference(group.names))
        case _:
            return frozenset(found)
