from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from llmstep_workshop.data.rows import Row
from llmstep_workshop.data.synthetic import generate
from llmstep_workshop.training.augmentation import Augmentation, declared_names

STATE = "p q : Prop\nh : p\nhq : q\nn : ℕ\n⊢ p ∧ q"


def test_declared_names_are_those_of_the_hypotheses() -> None:
    assert declared_names(STATE) == ["p", "q", "h", "hq", "n"]
    assert declared_names("inst✝ : Ring α\nh :\n  a = b\n⊢ ∀ x : ℕ, x = x") == []


def test_a_renamed_hypothesis_is_renamed_in_the_tactic_too() -> None:
    row = Row(STATE, "exact ⟨h, hq⟩")
    rename = Augmentation(rename=1.0)
    changed = 0
    for seed in range(40):
        result = rename.apply(row, random.Random(seed))
        names = declared_names(result.state)
        assert len(set(names)) == 5
        assert result.tactic == f"exact ⟨{names[2]}, {names[3]}⟩"
        changed += result != row
    assert changed > 20


def test_fields_are_renamed_and_longer_names_are_left() -> None:
    row = Row("h : a ∧ b\nhab : c\n⊢ a", "exact h.1.trans (foo.h h' hab)")
    for seed in range(40):
        result = Augmentation(rename=1.0).apply(row, random.Random(seed))
        first, second = declared_names(result.state)
        assert result.tactic == f"exact {first}.1.trans (foo.h h' {second})"


def test_core_spelling_spares_goals_about_reals() -> None:
    core = Augmentation(core_spelling=1.0)
    rng = random.Random(0)
    assert core.apply(Row("n : ℕ\n⊢ n = n", "exact (rfl : (n : ℕ) = n)"), rng) == Row(
        "n : Nat\n⊢ n = n", "exact (rfl : (n : Nat) = n)"
    )
    mixed = Row("n : ℕ\nx : ℝ\n⊢ x = n", "simp")
    assert core.apply(mixed, rng) == mixed


def test_only_names_the_tactic_does_not_use_become_inaccessible() -> None:
    for seed in range(30):
        hidden = Augmentation(inaccessible=1.0).apply(Row(STATE, "exact h"), random.Random(seed))
        assert "h✝" not in hidden.state.replace("hq✝", "")
        assert hidden.tactic == "exact h"


def test_a_case_tag_is_put_before_states_that_have_none() -> None:
    tagged = Augmentation(case_tag=1.0).apply(Row(STATE, "simp"), random.Random(0))
    assert tagged.state.startswith("case ")
    assert tagged.state.endswith("\n" + STATE)
    assert Augmentation(case_tag=1.0).apply(tagged, random.Random(1)) == tagged


@given(st.integers(0, 2**32))
def test_the_layout_survives_every_variation(seed: int) -> None:
    everything = Augmentation(1.0, 1.0, 1.0, 1.0)
    rng = random.Random(seed)
    for row in generate(3, seed):
        result = everything.apply(row, rng)
        assert result.state.count("⊢") == row.state.count("⊢")
        assert len(declared_names(result.state)) <= len(declared_names(row.state))
        assert result.tactic.split()[0] == row.tactic.split()[0]
