"""The theorem a proof is wanted for, as a model reads it: ``theorem … := by``.

Where the question stands at the beginning of a proof, the file has the statement in the user's own
words. In the middle of one the goal is a theorem of its own.
"""

from __future__ import annotations

from llmstep.lean_text.commands import split_commands
from llmstep.lean_text.late_pattern import late_pattern
from llmstep.lean_text.lexer import scan_tokens
from llmstep.prompts.goal import Hypothesis, parse_goal

_STATED = frozenset({"theorem", "lemma", "example", "def", "instance"})
_ENDS_IN_BY = late_pattern(r"(?<![\w.])by\s*$")
_UNIVERSE = late_pattern(r"\b(Type|Sort) [a-z]\w*\b")
_DAGGER = late_pattern(r"✝[⁰¹²³⁴-⁹]*")
_INSTANCE = late_pattern(r"inst✝")
_TURNSTILE = late_pattern(r"^(?:⊢|\|-)\s*")


def find_statement(text_before: str) -> tuple[str, str] | None:
    """The file before a theorem and the theorem up to ``by``, if the text ends there."""
    commands = split_commands(text_before)
    if not commands or commands[-1].keyword not in _STATED:
        return None
    start = commands[-1].start
    code = "".join(t.text for t in scan_tokens(text_before[start:]) if t.kind != "comment")
    if not _ENDS_IN_BY.search(code):
        return None
    return text_before[:start], text_before[start:].rstrip()


def state_goal(goal: str) -> str:
    """A goal as a theorem of its own, ``goal``, up to ``by``.

    Names that Lean prints with a dagger get one that can be written; levels of universes are left
    to Lean.
    """
    parsed = parse_goal(goal)
    binders = [_bind(hypothesis) for hypothesis in parsed.hypotheses]
    target = _TURNSTILE.sub("", parsed.target).strip()
    lines = ["theorem goal", *(f"    {binder}" for binder in binders)]
    text = "\n".join(lines) + f" :\n    {target} := by"
    return _UNIVERSE.sub(r"\1 _", _DAGGER.sub("_old", text))


def _bind(hypothesis: Hypothesis) -> str:
    if not hypothesis.names:
        return f"({hypothesis.text})"
    kind = hypothesis.type.strip().removeprefix("=").strip()
    if any(_INSTANCE.match(name) for name in hypothesis.names):
        return f"[{kind}]"
    value = kind.find(" := ")
    if value >= 0:
        kind = kind[:value]
    return f"({' '.join(hypothesis.names)} : {kind})"
