from __future__ import annotations

from pathlib import Path

import attrs
import pytest
from tests.unit.workshop.training.conftest import TINY

from llmstep.paths import models_dir
from llmstep_workshop.errors import RecipeError
from llmstep_workshop.training.recipe import load_recipe, structure_recipe


def test_the_built_in_recipe_is_valid() -> None:
    recipe = load_recipe(models_dir() / "recipes" / "builtin.toml")
    assert recipe.id == "llmstep-builtin"
    assert recipe.about.licence == "Apache-2.0"
    # Q8_0 quantizes in blocks of 32 columns.
    assert recipe.architecture.hidden % 32 == recipe.architecture.feed_forward % 32 == 0
    # Checkpoints of that recipe exist: new keys may not change what it is known by.
    assert recipe.fingerprint() == "8740e3e2400e25f9"
    assert {"real_dev.jsonl.gz", "runtime-cases.jsonl"}.isdisjoint(s.path for s in recipe.sources)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"sead": 3}, "sead"),
        ({"sources": [{"path": "x", "mix": {"weigth": 1}}]}, "weigth"),
        ({"architecture": TINY["architecture"] | {"heads": 5}}, "multiple of heads"),
        ({"architecture": TINY["architecture"] | {"layers": "many"}}, "layers"),
        ({"optimization": {}}, "exactly one of"),
        ({"optimization": {"budget_steps": 1, "budget_seconds": 2.0}}, "exactly one of"),
        ({"optimization": {"budget_steps": 0}}, "more than 0"),
        ({"optimization": {"budget_steps": 1, "accumulate": 0}}, "accumulate must be at least 1"),
        ({"optimization": {"budget_steps": 1, "batch_tokens": 0}}, "batch_tokens must be"),
        ({"optimization": {"budget_steps": 1, "dropout": 1.0}}, "less than 1"),
        ({"optimization": {"budget_steps": 1, "optimizer": "sgd"}}, "optimizer"),
        ({"optimization": {"budget_steps": 1, "patience": 3}}, "need a file in `validation`"),
        ({"base": {"model": "x"}}, "architecture is the base model's own"),
    ],
)
def test_mistakes_are_named(change: dict, complaint: str) -> None:
    with pytest.raises(RecipeError, match=complaint):
        structure_recipe(TINY | change, "tiny.toml")


def test_missing_keys_and_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="about"):
        structure_recipe({k: v for k, v in TINY.items() if k != "about"}, "tiny.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("id = ")
    with pytest.raises(RecipeError, match="not TOML"):
        load_recipe(broken)
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(tmp_path / "absent.toml")


def test_the_fingerprint_ignores_budget_and_description_only() -> None:
    recipe = structure_recipe(TINY, "tiny.toml")
    longer = attrs.evolve(recipe, optimization=attrs.evolve(recipe.optimization, budget_steps=99))
    renamed = attrs.evolve(recipe, about=attrs.evolve(recipe.about, name="other"))
    reseeded = attrs.evolve(recipe, seed=4)
    assert recipe.fingerprint() == longer.fingerprint() == renamed.fingerprint()
    assert recipe.fingerprint() != reseeded.fingerprint()


TUNED = {key: value for key, value in TINY.items() if key != "architecture"}


@pytest.mark.parametrize(
    ("base", "complaint"),
    [
        ({}, "exactly one of model and gguf"),
        ({"model": "x", "gguf": "y"}, "exactly one of model and gguf"),
        ({"model": "x", "lora": {"rank": 0}}, "rank must be at least 1"),
        ({"model": "x", "dtype": "bfloat16"}, "for LoRA"),
        ({"model": "x", "dtype": "float16"}, "dtype"),
        ({"model": "x", "lora": {"ranks": 3}}, "ranks"),
    ],
)
def test_mistakes_about_the_base_model_are_named(base: dict, complaint: str) -> None:
    with pytest.raises(RecipeError, match=complaint):
        structure_recipe(TUNED | {"base": base}, "tuned.toml")


def test_fine_tuning_takes_smaller_steps_unless_told() -> None:
    plain = {"budget_steps": 1}
    full = structure_recipe(TUNED | {"base": {"model": "x"}, "optimization": plain}, "full")
    assert (full.optimization.optimizer, full.optimization.adam_rate) == ("adamw", 1e-5)
    table = TUNED | {"base": {"model": "x", "lora": {}}, "optimization": plain}
    assert structure_recipe(table, "lora").optimization.adam_rate == 2e-4
    table["optimization"] = plain | {"adam_rate": 3e-4, "optimizer": "muon", "weight_decay": 0.1}
    told = structure_recipe(table, "told").optimization
    assert (told.optimizer, told.adam_rate, told.weight_decay) == ("muon", 3e-4, 0.1)
    new = structure_recipe(TUNED | {"optimization": plain}, "new").optimization
    assert (new.optimizer, new.adam_rate) == ("muon", 3e-3)
