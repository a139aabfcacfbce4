"""The steps of a proof, found by its lines."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstep.lean_text.late_pattern import late_pattern
from llmstep.lean_text.lexer import BRACKETS

# Longer lines are seldom of use elsewhere.
LONGEST_STEP = 120
_LEADS = late_pattern(r"\A(?:[·.]\s+|(?:case|next|\|)[^=\n]*=>\s*|<;>\s*|\(|\{\s*)+")
# The line after one of these is the rest of a term.
_CONTINUED = (":=", ",", "<|", "|>", "↦", "(", "⟨", "=", "≤", "<", "calc")
_CLOSING = {closer: opener for opener, closer in BRACKETS.items()}
_BRACKET = late_pattern(
    r'"(?:[^"\\]|\\.)*"|[' + "".join(map(re.escape, (*BRACKETS, *_CLOSING))) + "]"
)


def split_steps(proof: str) -> Iterator[str]:
    """The tactics of a proof in order; a proof by a short term is the step ``exact`` of it.

    Args:
        proof: What stands behind ``:=``, without comments.
    """
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
