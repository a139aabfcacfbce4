"""The goal at a place of a proof, where the text alone tells it.

That is so at the first step of a statement, and behind steps whose effect is known: those that
`followed_proofs` reads, and here the steps that split a goal or a hypothesis. Wherever that is not
sure, there is no goal: one that is guessed would be answered as if it were Lean's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs

from llmstep.lean_text.blocks import Block, BlockPlace
from llmstep.lean_text.declarations import Declaration
from llmstep.lean_text.followed_proofs import TextGoal, take_step
from llmstep.lean_text.heads import flatten, split_groups
from llmstep.lean_text.late_pattern import late_pattern
from llmstep.lean_text.lexer import WORD_PATTERN
from llmstep.sources.proposition import Proposition, read_proposition

_MOST_STEPS = 40
_LONGEST_PATTERN = 200
_BULLET = late_pattern(r"[·.](?:\s|$)")
_SPLIT = late_pattern(r"constructor|refine ⟨\?_, \?_⟩|apply And\.intro|apply Iff\.intro")
_HAVE_BY = late_pattern(rf"have(?: {WORD_PATTERN})? : (.+?) := by")
_OBTAIN = late_pattern(rf"obtain (⟨.*⟩) := ({WORD_PATTERN})|rcases ({WORD_PATTERN}) with (⟨.*⟩)")
_NAME = late_pattern(rf"{WORD_PATTERN}|_")
_BOUND = late_pattern(rf"({WORD_PATTERN}|_)(?: : (.+))?")
_LOOSE = ("∨", "↔")


def tell_goal(declaration: Declaration, text: str, place: BlockPlace) -> TextGoal | None:
    """The main goal at the place, or ``None`` if the text does not tell it.

    Args:
        declaration: What is being proved there.
        text: The declaration up to the place.
        place: The blocks that are open there.
    """
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
    return None


def _after(goals: Sequence[TextGoal], step: str) -> list[TextGoal] | None:
    """The goals that a finished step leaves; ``None`` if that is not known."""
    first, rest = goals[0], list(goals[1:])
    if _BULLET.match(step):
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
        return [taken, *rest] if taken is not None else None
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


def _take_apart(goal: TextGoal, pattern: str, name: str) -> TextGoal | None:
    """The goal with a hypothesis taken apart."""
    line = next((line for line in reversed(goal.given) if line.startswith(f"{name} : ")), None)
    if line is None:
        return None
    facts = _match(pattern, line.partition(" : ")[2])
    if not facts:
        return None
    kept = tuple(other for other in goal.given if other is not line)
    return attrs.evolve(goal, given=(*kept, *facts))


def _match(pattern: str, type_: str) -> list[str] | None:
    """What a pattern of names makes of a conjunction or an existence; lines of the goal."""
    pattern = pattern.strip()
    if _NAME.fullmatch(pattern):
        return None if pattern in ("rfl", "_") else [f"{pattern} : {type_}"]
    if not (pattern.startswith("⟨") and pattern.endswith("⟩")):
        return None
    parts = _split_pattern(pattern[1:-1])
    if len(parts) < 2:
        return None
    rest = parts[1] if len(parts) == 2 else f"⟨{', '.join(parts[1:])}⟩"
    said = read_proposition(type_)
    if said.assumptions or said.bound:
        return None
    if said.relation == "∧":
        left, right = _match(parts[0], said.left), _match(rest, said.right)
        return [*left, *right] if left and right else None
    if said.relation == "∃":
        bound = _BOUND.fullmatch(said.left.strip())
        if bound is None or not _NAME.fullmatch(parts[0].strip()):
            return None  # several variables, or one in a set
        name = parts[0].strip()
        body = re.sub(rf"(?<![\w.'✝]){re.escape(bound[1])}(?![\w'✝])", lambda _: name, said.right)
        right = _match(rest, body)
        return [f"{name} : {bound[2] or '_'}", *right] if right else None
    return None


def _split_pattern(text: str) -> list[str]:
    parts, depth = [""], 0
    for character in text:
        depth += (character == "⟨") - (character == "⟩")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]
