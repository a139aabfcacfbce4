"""A new model is trained on the prompt that it will be asked with."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the [train] extra is not installed")

from llmstep.prompts.mention import Mention
from llmstep_workshop.data.rows import Row
from llmstep_workshop.errors import RecipeError
from llmstep_workshop.training.recipe import Recipe, structure_recipe
from llmstep_workshop.training.scratch import ScratchLearner, obtain_tokenizer

GOAL = "a b : ℕ\n⊢ a + b = b + a"
ROW = Row(GOAL, "exact my_add_comm a b", premises=(Mention("my_add_comm", "a + b = b + a"),))
BARE = Row(GOAL, "omega")


def recipe(**changes: object) -> Recipe:
    about = {"name": "x", "description": "x", "licence": "MIT", "author": "x"}
    shape = {"hidden": 32, "layers": 1, "heads": 2, "feed_forward": 64, "vocabulary": 300}
    table = {
        "id": "tiny",
        "about": about,
        "sources": [{"path": "x.jsonl"}],
        "architecture": shape,
        "optimization": {"budget_steps": 1},
        **changes,
    }
    return structure_recipe(table, "test")


def learn(tmp_path: Path, **changes: object) -> ScratchLearner:
    tokenizer = obtain_tokenizer(tmp_path / "tokenizer.json", [[ROW, BARE]], 300)
    return ScratchLearner(recipe(**changes), tokenizer)


def test_premises_stand_before_the_goal_and_the_markers_are_tokens(tmp_path: Path) -> None:
    learner = learn(tmp_path, prompt="proofstep-premises")
    shown, bare = learner.encode([ROW, BARE])
    text = learner.tokenizer.decode(shown.prompt, skip_special_tokens=False)
    assert text == f"<s>[PREM]my_add_comm : a + b = b + a[GOAL]{GOAL}[PROOFSTEP]"
    target = learner.tokenizer.decode(shown.target, skip_special_tokens=False)
    assert target == "exact my_add_comm a b</s>"
    for marker in ("<s>", "[GOAL]", "[PROOFSTEP]"):
        assert shown.prompt.count(learner.tokenizer.token_to_id(marker)) == 1
    # Where there are none, the prompt is the one of the goal alone, to the token.
    (plain,) = learn(tmp_path).encode([BARE])
    assert (bare.prompt, bare.target) == (plain.prompt, plain.target)


def test_a_prompt_without_a_place_shows_none(tmp_path: Path) -> None:
    (shown,) = learn(tmp_path).encode([ROW])
    assert "PREM" not in learn(tmp_path).tokenizer.decode(shown.prompt)


def test_a_prompt_that_cannot_be_trained_or_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot be trained"):
        learn(tmp_path, prompt="instruct")
    with pytest.raises(RecipeError, match="do not fit the window of 1024"):
        learn(tmp_path, prompt="proofstep-premises", max_state_tokens=1000)
    with pytest.raises(RecipeError, match='trim = "top" is for the prompt proofstep'):
        recipe(prompt="proofstep-premises", trim="top")


def test_another_prompt_is_another_run() -> None:
    assert recipe(prompt="proofstep-premises").fingerprint() != recipe().fingerprint()
    assert recipe(prompt="proofstep").fingerprint() == recipe().fingerprint()
