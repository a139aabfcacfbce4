from __future__ import annotations

import hashlib
import re
from collections import Counter

import pytest

from llmstep_workshop.data import synthetic
from llmstep_workshop.data.cleaning import is_balanced
from llmstep_workshop.data.normal_forms import read_goal
from llmstep_workshop.data.synthetic import family_names, generate
from llmstep_workshop.errors import RecipeError
from llmstep_workshop.training.augmentation import declared_names


def test_the_same_seed_gives_the_same_distinct_rows() -> None:
    rows = list(generate(3000, seed=4))
    assert rows == list(generate(3000, seed=4))
    assert rows != list(generate(3000, seed=5))
    assert len({(row.state, row.tactic) for row in rows}) == 3000


def test_rows_are_well_formed() -> None:
    for row in generate(6000, seed=9):
        assert row.state.count("⊢ ") == 1, row
        assert "\n\n" not in row.state, row
        assert is_balanced(row.state), row
        assert is_balanced(row.tactic), row
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


def test_the_rows_of_the_built_in_model_stay_the_same() -> None:
    # A run that was stopped goes on from its checkpoint with the rows of models/recipes.
    digest = hashlib.sha256()
    for row in generate(4000, seed=11):
        digest.update(repr((row.state, row.tactic, row.file)).encode())
    assert digest.hexdigest()[:16] == "9d3d53618fa15005"


@pytest.mark.parametrize("family", family_names())
def test_each_family_alone_gives_well_formed_rows(family: str) -> None:
    rows = list(generate(60, seed=3, families=(family,)))
    assert {row.file for row in rows} == {f"synthetic:{family}"}
    assert len({(row.state, row.tactic) for row in rows}) == 60
    for row in rows:
        assert row.state.count("⊢ ") == 1, row
        assert is_balanced(row.state), row
        assert is_balanced(row.tactic), row
        assert row.tactic == row.tactic.strip(), row
        assert "  " not in row.state, row
        names = declared_names(row.state)
        assert len(set(names)) == len(names), row


def test_training_and_validation_share_no_template() -> None:
    skeletons = [
        {read_goal(row.state).skeleton() for row in generate(600, 5, ("all",), split)}
        for split in ("train", "valid")
    ]
    assert skeletons[0].isdisjoint(skeletons[1])
    assert all(len(found) > 60 for found in skeletons)


def test_a_family_that_runs_dry_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic, "_MOST_REPEATS", 100)
    with pytest.raises(RecipeError, match=r"families tautology have no more than \d+ rows"):
        list(generate(1_000_000, 1, ("tautology",)))
    with pytest.raises(RecipeError, match="no family 'magic'") as caught:
        list(generate(1, 1, ("basic", "magic")))
    assert "quantified" in caught.value.hint


def test_groups_can_be_joined() -> None:
    files = {row.file for row in generate(900, 2, ("basic", "closed"))}
    assert len(files) == 18
    assert len({row.file for row in generate(3000, 2, ("all",))}) == len(family_names())
