"""The goal at a place of a proof, where the text alone tells it.

That is so at the first step of a statement, and behind steps whose effect is known: those that
`take_step` reads, and here the steps that split a goal or a hypothesis, in their bullets and
in the arms of ``cases``. Wherever that is not
sure, there is no goal: one that is guessed would be answered as if it were Lean's.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import attrs

from llmstep.lean_text.blocks import Block, BlockPlace
from llmstep.lean_text.declarations import Declaration
from llmstep.lean_text.heads import flatten, split_groups
from llmstep.lean_text.late_pattern import late_pattern
from llmstep.lean_text.lexer import WORD_PATTERN
from llmstep.lean_text.proofs import TextGoal, denied, take_step
from llmstep.sources.proposition import Proposition, read_proposition

_MOST_STEPS = 40
_LONGEST_PATTERN = 200
_BULLET = late_pattern(r"[·.](?:\s|$)")
_SPLIT = late_pattern(r"constructor|refine ⟨\?_, \?_⟩|apply And\.intro|apply Iff\.intro")
_HAVE_BY = late_pattern(rf"have(?: {WORD_PATTERN})? : (.+?) := by")
_OBTAIN = late_pattern(rf"obtain (.+) := ({WORD_PATTERN})|rcases ({WORD_PATTERN}) with (.+)")
_BY_CASES = late_pattern(rf"by_cases ({WORD_PATTERN}) : ([^¬].*)")
_ARMS = late_pattern(r"(?:cases|induction) .*? with \|")
_ARM = late_pattern(rf"cases ({WORD_PATTERN}) with \|.*?(inl|inr|intro)((?: {WORD_PATTERN})+) =>")
_NAME = late_pattern(rf"{WORD_PATTERN}|_")
_BOUND = late_pattern(rf"({WORD_PATTERN}|_)(?: : (.+))?")
_LOOSE = ("∨", "↔")


def tell_goal(declaration: Declaration, text: str, place: BlockPlace) -> TextGoal | None:
    """The main goal at a place of a declaration's text, or ``None`` if that does not tell it."""
    blocks = place.blocks
    if not place.begins_step or not blocks or not _is_whole_proof(text, blocks[0]):
        return None
    if not declaration.target or sum(len(block.steps) for block in blocks) > _MOST_STEPS:
        return None
    groups = split_groups(declaration.statement.binders)
    if any(not group.type for group in groups):
        return None  # a variable without a type
    given = tuple(f"{' '.join(group.names) or 'inst✝'} : {group.type}" for group in groups)
    goals: list[TextGoal] | None = [TextGoal(given, declaration.target)]
    for number, block in enumerate(blocks):
        for begin, end in block.steps:
            goals = _after(goals, flatten(text[begin:end])) if goals else None
        if not goals:
            return None
        if number + 1 < len(blocks):
            goals = _inside(goals, text, block, blocks[number + 1])
        elif block.step >= 0:
            return None  # what a `try` or a `<;>` is about
    return goals[0] if goals else None


def _is_whole_proof(text: str, block: Block) -> bool:
    """Whether a block is all of the declaration's proof, not a part of a term."""
    before = text[: block.start].rstrip()
    return block.opener == "by" and before.removesuffix("by").rstrip().endswith(":=")


def _inside(goals: list[TextGoal], text: str, block: Block, inner: Block) -> list[TextGoal] | None:
    """The goals at the beginning of a block in a step that is not finished."""
    step = flatten(text[block.step : inner.start])
    if inner.opener == "·" and _BULLET.match(step):
        return goals[:1]
    if inner.opener == "by" and (found := _HAVE_BY.fullmatch(step)) is not None:
        return [TextGoal(goals[0].given, found[1])]
    if inner.opener == "=>" and (found := _ARM.fullmatch(step)) is not None:
        name, arm, bound = found[1], found[2], found[3].split()
        pattern = f"⟨{', '.join(bound)}⟩" if arm == "intro" else f"{found[3]} | {found[3]}"
        ways = _take_apart(goals[0], pattern, name)
        return ways[1:] if arm == "inr" else ways[:1]
    return None


def _after(goals: Sequence[TextGoal], step: str) -> list[TextGoal] | None:
    """The goals that a finished step leaves; ``None`` if that is not known."""
    first, rest = goals[0], list(goals[1:])
    if _BULLET.match(step) or _ARMS.match(step):
        return rest
    if _SPLIT.fullmatch(step):
        parts = _parts(read_proposition(first.target))
        return [*(attrs.evolve(first, target=part) for part in parts), *rest] if parts else None
    if step in ("left", "right"):
        said = read_proposition(first.target)
        if said.relation != "∨" or said.assumptions or said.bound:
            return None
        return [attrs.evolve(first, target=said.left if step == "left" else said.right), *rest]
    if len(step) <= _LONGEST_PATTERN and (found := _OBTAIN.fullmatch(step)) is not None:
        pattern, name = (found[1], found[2]) if found[1] else (found[4], found[3])
        taken = _take_apart(first, pattern, name)
        return [*taken, *rest] if taken else None
    if (found := _BY_CASES.fullmatch(step)) is not None:
        said = (found[2], denied(found[2]))
        ways = [attrs.evolve(first, given=(*first.given, f"{found[1]} : {t}")) for t in said]
        return [*ways, *rest]
    left = take_step(first, step)
    return [left, *rest] if left is not None else None


def _parts(said: Proposition) -> list[str]:
    if said.assumptions or said.bound:
        return []
    if said.relation == "∧":
        return [said.left, said.right]
    if said.relation == "↔":
        return [
            f"{_bracket(a)} → {b}" for a, b in ((said.left, said.right), (said.right, said.left))
        ]
    return []


def _bracket(text: str) -> str:
    return f"({text})" if any(f" {sign} " in text for sign in ("→", *_LOOSE)) else text


def _take_apart(goal: TextGoal, pattern: str, name: str) -> list[TextGoal]:
    """The goals with a hypothesis taken apart, one for each way; none if that is not known."""
    line = next((line for line in reversed(goal.given) if line.startswith(f"{name} : ")), None)
    if line is None:
        return []
    kept = tuple(other for other in goal.given if other is not line)
    ways = _match(pattern, line.partition(" : ")[2])
    return [attrs.evolve(goal, given=(*kept, *facts)) for facts in ways]


def _match(pattern: str, type_: str) -> list[list[str]]:
    """What a pattern of names makes of a proposition: for each way the lines of the goal."""
    pattern = pattern.strip()
    if _NAME.fullmatch(pattern):
        return [] if pattern in ("rfl", "_") else [[f"{pattern} : {type_}"]]
    said = read_proposition(type_)
    if said.assumptions or said.bound:
        return []
    first, *others = _split_pattern(pattern, "|")
    if others:
        left, right = _match(first, said.left), _match(" | ".join(others), said.right)
        return [*left, *right] if said.relation == "∨" and left and right else []
    if pattern.startswith("(") and pattern.endswith(")"):
        return _match(pattern[1:-1], type_)
    if not (pattern.startswith("⟨") and pattern.endswith("⟩")):
        return []
    first, *others = _split_pattern(pattern[1:-1], ",")
    if not others:
        return []
    rest = others[0] if len(others) == 1 else f"⟨{', '.join(others)}⟩"
    if said.relation == "∧":
        ways = itertools.product(_match(first, said.left), _match(rest, said.right))
        return [[*left, *right] for left, right in ways]
    bound = _BOUND.fullmatch(said.left.strip()) if said.relation == "∃" else None
    if bound is None or not _NAME.fullmatch(first):
        return []  # several variables, or one in a set
    body = re.sub(rf"(?<![\w.'✝]){re.escape(bound[1])}(?![\w'✝])", lambda _: first, said.right)
    return [[f"{first} : {bound[2] or '_'}", *facts] for facts in _match(rest, body)]


def _split_pattern(text: str, separator: str) -> list[str]:
    parts, depth = [""], 0
    for character in text:
        depth += (character in "⟨(") - (character in "⟩)")
        if character == separator and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]
