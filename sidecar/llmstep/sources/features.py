"""What makes two goals similar: the words and symbols they share, and pairs of neighbours.

The target counts by its tokens (``G``), by its pairs of adjacent tokens (``B``), and by such pairs
with a blank for each local name (``P``), so that ``a + b = b + a`` resembles ``x + y = y + x``. The
hypotheses count by their tokens (``H``), names included: names in Lean's libraries follow
conventions (``hf``, ``s``). A feature travels as the CRC-32 of its text, which is the same
everywhere and needs no table.

What a hypothesis is in its goal, whatever its name, is its role: the form of its type, and its
turn. Two names of two goals play the same role if their types have the same form and both are, say,
the second of that form to be mentioned. A step that was taken on one goal can so be told with the
names of the other: `exact hf hab`, with `hf : Monotone f`, becomes `exact h h₁`.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise

from llmstep.lean_text.late_pattern import late_pattern
from llmstep.lean_text.lexer import WORD_PATTERN
from llmstep.prompts.goal import Goal

# Dotted names count by their components, so that `hf.comp hg` resembles `hf.mul hg`.
_TOKEN = late_pattern(r"[^\W\d][\w'!?✝]*|[^\w\s]")
# A statement in a file and a printed goal write these types differently at times.
_NUMBERS = str.maketrans({"ℕ": "Nat", "ℤ": "Int", "ℚ": "Rat", "ℝ": "Real", "ℂ": "Complex"})
_NAME = late_pattern(rf"{WORD_PATTERN}✝?|[^\s]")
# Bound variables and universes have names of no meaning, too.
_VARIABLE = late_pattern(r"(?:[^\W\d_]|u_\d+)['✝₀-₉0-9]*")


def goal_features(goal: Goal) -> frozenset[str]:
    """The features of a printed goal."""
    target = goal.target.removeprefix("⊢").removeprefix("|-")
    names = {name for hypothesis in goal.hypotheses for name in hypothesis.names}
    return text_features(" ".join(h.text for h in goal.hypotheses), target, names)


def text_features(hypotheses: str, target: str, names: Collection[str] = ()) -> frozenset[str]:
    """The features of what is given, which declares the names, and of what is to be shown."""
    words = _tokens(target)
    found = {f"G{word}" for word in words}
    found.update(f"B{first} {second}" for first, second in pairwise(words))
    blanked = ["_" if word in names else word for word in words]
    found.update(f"P{first} {second}" for first, second in pairwise(blanked))
    found.update(f"H{word}" for word in _tokens(hypotheses))
    return frozenset(found)


def hash_feature(feature: str) -> int:
    """A feature as an unsigned number of 32 bits."""
    return zlib.crc32(feature.encode())


def unify_numbers(word: str) -> str:
    """A type of numbers as it is named without its symbol; any other word as it is."""
    return word.translate(_NUMBERS)


def goal_roles(goal: Goal) -> dict[str, str]:
    """The role of each name that a goal's hypotheses declare, as six hexadecimal digits."""
    types = {name: h.type for h in goal.hypotheses for name in h.names}
    return name_roles(types, [goal.target, *(h.text for h in goal.hypotheses)])


def name_roles(types: Mapping[str, str], texts: Iterable[str]) -> dict[str, str]:
    """The roles of names with these printed types; texts mention them, the first text first."""
    mentioned = {word.partition(".")[0]: None for text in texts for word in _NAME.findall(text)}
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
    for word in map(unify_numbers, _NAME.findall(printed)):
        base, dot, rest = word.partition(".")
        blank = base in names or (not dot and _VARIABLE.fullmatch(word))
        words.append(f"_{dot}{rest}" if blank else word)
    # A file leaves the universe to Lean, and a goal shows the one it chose.
    return " ".join(words).replace("Type *", "Type _").replace("Sort *", "Sort _")


def _tokens(text: str) -> list[str]:
    return [unify_numbers(word) for word in _TOKEN.findall(text)]
