"""The goal in what somebody wrote for one: a tactic state, or the statement of a theorem."""

from __future__ import annotations

import attrs

from llmstep.errors import InvalidParamsError
from llmstep.lean_text.declarations import Declaration
from llmstep.lean_text.document import LeanDocument
from llmstep.lean_text.heads import split_groups
from llmstep.lean_text.late_pattern import late_pattern

EXAMPLE = "n : ℕ\nh : 0 < n\n⊢ n ≠ 0"
_ASCII_TURNSTILE = late_pattern(r"(?m)^([^\S\n]*)\|-(?=\s|$)|(?<=\s)\|-(?=\s)")
# At most a few modifiers stand before the keyword; an open end would make long text slow.
_STATES = late_pattern(
    r"(?m)^[^\S\n]*(?:@\[[^\]\n]*\][^\S\n]*)?(?:\w+[^\S\n]+){0,4}?(?:theorem|lemma|example)\b"
)


@attrs.frozen
class StatedGoal:
    """What is asked about.

    Attributes:
        text: A tactic state, as Lean prints it.
        note: What was made of the text, for the user; empty where it was a state already.
    """

    text: str
    note: str = ""


def read_stated_goal(text: str) -> StatedGoal:
    """Take a tactic state as it is, ``|-`` for ``⊢``; turn a theorem's statement into its goal.

    Raises:
        InvalidParamsError: The text is neither.
    """
    state = _ASCII_TURNSTILE.sub(lambda match: f"{match[1] or ''}⊢", text)
    if "⊢" in state and not _STATES.match(state.lstrip()):
        return StatedGoal(state)
    if _STATES.search(text):
        # A statement alone, without a proof, is what one has before one asks.
        closed = text if ":=" in text else f"{text.rstrip()} := by sorry"
        declared = [d for d in LeanDocument(closed).declarations(last=True) if d.target]
        if declared:
            last = declared[-1]
            name = last.statement.name or "the example"
            return StatedGoal(goal_of(last), f"taken for the goal that `{name}` states")
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    raise InvalidParamsError(
        f"this is no goal: {first[:60]!r} has no ⊢",
        hint="Write a tactic state as Lean's infoview shows it (|- will do for ⊢), for example\n"
        + "\n".join(f"    {line}" for line in EXAMPLE.splitlines())
        + "\n  or the statement of a theorem: theorem t (n : ℕ) (h : 0 < n) : n ≠ 0 := by sorry",
    )


def goal_of(declaration: Declaration) -> str:
    """What a declaration states, as a goal: its binders as hypotheses, and its target.

    The names of one bracket share a line.
    """
    lines = [
        # A nameless instance is shown as Lean prints it.
        f"{' '.join(group.names) or 'inst✝'} : {group.type or '_'}"
        for group in split_groups(declaration.statement.binders)
    ]
    return "\n".join([*lines, f"⊢ {declaration.target}"])
