"""Vary the surface of a pair without changing its meaning.

Reconstructed training states lack what Lean's own printer shows: ``case`` tags, inaccessible names
(``✝``), core spellings of the number types, and the wide choice of hypothesis names that users
make. Each variation below is applied with its own probability, alike to state and tactic.
"""

from __future__ import annotations

import random
import re

import attrs

from llmstep_workshop.data.rows import Row

_IDENTIFIER = r"[A-Za-zα-ωΑ-Ω_𝕜][\w'!?₀-₉]*"
_BINDER_LINE = re.compile(rf"^((?:{_IDENTIFIER} )*{_IDENTIFIER}) : ", re.M)
_CASE_TAGS = (
    "h", "inl", "inr", "left", "right", "mp", "mpr", "zero", "succ", "nil", "cons", "intro",
    "a", "pos", "neg", "refl", "ind", "base", "step", "inst", "refine_1", "refine_2", "hab",
    "intro.intro", "h.h", "inl.inr", "inr.inl", "mk", "some", "none", "isTrue", "isFalse",
)  # fmt: skip
_HYPOTHESIS_NAMES = (
    "h", "h₀", "h₁", "h₂", "h₃", "h1", "h2", "h3", "h'", "H", "hx", "hy", "hab", "hp", "hq", "ha",
    "hb", "hn", "hm", "hs", "ht", "hf", "hg", "this", "key", "ih",
)  # fmt: skip
_VARIABLE_NAMES = tuple("abcdmnkxyzstuvwpqijlfg")
_CORE_SPELLINGS = {"ℕ": "Nat", "ℤ": "Int"}


@attrs.frozen
class Augmentation:
    """Probability, per row, of each variation."""

    case_tag: float = 0.0
    rename: float = 0.0
    core_spelling: float = 0.0
    inaccessible: float = 0.0

    def apply(self, row: Row, rng: random.Random) -> Row:
        """Return ``row`` with the drawn variations; the input is not changed."""
        state, tactic = row.state, row.tactic
        if rng.random() < self.core_spelling and not re.search(r"[ℝℚℂ]", state):
            state, tactic = _spell_core(state), _spell_core(tactic)
        if rng.random() < self.rename:
            state, tactic = _rename(state, tactic, rng)
        if rng.random() < self.inaccessible:
            state = _hide_unused(state, tactic, rng)
        if rng.random() < self.case_tag and not state.startswith("case "):
            state = f"case {rng.choice(_CASE_TAGS)}\n{state}"
        return attrs.evolve(row, state=state, tactic=tactic)


def declared_names(state: str) -> list[str]:
    """The names that the hypothesis lines of ``state`` declare, in order, without ``✝`` ones."""
    context = state.split("⊢", 1)[0]
    return [name for match in _BINDER_LINE.finditer(context) for name in match[1].split()]


def _spell_core(text: str) -> str:
    for symbol, name in _CORE_SPELLINGS.items():
        text = text.replace(symbol, name)
    return text


def _whole_word(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.'✝₀-₉]){re.escape(name)}(?![\w'✝₀-₉])")


def _rename(state: str, tactic: str, rng: random.Random) -> tuple[str, str]:
    text = f"{state}\0{tactic}"
    for name in declared_names(state):
        if rng.random() < 0.5 or name.startswith("inst"):
            continue
        if name[0] in "hH":
            pool = _HYPOTHESIS_NAMES
        elif len(name) == 1 and name.isascii() and name.islower():
            pool = _VARIABLE_NAMES
        else:
            continue
        fresh = rng.choice(pool)
        # A fresh name that already occurs, even bound or inside a tactic, could be captured.
        if not _whole_word(fresh).search(text):
            text = _whole_word(name).sub(fresh, text)
    renamed_state, renamed_tactic = text.split("\0")
    return renamed_state, renamed_tactic


def _hide_unused(state: str, tactic: str, rng: random.Random) -> str:
    for name in declared_names(state):
        if rng.random() < 0.3 and not _whole_word(name).search(tactic):
            state = _whole_word(name).sub(f"{name}✝", state)
    return state
