"""docs/training.md takes a user from JSONL to suggestions: its commands run as they stand there."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

pytest.importorskip("torch", reason="the [train] extra is not installed")
pytest.importorskip("llama_cpp", reason="the [gguf] extra is not installed")
pytest.importorskip("gguf", reason="the [train] extra is not installed")

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
TINY = """
[architecture]
hidden = 64
layers = 1
heads = 2
feed_forward = 128
vocabulary = 320
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_four_commands_lead_from_rows_to_suggestions(tmp_path: Path) -> None:
    (script,) = blocks("sh")
    commands = [shlex.split(line) for line in script.splitlines()]
    assert [command[:2] for command in commands] == [
        ["llmstep", "data"],
        ["llmstep", "train"],
        ["llmstep", "models"],
        ["llmstep", "suggest"],
    ]
    (row,) = [json.loads(text) for text in blocks("json")]
    shown = {"premises": [{"name": "Nat.succ_eq_add_one", "conclusion": "n.succ = n + 1"}]}
    rows = [{"state": f"⊢ {n} + 1 = {n + 1}", "tactic": "simp", **shown} for n in range(30)]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, [row, *rows])))
    recipe = blocks("toml")[0]
    assert "budget_seconds = 3600" in recipe
    quick = "budget_steps = 60\nwarmup_steps = 2\nbatch_tokens = 1024\nbf16 = false"
    recipe = recipe.replace("budget_seconds = 3600", quick)
    (tmp_path / "my-model.toml").write_text(recipe + TINY)
    environ = {
        **os.environ,
        "LLMSTEP_HOME": str(tmp_path / "home"),
        "LLMSTEP_SOURCES": "model",  # what is suggested comes from the new model
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-X", "utf8", "-m", *command],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            encoding="utf-8",
            timeout=280,
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
    assert re.search(r"^ *-\d+\.\d+ .*\bsimp\b", done.stdout, re.MULTILINE), done.stdout
    card = (tmp_path / "home" / "data" / "models" / "my-model.toml").read_text(encoding="utf-8")
    assert 'prompt = "proofstep-premises"' in card
    tokenizer = (tmp_path / "runs" / "my-model" / "tokenizer.json").read_text(encoding="utf-8")
    assert "succ" in tokenizer  # of the premises alone
    curve = json.loads((tmp_path / "runs" / "my-model" / "curve.json").read_text())
    assert [point[0] for point in curve] == [1, 50, 60]


def test_every_recipe_of_the_package_is_named_and_valid() -> None:
    from llmstep_workshop.training.recipe import load_recipe

    files = sorted((ROOT / "models" / "recipes").glob("*.toml"))
    assert len(files) >= 4
    for file in files:
        assert f"`{file.name}`" in PAGE
        recipe = load_recipe(file)
        assert recipe.validation
        assert (recipe.base is None) == (file.name == "builtin.toml")


def test_every_key_of_a_recipe_is_explained() -> None:
    from llmstep_workshop.training import recipe

    for kind in (recipe.Recipe, recipe.Base, recipe.Lora, recipe.Optimization, recipe.Architecture):
        for field in attrs.fields(kind):
            named = rf"`[^`\n]*\b{field.name}\b[^`\n]*`|^\[?{field.name}\b"
            assert re.search(named, PAGE, re.MULTILINE), f"{kind.__name__}.{field.name}"
