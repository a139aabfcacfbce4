"""The steps of a proof, found by its lines, and their goals as far as the text tells them.

The first step is taken on what is stated. Behind a step whose effect can be read off (`intro x`,
`have h : t := ...`, `exfalso`) the next goal is known as well; the others are not.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

import attrs

from llmstep.lean_text.heads import Group
from llmstep.lean_text.late_pattern import late_pattern
from llmstep.lean_text.lexer import BRACKETS, WORD_PATTERN

# Longer lines are seldom of use elsewhere.
LONGEST_STEP = 120
_LEADS = late_pattern(r"\A(?:[·.]\s+|(?:case|next|\|)[^=\n]*=>\s*|<;>\s*|\(|\{\s*)+")
# The line after one of these is the rest of a term.
_CONTINUED = (":=", ",", "<|", "|>", "↦", "(", "⟨", "=", "≤", "<", "calc")
_CLOSING = {closer: opener for opener, closer in BRACKETS.items()}
_BRACKET = late_pattern(
    r'"(?:[^"\\]|\\.)*"|[' + "".join(map(re.escape, (*BRACKETS, *_CLOSING))) + "]"
)

_MOST_STEPS = 12
_INTRO = late_pattern(rf"intros?((?: {WORD_PATTERN}| _)+)")
_HAVE = late_pattern(rf"have(?: ({WORD_PATTERN}))? : (.+?) :=(.*)")
_BY_CONTRA = late_pattern(rf"by_contra!?(?: ({WORD_PATTERN}))?")
_SHOW = late_pattern(r"(?:show|change) ([^_?]+)")
# A value that goes on behind the line.
_OPEN_ENDED = late_pattern(r"(?:^|\W)(?:by|calc|fun.*(?:=>|↦)|<\||from|do)\s*$")
_NAMES = rf"(?:{WORD_PATTERN} )*{WORD_PATTERN}"
_BOUND_GROUP = late_pattern(rf"([(\[{{⦃])({_NAMES}) : ([^()\[\]{{}}⦃⦄]*)[)\]}}⦄]")
_BOUND = late_pattern(rf"({_NAMES})(?: : ([^,]+)| ([∈<>≤≥⊆≠] [^,]+))?$")
_LOOSE = frozenset("↔∃∀∑∏∫λ,")


def split_steps(proof: str) -> Iterator[str]:
    """The tactics of a proof without comments; one by a short term is the step ``exact`` of it."""
    proof = proof.strip()
    if not proof.startswith("by"):
        if 0 < len(proof) <= LONGEST_STEP and "\n" not in proof and _is_balanced(proof):
            yield "rfl" if proof == "rfl" else f"exact {proof}"
        return
    continues = False
    for line in proof[2:].split("\n"):
        step = line.strip()
        # Only what follows the lead counts, but nobody's line has a lead of such length.
        if len(step) <= 4 * LONGEST_STEP:
            step = _LEADS.sub("", step, count=1)
        if 0 < len(step) <= LONGEST_STEP and not continues and _is_balanced(step):
            yield step
        continues = step.endswith(_CONTINUED)


def _is_balanced(step: str) -> bool:
    open_brackets: list[str] = []
    for bracket in _BRACKET.findall(step):
        if bracket in BRACKETS:
            open_brackets.append(bracket)
        elif bracket in _CLOSING and (
            not open_brackets or open_brackets.pop() != _CLOSING[bracket]
        ):
            return False
    return not open_brackets


@attrs.frozen
class TextGoal:
    """A goal as Lean would print it, as far as the text tells: a line each, and the target."""

    given: tuple[str, ...]
    target: str

    def __str__(self) -> str:
        """The goal's lines."""
        return "\n".join((*self.given, f"⊢ {self.target}"))


def follow_proof(
    groups: Sequence[Group], target: str, proof: str
) -> Iterator[tuple[TextGoal, str]]:
    """The steps of a proof (without comments) whose goals are known, each behind its goal."""
    lines = (f"{' '.join(group.names) or 'inst✝'} : {group.type}" for group in groups)
    goal: TextGoal | None = TextGoal(tuple(lines), target)
    for number, step in enumerate(split_steps(proof)):
        if goal is None or number >= _MOST_STEPS:
            return
        yield goal, step
        goal = take_step(goal, step)


def take_step(goal: TextGoal, step: str) -> TextGoal | None:
    """The goal that a step leaves; ``None`` if its text does not tell."""
    if found := _INTRO.fullmatch(step):
        left: TextGoal | None = goal
        for name in found[1].split():
            left = _introduce(left, name) if left else None
        return left
    if found := _HAVE.fullmatch(step):
        if not found[3].strip() or _OPEN_ENDED.search(found[3]):
            return None
        return _with(goal, f"{found[1] or 'this'} : {found[2]}", goal.target)
    if found := _BY_CONTRA.fullmatch(step):
        if "!" in step:
            return None
        return _with(goal, f"{found[1] or 'this'} : {denied(goal.target)}", "False")
    if found := _SHOW.fullmatch(step):
        return TextGoal(goal.given, found[1].strip())
    if step == "exfalso":
        return TextGoal(goal.given, "False")
    return goal if step == "classical" else None


def _with(goal: TextGoal, line: str, target: str) -> TextGoal:
    return TextGoal((*goal.given, line), target)


def denied(target: str) -> str:
    """The negation of a proposition, as Lean prints it."""
    if target.startswith("¬"):
        return target[1:].strip()
    return f"¬{target}" if " " not in target else f"¬({target})"


def _introduce(goal: TextGoal, name: str) -> TextGoal | None:
    """The goal with its first assumption or variable taken in under that name."""
    target = goal.target
    if target.startswith("¬"):
        inner = target[1:].strip()
        return (
            _with(goal, f"{name} : {inner}", "False")
            if " " not in inner or (inner[0] == "(" and _end_of(inner) == len(inner))
            else None
        )
    if target.startswith("∀ "):
        return _take_bound(goal, name, target[2:])
    arrow = _find_arrow(target)
    if arrow is None:
        return None
    return _with(goal, f"{name} : {target[:arrow].strip()}", target[arrow + 1 :].strip())


def _take_bound(goal: TextGoal, name: str, text: str) -> TextGoal | None:
    """Take in the first variable of what stands behind ``∀``."""
    group = _BOUND_GROUP.match(text)
    if group:
        names, type_ = group[2].split(), group[3]
        rest = text[group.end() :].strip()
        behind = rest[1:].strip() if rest.startswith(",") else f"∀ {rest}"
        others = f"∀ {group[1]}{' '.join(names[1:])} : {type_}{BRACKETS[group[1]]}"
        others = f"{others}, {behind}" if rest.startswith(",") else f"{others} {rest}"
        body = others if names[1:] else behind
    else:
        comma = _find(text, ",")
        found = _BOUND.fullmatch(text[:comma].strip()) if comma is not None else None
        if found is None or comma is None:
            return None
        names, type_, bound = found[1].split(), found[2] or "_", found[3]
        behind = text[comma + 1 :].strip()
        if bound:
            behind = f"{names[0]} {bound} → {behind}" if not names[1:] else ""
        kind = f" : {found[2]}" if found[2] else ""
        body = f"∀ {' '.join(names[1:])}{kind}, {behind}" if names[1:] else behind
        if not behind:
            return None
    body = re.sub(rf"(?<![\w.'✝]){re.escape(names[0])}(?![\w'✝])", lambda _: name, body)
    return _with(goal, f"{name} : {type_.strip()}", body)


def _find_arrow(text: str) -> int | None:
    """The arrow between the first assumption and the rest, if nothing looser stands before it."""
    for at, character in _outermost(text):
        if character in _LOOSE or text.startswith("fun ", at):
            return None
        if character == "→":
            return at if text[at - 1 : at + 2] == " → " and "↔" not in _outside(text[at:]) else None
    return None


def _outside(text: str) -> str:
    """What of a text stands in no bracket, up to where something binds all that follows."""
    outer = (character for _, character in _outermost(text))
    return "".join(itertools.takewhile(lambda character: character not in "∃∀λ,", outer))


def _find(text: str, wanted: str) -> int | None:
    return next((at for at, character in _outermost(text) if character == wanted), None)


def _outermost(text: str) -> Iterator[tuple[int, str]]:
    """The characters that stand in no bracket, each with its place."""
    for at, character, depth in _depths(text):
        if depth == 0 and character not in BRACKETS and character not in _CLOSING:
            yield at, character


def _end_of(text: str) -> int:
    """Where the bracket closes that a text begins with."""
    ends = (
        at + 1 for at, character, depth in _depths(text) if depth == 0 and character in _CLOSING
    )
    return next(ends, -1)


def _depths(text: str) -> Iterator[tuple[int, str, int]]:
    """Each character with its place, and how many brackets are open behind it."""
    depth = 0
    for at, character in enumerate(text):
        depth += (character in BRACKETS) - (character in _CLOSING)
        yield at, character, depth
