"""What a step leaves of a goal, for the steps whose effect the text tells.

Tags are those that Lean 4.27 and newer gives: a step that leaves one goal passes the tag on, one
that leaves several appends the name of the constructor, the premise or the case; a single
constructor taken apart by `rcases` adds nothing, `cases` always adds its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import attrs

from llmstep.lean_text.vocabulary import symbols
from llmstep_workshop.data.reconstruction.constructions import (
    apply_proof,
    choose_left,
    choose_right,
    construct,
    give_witness,
    refine,
    use,
)
from llmstep_workshop.data.reconstruction.introductions import intro, intros, target_of
from llmstep_workshop.data.reconstruction.known_types import elaborate, type_of
from llmstep_workshop.data.reconstruction.patterns import (
    NAME,
    substitute,
    take_apart,
)
from llmstep_workshop.data.reconstruction.proof_terms import (
    proved_by,
)
from llmstep_workshop.data.reconstruction.states import GoalState, LocalEntry
from llmstep_workshop.data.reconstruction.substitution import (
    replace_term,
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
    Raw,
    Term,
)

Effect = Callable[[GoalState, str], list[GoalState] | None]

CLOSING = symbols(
    """
    exact rfl omega simpa trivial assumption decide linarith nlinarith positivity ring norm_num1
    aesop tauto contradiction absurd bound grind abel group infer_instance measurability continuity
    fun_prop simp_all polyrith nofun nomatch exacts eq_refl
    """
)
# These close a goal or change it; what becomes of it the text does not tell.
_CHANGING = symbols(
    """
    rw rwa simp_rw simp dsimp unfold norm_num norm_cast push_cast push_neg ring_nf field_simp
    nth_rw erw delta rewrite congr
    """
)
_AT = re.compile(r"\bat\b")
_PROVED_BY = re.compile(r"(.+?) := (.+)")


def follow(step: str, goal: GoalState) -> list[GoalState] | None:
    """The goals that a step leaves of one; ``None`` if the text does not tell."""
    head, _, argument = step.partition(" ")
    argument = argument.strip()
    if "<;>" in step:
        return None
    if head in CLOSING and not _AT.search(argument):
        return []
    if goal.target is None and head not in ("show", "change"):
        return None
    if head in _EFFECTS:
        return _EFFECTS[head](goal, argument)
    if head in _CHANGING and not _AT.search(argument):
        return [goal.to(None)]
    return None


def _show(goal: GoalState, argument: str) -> list[GoalState] | None:
    if re.search(r"\b(?:from|by|at)\b", argument):
        return None
    return [goal.to(elaborate(read_term(argument), goal.known()))]


def _exfalso(goal: GoalState, argument: str) -> list[GoalState] | None:
    return [goal.to(Atom("False"))]


def negation(term: Term) -> Term:
    """What is assumed to prove a proposition by contradiction."""
    match term:
        case Prefix("¬", argument):
            return argument
        case Infix("≠", left, right):
            return Infix("=", left, right)
        case _:
            return Prefix("¬", term)


def _by_contra(goal: GoalState, argument: str) -> list[GoalState] | None:
    if argument and not NAME.fullmatch(argument):
        return None
    hypothesis = LocalEntry(argument or "this", negation(target_of(goal)))
    return [goal.to(Atom("False")).adding(hypothesis)]


def _by_cases(goal: GoalState, argument: str) -> list[GoalState] | None:
    name, colon, said = argument.partition(" : ")
    if not colon:
        name, said = "", argument
    term = elaborate(read_term(said), goal.known())
    cases = (("pos", term), ("neg", Prefix("¬", term)))
    name = name or goal.fresh("h")
    # They are holes with names (`?pos`, `?neg`), which take the place of the whole tag.
    return [attrs.evolve(goal, tag=tag).adding(LocalEntry(name, one)) for tag, one in cases]


def _rcases(goal: GoalState, argument: str) -> list[GoalState] | None:
    major, given, pattern = argument.partition(" with ")
    return _destruct(goal, major, pattern if given else "_", keep=False)


def _obtain(goal: GoalState, argument: str) -> list[GoalState] | None:
    found = _PROVED_BY.fullmatch(argument)
    return _destruct(goal, found[2], found[1], keep=False) if found else None


def _destruct(goal: GoalState, major: str, pattern: str, *, keep: bool) -> list[GoalState] | None:
    term = read_term(major)
    proved = proved_by(term, goal)
    if proved is None:
        return None
    if isinstance(term, Atom) and not keep and NAME.fullmatch(term.text):
        if any(h.mentions(term.text) for h in goal.hypotheses):
            return None
        goal = goal.without(term.text)
    return take_apart(goal, pattern, proved, "h")


def _have(goal: GoalState, argument: str) -> list[GoalState] | None:
    """`have` without a type; those with one are followed with their proofs."""
    found = _PROVED_BY.fullmatch(argument) or re.fullmatch(r"()(?::= )(.+)", argument)
    if found is None:
        return None
    name = found[1].strip()
    if name.startswith("⟨"):
        return _destruct(goal, found[2], name, keep=True)
    if name and not NAME.fullmatch(name):
        return None
    proved = proved_by(read_term(found[2]), goal)
    return None if proved is None else [goal.adding(LocalEntry(name or "this", proved))]


def _specialize(goal: GoalState, argument: str) -> list[GoalState] | None:
    name = argument.partition(" ")[0]
    proved = proved_by(read_term(argument), goal)
    old = goal.find(name)
    if proved is None or old is None or any(h.mentions(name) for h in goal.hypotheses):
        return None
    kept = tuple(attrs.evolve(h, type=proved) if h is old else h for h in goal.hypotheses)
    return [attrs.evolve(goal, hypotheses=kept)]


def _let(goal: GoalState, argument: str) -> list[GoalState] | None:
    found = re.fullmatch(r"([\w'₀-₉]+)(?: : (.+?))? := (.+)", argument)
    if found is None:
        return None
    value = elaborate(read_term(found[3]), goal.known())
    type_ = read_term(found[2]) if found[2] else type_of(value, goal.known())
    if type_ is None or isinstance(value, Raw):
        return None
    return [goal.adding(LocalEntry(found[1], elaborate(type_, goal.known()), value))]


def _clear(goal: GoalState, argument: str) -> list[GoalState] | None:
    return [goal.without(*argument.split())]


def _revert(goal: GoalState, argument: str) -> list[GoalState] | None:
    names = argument.split()
    moved = [h for h in goal.hypotheses if not h.hidden and h.name in names]
    target = target_of(goal)
    at = len(goal.hypotheses)
    # What speaks of a reverted name is reverted with it.
    kept: list[LocalEntry] = []
    reverted: list[LocalEntry] = []
    for h in goal.hypotheses[:at]:
        if h in moved or any(h.mentions(one.name) for one in reverted):
            reverted.append(h)
        else:
            kept.append(h)
    for h in reversed(reverted):
        # Also where nothing speaks of it: `intros` gives it its name again.
        target = Binding("∀", (Bound((h.name,), h.type),), target)
    return [attrs.evolve(goal, hypotheses=tuple(kept), target=target)]


def _subst(goal: GoalState, argument: str) -> list[GoalState] | None:
    goals: list[GoalState] | None = [goal]
    for name in argument.split():
        if not goals:
            return None
        found = goals[0].find(name)
        goals = None if found is None else substitute(goals[0].without(name), found.type)
    return goals


def _generalize(goal: GoalState, argument: str) -> list[GoalState] | None:
    found = re.fullmatch(r"(?:([\w']+) : )?(.+) = ([\w']+)", argument)
    if found is None:
        return None
    term = elaborate(read_term(found[2]), goal.known())
    type_ = type_of(term, goal.known())
    if type_ is None:
        return None
    target = replace_term(target_of(goal), term, Atom(found[3]))
    goal = goal.to(target).adding(LocalEntry(found[3], type_))
    if found[1]:
        goal = goal.adding(LocalEntry(found[1], Infix("=", term, Atom(found[3]))))
    return [goal]


def _symm(goal: GoalState, argument: str) -> list[GoalState] | None:
    match goal.target, argument:
        case Infix("=" | "↔" | "≠" as sign, left, right), "":
            return [goal.to(Infix(sign, right, left))]
        case _:
            return None


def _rw(goal: GoalState, argument: str) -> list[GoalState] | None:
    """Rewriting with hypotheses; what other rules do the text does not tell."""
    found = re.fullmatch(r"\[([^\[\]]+)\](?: at ([\w']+))?", argument)
    place = goal.find(found[2]) if found and found[2] else None
    unknown = None if _AT.search(argument) else [goal.to(None)]
    if found is None or (found[2] and place is None):
        return unknown
    term = place.type if place else target_of(goal)
    for rule in found[1].split(","):
        proved = proved_by(read_term(rule.strip().removeprefix("←").strip()), goal)
        if not (isinstance(proved, Infix) and proved.operator in ("=", "↔")):
            return unknown
        old, new = proved.left, proved.right
        if "←" in rule:
            old, new = new, old
        changed = replace_term(term, old, new)
        if changed == term:
            return unknown
        term = changed
    if place:
        kept = tuple(attrs.evolve(h, type=term) if h is place else h for h in goal.hypotheses)
        return [attrs.evolve(goal, hypotheses=kept)]
    if isinstance(term, Infix) and term.operator in ("=", "↔") and term.left == term.right:
        return []
    return [goal.to(term)]


def _rename_inaccessible(goal: GoalState, argument: str) -> list[GoalState] | None:
    return [rename_hidden(goal, argument.split())]


def rename_hidden(goal: GoalState, names: Sequence[str]) -> GoalState:
    """The goal with names for its last hypotheses that cannot be written."""
    hidden = [h.name for h in goal.hypotheses if h.hidden]
    for old, new in zip(hidden[len(hidden) - len(names) :], names, strict=False):
        if new != "_":
            goal = goal.renamed(old, new)
    return goal


def _same(goal: GoalState, argument: str) -> list[GoalState] | None:
    return [goal]


_EFFECTS: Mapping[str, Effect] = {
    "intro": intro,
    "intros": intros,
    "rintro": intro,
    "constructor": construct,
    "left": choose_left,
    "right": choose_right,
    "apply": apply_proof,
    "refine": refine,
    "exists": give_witness,
    "use": use,
    "show": _show,
    "change": _show,
    "exfalso": _exfalso,
    "by_contra": _by_contra,
    "by_cases": _by_cases,
    "rcases": _rcases,
    "obtain": _obtain,
    "have": _have,
    "specialize": _specialize,
    "let": _let,
    "clear": _clear,
    "revert": _revert,
    "subst": _subst,
    "generalize": _generalize,
    "symm": _symm,
    "rw": _rw,
    "rewrite": _rw,
    "rename_i": _rename_inaccessible,
    "classical": _same,
}
