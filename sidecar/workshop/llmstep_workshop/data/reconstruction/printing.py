"""Terms as Lean's printer writes them: brackets only where the precedences ask for them."""

from __future__ import annotations

import attrs

from llmstep.lean_text.lexer import BRACKETS
from llmstep_workshop.data.reconstruction.operators import (
    BIG,
    MAX,
    PREFIX,
    binding_power,
)
from llmstep_workshop.data.reconstruction.terms import (
    Apply,
    Around,
    Atom,
    Binding,
    Bound,
    Bracketed,
    Conditional,
    Index,
    Infix,
    Postfix,
    Prefix,
    Raw,
    SetOf,
    Term,
    Typed,
    names_in,
)

# The text, how tightly its outermost operator binds, and how tightly its right end does.
_Shown = tuple[str, int, int]
_LEAD = MAX - 1


def print_term(term: Term) -> str:
    """The term as Lean prints it on one line."""
    return _show(term)[0]


def _enclose(term: Term, least: int, tail: int = 0) -> str:
    """The text, in brackets where it or its right end binds too loosely."""
    text, precedence, end = _show(term)
    return f"({text})" if precedence < least or end < tail else text


def _show(term: Term) -> _Shown:
    match term:
        case Atom(text):
            return text, MAX, MAX
        case Raw(text):
            return text, 0, 0
        case Apply(function, arguments):
            shown = [_enclose(function, MAX, MAX)]
            shown += [_enclose(argument, MAX, MAX) for argument in arguments[:-1]]
            last = arguments[-1]
            shown.append(_enclose(last, MAX))
            return " ".join(shown), MAX - 1, min(_show(last)[2], MAX)
        case Infix(operator, left, right):
            precedence, least_left, least_right = binding_power(operator) or (0, MAX, MAX)
            text = f"{_enclose(left, least_left, least_left)} {operator} "
            end = _show(right)
            closed = end[1] < least_right
            text += f"({end[0]})" if closed else end[0]
            return text, precedence, least_right if closed else min(least_right, end[2])
        case Prefix(operator, argument):
            precedence, least = PREFIX[operator]
            end = _show(argument)
            closed = end[1] < least
            shown_argument = f"({end[0]})" if closed else end[0]
            tail = least if closed else min(least, end[2])
            return f"{operator}{shown_argument}", precedence, tail
        case Postfix(argument, operator):
            # `↑a.pred` would be the coercion of a field.
            least = MAX + 1 if isinstance(argument, Prefix) else MAX
            return f"{_enclose(argument, least, MAX)}{operator}", MAX, MAX
        case Index(argument, index, opening):
            return f"{_enclose(argument, MAX, MAX)}{opening}{print_term(index)}]", MAX, MAX
        case Around(mark, argument):
            return f"{mark}{print_term(argument)}{mark}", MAX, MAX
        case Binding():
            return _show_binding(term)
        case Bracketed(bracket, items):
            return f"{bracket}{', '.join(map(print_term, items))}{BRACKETS[bracket]}", MAX, MAX
        case SetOf(group, body):
            return f"{{{_bound(group)} | {print_term(body)}}}", MAX, MAX
        case Conditional(condition, yes, no):
            shown = f"if {print_term(condition)} then {print_term(yes)} else {print_term(no)}"
            return shown, _LEAD, 0
        case Typed(argument, type_):
            return f"({print_term(argument)} : {print_term(type_)})", MAX, MAX


def _show_binding(term: Binding) -> _Shown:
    if term.sign == "∀":
        return _show_universal(term)
    body = term.body
    groups = list(term.groups)
    while isinstance(body, Binding) and body.sign == term.sign and term.sign in ("∃", "fun"):
        if any(group.relation for group in (*groups, *body.groups)):
            break
        groups += body.groups
        body = body.body
    if term.sign in BIG:
        signs = [f"{term.sign} {name}, " for group in groups for name in _each(group)]
        end = _show(body)
        closed = end[1] < BIG[term.sign]
        text = f"{''.join(signs)}({end[0]})" if closed else f"{''.join(signs)}{end[0]}"
        return text, _LEAD, BIG[term.sign] if closed else min(BIG[term.sign], end[2])
    shown = " ".join(map(_bound, groups))
    if term.sign == "fun":
        return f"fun {shown} => {print_term(body)}", MAX, 0
    return f"{term.sign} {shown}, {print_term(body)}", _LEAD, 0


def _each(group: Bound) -> list[str]:
    """The names of a group one by one, each with its relation."""
    return [_bound(attrs.evolve(group, names=(name,))) for name in group.names]


def _bound(group: Bound) -> str:
    """Names as ``∃`` and ``fun`` print them: without their type."""
    names = " ".join(group.names)
    if group.relation and group.bound is not None:
        return f"{names} {group.relation} {_enclose(group.bound, 51)}"
    return names


def _show_universal(term: Binding) -> _Shown:
    """``∀`` shows types, brings neighbours of one type together, and is an arrow for a premise."""
    first, *others = term.groups
    rest = Binding("∀", tuple(others), term.body) if others else term.body
    if not first.relation and first.bracket == "(" and first.type is not None:
        later = names_in(rest)
        if not later.intersection(first.names):
            premise: Term = rest
            for _ in first.names:
                premise = Infix("→", first.type, premise)
            return _show(premise)
    shown: list[str] = []
    current: Term = term
    while isinstance(current, Binding) and current.sign == "∀":
        group, *others = current.groups
        rest = Binding("∀", tuple(others), current.body) if others else current.body
        if group.relation and shown:
            break
        used = names_in(rest)
        plain = group.bracket == "(" and not group.relation and group.type is not None
        if plain and shown and not used.intersection(group.names):
            break
        names, type_ = list(group.names), group.type
        while (
            not group.relation
            and isinstance(rest, Binding)
            and rest.sign == "∀"
            and type_ is not None
            and rest.groups[0].type == type_
            and rest.groups[0].bracket == group.bracket != "["
        ):
            names += rest.groups[0].names
            following = rest.groups[1:]
            rest = Binding("∀", following, rest.body) if following else rest.body
        shown.append(_universal_group(group, names))
        current = rest
        if group.relation:
            break
    return f"∀ {' '.join(shown)}, {print_term(current)}", _LEAD, 0


def _universal_group(group: Bound, names: list[str]) -> str:
    if group.relation or (group.type is None and group.bracket == "("):
        return _bound(group)
    said = f" : {print_term(group.type)}" if group.type is not None else ""
    named = " ".join(names) or "inst"
    return f"{group.bracket}{named}{said}{BRACKETS[group.bracket]}"
