"""The goal that the proof of a theorem begins with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import attrs

from llmstep.lean_text.commands import Command, split_commands
from llmstep.lean_text.declarations import Declaration, enter_leads, read_declaration
from llmstep.lean_text.heads import Group, flatten, read_head, split_groups
from llmstep.lean_text.scope import Scope, base_names
from llmstep_workshop.data.reconstruction.known_types import (
    PROP,
    ConstantType,
    KnownTypes,
    elaborate,
    infer,
    read_signature,
)
from llmstep_workshop.data.reconstruction.states import GoalState, LocalEntry
from llmstep_workshop.data.reconstruction.term_reader import (
    read_term,
)
from llmstep_workshop.data.reconstruction.terms import (
    Apply,
    Atom,
    Infix,
    Raw,
    Term,
    parts,
)

_PROVED = frozenset(("theorem", "lemma", "example"))
# What Lean binds by itself: a letter with digits or primes behind it.
_AUTO_BOUND = re.compile(r"[A-Za-zα-κμ-ωΑ-Ω][₀-₉0-9']*")
_AUTO_OPTION = re.compile(r"\bset_option\s+autoImplicit\s+(true|false)")
_STAR = re.compile(r"\b(Type|Sort)(?:\*| _(?![\w']))")
_UNIVERSE = re.compile(r"\b(?:Type|Sort) \S+|\b(?:Type|Sort) \([^()]*\)")
_TYPE_FORMERS = frozenset(("List", "Option", "Array", "Set", "Finset", "Multiset"))
_CLASSES_OF_SORTS = frozenset(("Inhabited", "Nonempty", "DecidableEq", "Subsingleton", "IsEmpty"))
_PROOF_NAME = re.compile(r"h(?![a-z]{3})")


@attrs.frozen
class TheoremGoal:
    """A theorem with the goal of its proof.

    Attributes:
        declaration: What is stated, and the text of its proof.
        goal: The goal before the first step.
    """

    declaration: Declaration
    goal: GoalState


@attrs.frozen
class _Place:
    """A declaration and what is in force there."""

    text: str
    command: Command
    scope: Scope
    constants: Mapping[str, ConstantType]
    auto_bound: bool
    mathlib: bool


def scan_goals(text: str, *, auto_bound: bool, mathlib: bool) -> Iterator[TheoremGoal]:
    """The theorems, lemmas and examples of a file whose goal the text tells.

    Args:
        text: The file.
        auto_bound: Whether letters that nobody has bound are implicit arguments, as in core Lean;
            `set_option autoImplicit` in the file comes before this.
        mathlib: Whether ``Nat`` is printed ``ℕ``.
    """
    scope = Scope()
    constants: dict[str, ConstantType] = {}
    line = at = 0
    for command in split_commands(text):
        line, at = line + text.count("\n", at, command.at), command.at
        if option := _AUTO_OPTION.search(text, command.start, command.end):
            auto_bound = option[1] == "true"
        declaration = read_declaration(text, command, scope, line)
        if declaration is not None:
            if declaration.keyword in _PROVED and declaration.target and declaration.proof:
                place = _Place(text, command, scope, constants, auto_bound, mathlib)
                goal = _read_goal(place)
                if goal is not None:
                    yield TheoremGoal(declaration, goal)
            if declaration.statement.name:
                constants[declaration.statement.name] = read_signature(declaration)
        scope = scope.after(command)


def _read_goal(place: _Place) -> GoalState | None:
    head = read_head(place.text, place.command)
    if head is None:
        return None
    scope = enter_leads(place.scope, place.text[place.command.start : place.command.at])
    target = flatten(head.conclusion(place.text))
    own = split_groups(flatten(head.binders(place.text)))
    if any(":=" in group.text for group in own):
        return None  # Lean shows a wrapper around what has a default value
    bound = {name for group in own for name in group.names}
    mentioned = base_names(target).union(*(base_names(group.type) for group in own))
    # Only theorems leave out what they do not mention.
    every = place.command.keyword == "example"
    used = scope.variables if every else scope.used_variables(mentioned - bound)
    variables, own = _number_universes(scope.variables, used, own)
    namespaces = tuple(sorted(scope.namespaces(), key=len, reverse=True))
    known = KnownTypes({}, place.constants, namespaces, place.mathlib)
    free = _auto_bound([*variables, *own], target, known) if place.auto_bound else []
    return _build(variables, free, own, target, known)


def _number_universes(
    declared: Sequence[Group], used: Sequence[Group], own: Sequence[Group]
) -> tuple[list[Group], list[Group]]:
    """The groups with a universe of its own for each ``Type*``, counted as Lean counts.

    Lean elaborates all section variables for each declaration, also those it leaves out.
    """
    levels = 0
    kept = {name for group in used for name in group.names}
    numbered: tuple[list[Group], list[Group]] = ([], [])
    last = {name: at for at, group in enumerate(declared) for name in group.names}
    every = used is declared
    for at, group in enumerate((*declared, *own)):
        mine = at >= len(declared)
        for name in group.names or ("",):
            type_ = group.type
            while _STAR.search(type_):
                levels += 1
                type_ = _STAR.sub(rf"\1 u_{levels}", type_, count=1)
            if name:
                shown = name in kept and last.get(name) == at
            else:
                shown = any(group is one for one in used)
            if mine or every or shown:
                names = (name,) if name else ()
                numbered[mine].append(attrs.evolve(group, names=names, type=type_))
    return numbered


def _auto_bound(groups: Sequence[Group], target: str, known: KnownTypes) -> list[str]:
    """The letters that Lean binds by itself, in the order it meets them."""
    bound: set[str] = set()
    free: list[str] = []
    for text in (*(group.type for group in groups), target):
        for part in parts(read_term(_UNIVERSE.sub("Type", text))):
            if not isinstance(part, Atom) or not _AUTO_BOUND.fullmatch(part.text.split(".")[0]):
                continue
            name = part.text.split(".")[0]
            if name not in bound and name not in free and known.constant(name) is None:
                free.append(name)
    names = {name for group in groups for name in group.names}
    inner = {
        name
        for text in (*(group.type for group in groups), target)
        for name in _bound_inside(read_term(text))
    }
    return [name for name in free if name not in names | inner]


def _bound_inside(term: Term) -> Iterator[str]:
    for part in parts(term):
        for group in getattr(part, "groups", ()):
            yield from group.names
        if (group := getattr(part, "group", None)) is not None:
            yield from group.names


def _build(
    variables: Sequence[Group],
    free: Sequence[str],
    own: Sequence[Group],
    target: str,
    known: KnownTypes,
) -> GoalState | None:
    terms = {group: read_term(group.type) for group in (*variables, *own)}
    said = read_term(target)
    found: dict[str, Term] = {}
    levels = max(
        (int(level) for group in terms for level in re.findall(r"\bu_(\d+)", group.type)),
        default=0,
    )
    written = known.having({name: terms[g] for g in terms for name in g.names if g.type})
    for name in free:
        sort = _sort_of(name, own, [*terms.values(), said])
        if sort in ("Type", "Sort"):
            levels += 1
            found[name] = Apply(Atom(sort), (Atom(f"u_{levels}"),))
        elif sort:
            found[name] = Atom(sort)
        else:
            places = [*terms.values(), said]
            type_ = next((t for p in places if (t := infer(name, p, written))), None)
            if type_ is None:
                return None
            found[name] = type_
            written = written.having({name: type_})
    hypotheses: list[LocalEntry] = []
    for group in variables:
        known = _declare(group, terms, [said], known, hypotheses)
    for name in free:
        hypotheses.append(LocalEntry(name, elaborate(found[name], known)))
        known = known.having({name: found[name]})
    for group in own:
        known = _declare(group, terms, [said], known, hypotheses)
    if any(isinstance(h.type, Atom) and h.type.text == "_" for h in hypotheses):
        return None
    goal = GoalState((), None, "", attrs.evolve(known, local={}))
    for hypothesis in hypotheses:
        goal = goal.adding(hypothesis)
    return goal.to(elaborate(said, known))


def _declare(
    group: Group,
    terms: Mapping[Group, Term],
    said: list[Term],
    known: KnownTypes,
    hypotheses: list[LocalEntry],
) -> KnownTypes:
    """Add what a group declares to the hypotheses."""
    type_ = elaborate(terms[group], known) if group.type else None
    if not group.names:
        hypotheses.append(LocalEntry(_fresh("inst", hypotheses), type_ or Raw("")))
        return known
    for name in group.names:
        later = (t for g, t in terms.items() if name not in g.names)
        own = type_ or next((t for p in (*later, *said) if (t := infer(name, p, known))), Atom("_"))
        hypotheses.append(LocalEntry(_fresh("x", hypotheses) if name == "_" else name, own))
        known = known.having({name: own})
    return known


def _fresh(name: str, hypotheses: Sequence[LocalEntry]) -> str:
    """A name that cannot be written."""
    return GoalState(tuple(hypotheses), None).fresh(name)


def _sort_of(name: str, own: Sequence[Group], terms: Sequence[Term]) -> str:
    """``Type``, ``Sort`` or ``Prop`` if a name is one; empty if it is something else."""
    this = Atom(name)
    for group in own:
        if read_term(group.type) == this and group.text[0] != "[":
            proof = any(_PROOF_NAME.match(one) for one in group.names)
            return "Prop" if proof else _larger(name, terms)
    for group in own:
        if group.text[0] == "[" and (former := _applied_to(read_term(group.type), this)):
            return "Sort" if former in _CLASSES_OF_SORTS else "Type"
    for term in terms:
        for part in parts(term):
            if _applied_to(part, this) in _TYPE_FORMERS:
                return "Type"
            if infer(name, part, KnownTypes()) == PROP:
                return "Prop"
            if isinstance(part, Infix) and part.operator == "→" and part.left == this:
                return "Prop" if term is terms[-1] else _larger(name, terms)
    return ""


def _larger(name: str, terms: Sequence[Term]) -> str:
    """Of a name that types others: ``Type`` where a former of types or a class asks for it."""
    this = Atom(name)
    for term in terms:
        for part in parts(term):
            if _applied_to(part, this)[:1].isupper():
                return "Type"
    return "Sort"


def _applied_to(term: Term, argument: Term) -> str:
    """The name of what is applied to a term; empty if nothing is."""
    match term:
        case Apply(Atom(name), arguments) if argument in arguments:
            return name
        case _:
            return ""
