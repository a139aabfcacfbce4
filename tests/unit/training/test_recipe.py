from __future__ import annotations

from pathlib import Path

import attrs
import pytest
from tests.unit.training.conftest import TINY

from llmstep.paths import models_dir
from llmstep.training.errors import RecipeError
from llmstep.training.recipe import load_recipe, structure_recipe


def test_the_built_in_recipe_is_valid() -> None:
    recipe = load_recipe(models_dir() / "recipes" / "builtin.toml")
    assert recipe.id == "llmstep-builtin"
    assert recipe.about.licence == "Apache-2.0"
    # Q8_0 quantizes in blocks of 32 columns.
    assert recipe.architecture.hidden % 32 == recipe.architecture.feed_forward % 32 == 0
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
