"""What makes two goals similar: the words and symbols they share, and pairs of neighbours.

The target counts by its tokens (``G``), by its pairs of adjacent tokens (``B``), and by such pairs
with a blank for each local name (``P``), so that ``a + b = b + a`` resembles ``x + y = y + x``. The
hypotheses count by their tokens (``H``), names included: names in Lean's libraries follow
conventions (``hf``, ``s``). A feature travels as the CRC-32 of its text, which is the same
everywhere and needs no table.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection
from itertools import pairwise

from llmstep.lean_text.late_pattern import late_pattern
from llmstep.prompts.goal import Goal

# Dotted names count by their components, so that `hf.comp hg` resembles `hf.mul hg`.
_TOKEN = late_pattern(r"[^\W\d][\w'!?✝]*|[^\w\s]")
# A statement in a file and a printed goal write these types differently at times.
_NUMBERS = str.maketrans({"ℕ": "Nat", "ℤ": "Int", "ℚ": "Rat", "ℝ": "Real", "ℂ": "Complex"})


def goal_features(goal: Goal) -> frozenset[str]:
    """The features of a printed goal."""
    target = goal.target.removeprefix("⊢").removeprefix("|-")
    names = {name for hypothesis in goal.hypotheses for name in hypothesis.names}
    return text_features(" ".join(h.text for h in goal.hypotheses), target, names)


def text_features(hypotheses: str, target: str, names: Collection[str] = ()) -> frozenset[str]:
    """The features of a statement in two parts: what is given, and what is to be shown.

    Args:
        hypotheses: The first part.
        target: The second.
        names: The names that the first declares.
    """
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


def _tokens(text: str) -> list[str]:
    return [unify_numbers(word) for word in _TOKEN.findall(text)]
