from __future__ import annotations

import re
from collections import Counter

from llmstep.training.augmentation import declared_names
from llmstep.training.synthetic import generate

BRACKETS = {")": "(", "⟩": "⟨", "]": "["}


def balanced(text: str) -> bool:
    open_: list[str] = []
    for character in text:
        if character in BRACKETS.values():
            open_.append(character)
        elif character in BRACKETS and (not open_ or open_.pop() != BRACKETS[character]):
            return False
    return not open_


def test_the_same_seed_gives_the_same_distinct_rows() -> None:
    rows = list(generate(3000, seed=4))
    assert rows == list(generate(3000, seed=4))
    assert rows != list(generate(3000, seed=5))
    assert len({(row.state, row.tactic) for row in rows}) == 3000


def test_rows_are_well_formed() -> None:
    for row in generate(6000, seed=9):
        assert row.state.count("⊢ ") == 1, row
        assert "\n\n" not in row.state, row
        assert balanced(row.state), row
        assert balanced(row.tactic), row
        names = declared_names(row.state)
        assert len(set(names)) == len(names), row


def test_a_hypothesis_the_tactic_closes_with_is_there() -> None:
    checked = 0
    for row in generate(6000, seed=2):
        match = re.fullmatch(
            r"(?:exact|apply|subst|cases) ([hH][^\s.()⟨]*)(?:\.[a-z0-9]+)*", row.tactic
        )
        if match:
            assert match[1] in declared_names(row.state), row
            checked += 1
    assert checked > 300


def test_every_family_and_the_scarce_closers_occur() -> None:
    rows = list(generate(8000, seed=1))
    assert len({row.file for row in rows}) == 17
    heads = Counter(row.head for row in rows)
    for head in (
        "omega",
        "linarith",
        "norm_num",
        "ring",
        "positivity",
        "simp",
        "induction",
        "obtain",
    ):
        assert heads[head] > 20, head
