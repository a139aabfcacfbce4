"""What a hypothesis is in its goal, whatever its name: the form of its type, and its turn.

Two names of two goals play the same role if their types have the same form and both are, say, the
second of that form to be mentioned. A step that was taken on one goal can so be told with the
names of the other: `exact hf hab`, with `hf : Monotone f`, becomes `exact h h₁`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from llmstep.lean_text.late_pattern import late_pattern
from llmstep.lean_text.lexer import WORD_PATTERN
from llmstep.prompts.goal import Goal
from llmstep.sources.features import hash_feature, unify_numbers

_TOKEN = late_pattern(rf"{WORD_PATTERN}✝?|[^\s]")
# Bound variables and universes have names of no meaning, too.
_VARIABLE = late_pattern(r"(?:[^\W\d_]|u_\d+)['✝₀-₉0-9]*")


def goal_roles(goal: Goal) -> dict[str, str]:
    """The role of each name that a goal's hypotheses declare, as six hexadecimal digits."""
    types = {name: h.type for h in goal.hypotheses for name in h.names}
    return name_roles(types, [goal.target, *(h.text for h in goal.hypotheses)])


def name_roles(types: Mapping[str, str], texts: Iterable[str]) -> dict[str, str]:
    """The roles of names.

    Args:
        types: The printed type of each name.
        texts: What mentions the names, the first text first.
    """
    mentioned = {word.partition(".")[0]: None for text in texts for word in _TOKEN.findall(text)}
    ordered = [name for name in mentioned if name in types]
    roles: dict[str, str] = {}
    turns: Counter[str] = Counter()
    for name in ordered:
        form = _form(types[name], types)
        roles[name] = f"{hash_feature(f'{form}#{turns[form]}') >> 8:06x}"
        turns[form] += 1
    return roles


def _form(printed: str, names: Mapping[str, str]) -> str:
    """A type with a blank for each variable."""
    words: list[str] = []
    for word in map(unify_numbers, _TOKEN.findall(printed)):
        base, dot, rest = word.partition(".")
        blank = base in names or (not dot and _VARIABLE.fullmatch(word))
        words.append(f"_{dot}{rest}" if blank else word)
    # A file leaves the universe to Lean, and a goal shows the one it chose.
    return " ".join(words).replace("Type *", "Type _").replace("Sort *", "Sort _")
