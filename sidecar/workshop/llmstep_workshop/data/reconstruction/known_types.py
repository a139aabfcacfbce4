"""What is known of the types of names, and terms as Lean elaborates them where that tells.

Lean prints ``∀ (x : α)`` where the text says ``∀ x``, ``n.succ`` for ``Nat.succ n``, ``↑n`` for a
natural number among reals, and no type ascriptions. All of this takes the types of the names in
it; what they do not tell stays as it is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from llmstep.lean_text.declarations import Declaration
from llmstep.lean_text.heads import split_groups
from llmstep_workshop.data.reconstruction.operators import (
    RELATIONS,
)
from llmstep_workshop.data.reconstruction.substitution import (
    replace_name,
)
from llmstep_workshop.data.reconstruction.term_reader import (
    read_term,
)
from llmstep_workshop.data.reconstruction.terms import (
    Apply,
    Atom,
    Binding,
    Bound,
    Bracketed,
    Index,
    Infix,
    Postfix,
    Prefix,
    SetOf,
    Term,
    Typed,
    apply,
    names_in,
    parts,
    rebuild,
)

PROP = Atom("Prop")
_ARITHMETIC = frozenset(("+", "-", "*", "/", "%"))
_SETS = frozenset(("∪", "∩", "\\", "++", "⊔", "⊓"))
_CONNECTIVES = frozenset(("∧", "∨", "↔", "≠", "==", "!="))
_NUMBERS = {name: at for at, name in enumerate(("ℕ", "ℤ", "ℚ", "ℝ", "ℂ"))}
_CORE_NUMBERS = {"Nat": "ℕ", "Int": "ℤ", "Rat": "ℚ", "Real": "ℝ", "Complex": "ℂ"}
_COLLECTIONS = frozenset(("Set", "List", "Finset", "Array", "Multiset"))
# Functions of these namespaces are printed as functions (`pp_nodot`), or with a notation.
_NO_FIELDS = frozenset(("Real", "Complex", "NNReal", "ENNReal"))
_NAT_FIELDS = {".succ", ".length", ".pred", ".size", ".card"}
_SAME_TYPE = {".reverse", "⁻¹", "ᶜ", ".tail"}


@attrs.frozen
class ConstantType:
    """The types of a constant's explicit arguments, where written, and of what it gives."""

    arguments: tuple[Term | None, ...]
    result: Term | None


_NAT = Atom("Nat")
_BUILT_IN = {
    "Nat.succ": ConstantType((_NAT,), _NAT),
    "Nat.pred": ConstantType((_NAT,), _NAT),
    "Nat.add": ConstantType((_NAT, _NAT), _NAT),
    "Nat.mul": ConstantType((_NAT, _NAT), _NAT),
}


@attrs.frozen
class KnownTypes:
    """The types of the names that a statement may mention.

    Attributes:
        local: Types of local names.
        constants: Signatures by full name.
        opened: Namespaces whose names may be written short.
        mathlib: Whether ``Nat`` is printed ``ℕ``.
    """

    local: Mapping[str, Term] = attrs.field(factory=dict)
    constants: Mapping[str, ConstantType] = attrs.field(factory=dict)
    opened: tuple[str, ...] = ()
    mathlib: bool = False

    def having(self, names: Mapping[str, Term]) -> KnownTypes:
        """With some more local names."""
        return attrs.evolve(self, local={**self.local, **names})

    def constant(self, name: str) -> tuple[str, ConstantType] | None:
        """The full name and the signature of a constant as it is written."""
        for full in (name, *(f"{namespace}.{name}" for namespace in self.opened)):
            if full in self.constants:
                return full, self.constants[full]
            if full in _BUILT_IN:
                return full, _BUILT_IN[full]
        return None


def read_signature(declaration: Declaration) -> ConstantType:
    """The signature of what a file declares."""
    arguments = [
        read_term(group.type) if group.type else None
        for group in split_groups(declaration.statement.binders)
        if group.text[0] == "("
        for _ in group.names
    ]
    result = read_term(declaration.target) if declaration.target else None
    while isinstance(result, Infix) and result.operator == "→":
        arguments.append(result.left)
        result = result.right
    return ConstantType(tuple(arguments), result)


def domains(type_: Term | None) -> Iterator[Term | None]:
    """The types of the arguments of a function of that type."""
    while type_ is not None:
        if isinstance(type_, Infix) and type_.operator == "→":
            yield type_.left
            type_ = type_.right
        elif isinstance(type_, Binding) and type_.sign == "∀":
            for group in type_.groups:
                if group.bracket == "(":
                    yield from (group.type for _ in group.names)
            type_ = type_.body
        else:
            return


def type_of(term: Term, known: KnownTypes) -> Term | None:
    """The type of a term, as far as it is known."""
    match term:
        case Atom(text):
            if text in known.local:
                return known.local[text]
            found = known.constant(text)
            return found[1].result if found and not found[1].arguments else None
        case Apply(function, arguments):
            return _type_of_application(function, arguments, known)
        case Infix(operator, left, right):
            if operator in RELATIONS or operator in _CONNECTIVES:
                return PROP
            if operator in _ARITHMETIC or operator in _SETS:
                return type_of(left, known) or type_of(right, known)
            return type_of(left, known) if operator == "^" else None
        case Prefix(operator, argument):
            return (
                PROP if operator == "¬" else type_of(argument, known) if operator == "-" else None
            )
        case Postfix(argument, operator):
            if operator in _NAT_FIELDS:
                return Atom("ℕ" if known.mathlib else "Nat")
            return type_of(argument, known) if operator in _SAME_TYPE else None
        case Bracketed("[", items):
            inner = type_of(items[0], known) if items else None
            return None if inner is None else apply(Atom("List"), inner)
        case _:
            return None


def _type_of_application(
    function: Term, arguments: tuple[Term, ...], known: KnownTypes
) -> Term | None:
    if isinstance(function, Atom) and function.text not in known.local:
        found = known.constant(function.text)
        whole = found is not None and len(found[1].arguments) == len(arguments)
        return found[1].result if found and whole else None
    type_ = type_of(function, known)
    for argument in arguments:
        if isinstance(type_, Infix) and type_.operator == "→":
            type_ = type_.right
        elif isinstance(type_, Binding) and type_.sign == "∀":
            type_ = instantiate(type_, argument)
        else:
            return None
    return type_


def instantiate(type_: Binding, argument: Term) -> Term | None:
    """What a ``∀`` says of an argument; ``None`` for binders that are more than a name."""
    first, *others = type_.groups
    if first.bracket != "(" or first.relation or not first.names:
        return None
    name, *names = first.names
    left = [attrs.evolve(first, names=tuple(names))] if names else []
    rest = Binding("∀", (*left, *others), type_.body) if left or others else type_.body
    return replace_name(rest, name, argument)


def elaborate(term: Term, known: KnownTypes) -> Term:
    """The term as Lean prints it, types apart from those of ``∀`` left out."""
    match term:
        case Atom(text):
            if known.mathlib and text in _CORE_NUMBERS and text not in known.local:
                return Atom(_CORE_NUMBERS[text])
            return term
        case Typed(argument, type_):
            return _elaborate_typed(argument, elaborate(type_, known), known)
        case Binding(sign, groups, body):
            return _elaborate_binding(sign, groups, body, known)
        case SetOf(group, body):
            inner = known.having(dict.fromkeys(group.names, group.type) if group.type else {})
            bound = None if group.bound is None else elaborate(group.bound, known)
            kept = attrs.evolve(group, type=None, bound=bound)
            return SetOf(kept, elaborate(body, inner))
        case Apply(function, arguments):
            return _elaborate_application(function, arguments, known)
        case Infix(operator, _, _) if operator in _ARITHMETIC or operator in RELATIONS:
            if operator in ("∈", "∉", "⊆", "⊂"):
                return rebuild(term, lambda part: elaborate(part, known))
            types = [_number(leaf, known) for leaf in _leaves(term)]
            return _lift(term, max(types, default=-1), known)
        case _:
            return rebuild(term, lambda part: elaborate(part, known))


def _elaborate_typed(argument: Term, type_: Term, known: KnownTypes) -> Term:
    wanted = _NUMBERS.get(type_.text, -1) if isinstance(type_, Atom) else -1
    own = type_of(argument, known)
    if wanted >= 0 and (own is None or _number(argument, known) >= 0):
        return _lift(argument, wanted, known)
    numeral = isinstance(argument, Atom) and argument.text[0].isdigit()
    if own is None or own == type_ or numeral or not isinstance(argument, Atom):
        return elaborate(argument, known)
    return Prefix("↑", argument)


def _leaves(term: Term) -> Iterator[Term]:
    """What arithmetic and relations are made of: Lean elaborates it all with one type."""
    match term:
        case Infix(operator, left, right) if operator in _ARITHMETIC or operator in RELATIONS:
            yield from _leaves(left)
            yield from _leaves(right)
        case Infix("^", left, _):
            yield from _leaves(left)
        case Prefix("-", argument):
            yield from _leaves(argument)
        case _:
            yield term


def _number(term: Term, known: KnownTypes) -> int:
    """Which of the number types a term has; -1 for none, or if it is not known."""
    if isinstance(term, Typed):
        return _NUMBERS.get(term.type.text, -1) if isinstance(term.type, Atom) else -1
    type_ = type_of(term, known)
    if not isinstance(type_, Atom):
        return -1
    return _NUMBERS.get(_CORE_NUMBERS.get(type_.text, type_.text), -1)


def _lift(term: Term, wanted: int, known: KnownTypes) -> Term:
    """A term with coercions at the numbers of a smaller type."""
    match term:
        case Infix(operator, left, right) if operator in _ARITHMETIC or operator in RELATIONS:
            return Infix(operator, _lift(left, wanted, known), _lift(right, wanted, known))
        case Infix("^", left, right):
            return Infix("^", _lift(left, wanted, known), elaborate(right, known))
        case Prefix("-", argument):
            return Prefix("-", _lift(argument, wanted, known))
        case _:
            own = _number(term, known)
            shown = elaborate(term, known)
            return Prefix("↑", shown) if 0 <= own < wanted else shown


def _elaborate_application(function: Term, arguments: tuple[Term, ...], known: KnownTypes) -> Term:
    shown = [elaborate(argument, known) for argument in arguments]
    if not isinstance(function, Atom) or function.text in known.local:
        return apply(elaborate(function, known), *shown)
    found = known.constant(function.text)
    full = found[0] if found else function.text
    owner, dot, field = full.rpartition(".")
    # Only of what is known to be a function: a bundled map is written the same.
    if dot and owner not in _NO_FIELDS and found and found[1].arguments:
        numeral = isinstance(arguments[0], Atom) and arguments[0].text[0].isdigit()
        own = None if numeral else type_of(arguments[0], known) or found[1].arguments[0]
        head = own.function if isinstance(own, Apply) else own
        if isinstance(head, Atom) and owner in (head.text, _owner(head.text)):
            return apply(Postfix(shown[0], "." + field), *shown[1:])
    return apply(elaborate(function, known), *shown)


def _owner(type_: str) -> str:
    """The namespace of a number type that has a sign of its own."""
    return next((name for name, sign in _CORE_NUMBERS.items() if sign == type_), type_)


def _elaborate_binding(sign: str, groups: tuple[Bound, ...], body: Term, known: KnownTypes) -> Term:
    shown: list[Bound] = []
    rest: list[Term] = [
        body,
        *(g.type for g in groups if g.type),
        *(g.bound for g in groups if g.bound),
    ]
    for group in groups:
        type_ = None if group.type is None else elaborate(group.type, known)
        bound = None if group.bound is None else elaborate(group.bound, known)
        found: dict[str, Term] = {}
        for name in group.names:
            own = type_ or _type_of_bound(name, group, rest, known)
            if own is not None:
                found[name] = own
                known = known.having({name: own})
        kept = type_ if sign == "∀" or not group.names else None
        if sign == "∀" and type_ is None and not group.relation and found:
            # Names of one group may have different types.
            shown += [Bound((name,), found.get(name), group.bracket) for name in group.names]
        else:
            shown.append(attrs.evolve(group, type=kept, bound=bound))
    return Binding(sign, tuple(shown), elaborate(body, known))


def bound_type(name: str, group: Bound, body: Term, known: KnownTypes) -> Term | None:
    """The type of a bound name: as it is written, or as its uses tell."""
    return group.type or _type_of_bound(name, group, [body], known)


def _type_of_bound(name: str, group: Bound, places: list[Term], known: KnownTypes) -> Term | None:
    if group.relation == "∈" and group.bound is not None:
        return _member_type(type_of(group.bound, known))
    if group.relation and group.bound is not None:
        return type_of(group.bound, known)
    return next((t for place in places if (t := infer(name, place, known)) is not None), None)


def _member_type(collection: Term | None) -> Term | None:
    match collection:
        case Apply(Atom(head), (item,)) if head in _COLLECTIONS:
            return item
        case _:
            return None


def _argument(this: Term, arguments: tuple[Term, ...]) -> int:
    """Which argument is a term, or is arithmetic with it; -1 if none is."""
    for at, argument in enumerate(arguments):
        arithmetic = isinstance(argument, Infix) and argument.operator in _ARITHMETIC
        if argument == this or (arithmetic and this in _leaves(argument)):
            return at
    return -1


def infer(name: str, term: Term, known: KnownTypes) -> Term | None:
    """The type of a name that is used in a term, by its first use that tells it."""
    this = Atom(name)
    for part in parts(term):
        found: Term | None = None
        match part:
            case Apply(function, arguments) if (at := _argument(this, arguments)) >= 0:
                given: list[Term | None] = []
                if isinstance(function, Atom) and function.text not in known.local:
                    constant = known.constant(function.text)
                    given = list(constant[1].arguments) if constant else []
                else:
                    given = list(domains(type_of(function, known)))
                found = given[at] if at < len(given) else None
            case Infix("∈" | "∉", left, right) if left == this:
                found = _member_type(type_of(right, known))
            case Infix(operator, left, right) if this in (left, right):
                if operator in RELATIONS or operator in _ARITHMETIC:
                    found = type_of(right if left == this else left, known)
                elif operator in ("∧", "∨", "↔"):
                    found = PROP
            case Prefix("¬", argument) if argument == this:
                found = PROP
            case Index(argument, index) if index == this:
                found = Atom("ℕ" if known.mathlib else "Nat")
            case _:
                continue
        if found is not None and name not in names_in(found):
            return found
    return None
