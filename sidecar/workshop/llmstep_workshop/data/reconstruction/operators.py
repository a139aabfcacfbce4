"""Operators of Lean and Mathlib with their precedences.

They are those of Lean's ``Init/Prelude.lean`` and ``Init/Core.lean`` and of Mathlib's notations.
"""

from __future__ import annotations

from collections.abc import Mapping

MAX = 1024
# Operator: its own precedence, and the least ones of its two sides.
_RIGHT = {
    "→": 25, "↪": 25, "⟶": 10, "∨": 30, "∧": 35, "×": 35, "⊕": 30, "::": 67, "^": 75, "∘": 90,
    "≫": 80, "×ˢ": 82, "•": 73,
}  # fmt: skip
_LEFT = {
    "||": 30, "&&": 35, "+": 65, "-": 65, "++": 65, "∪": 65, "\\": 70, "∩": 70, "*": 70, "/": 70,
    "%": 70, "⊔": 68, "⊓": 69, "∆": 68, "⊗": 70, "''": 80, "⁻¹'": 80,
}  # fmt: skip
_NEITHER = {
    "↔": 20, "=": 50, "≠": 50, "<": 50, ">": 50, "≤": 50, "≥": 50, "∈": 50, "∉": 50, "⊆": 50,
    "⊂": 50, "∣": 50, "==": 50, "!=": 50, "≃": 25, "≈": 50, "≅": 10,
    "⇔": 60, "⋖": 50, "⩿": 50, "⊣": 15, "≪": 50,
}  # fmt: skip
INFIX: Mapping[str, tuple[int, int, int]] = {
    **{operator: (p, p + 1, p) for operator, p in _RIGHT.items()},
    **{operator: (p, p, p + 1) for operator, p in _LEFT.items()},
    **{operator: (p, p + 1, p + 1) for operator, p in _NEITHER.items()},
}
RELATIONS = frozenset(("∈", "∉", "<", ">", "≤", "≥", "⊆", "⊂", "≠", "∣", "="))
# Operator in front of its argument: its own precedence, and the argument's.
PREFIX: Mapping[str, tuple[int, int]] = {
    "¬": (MAX, 40), "!": (MAX, 40), "-": (75, 75), "↑": (MAX, MAX), "⇑": (MAX, MAX),
    "↥": (MAX, MAX), "#": (MAX, MAX),
    "√": (100, 100),
}  # fmt: skip
# What they bind reaches so far.
BIG = {"∑": 67, "∏": 67, "⋃": 60, "⋂": 60, "⨆": 60, "⨅": 60}


def binding_power(operator: str) -> tuple[int, int, int] | None:
    """The precedence of an infix operator and the least ones of its sides; ``None`` for others."""
    if operator in INFIX:
        return INFIX[operator]
    if len(operator) > 1 and operator[0] in "→≃↪≅":
        return INFIX[operator[0]]
    return INFIX["="] if len(operator) > 1 and operator[0] in "=≤<≡" else None
