from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.backends.hf_models import build_model
from transformers import AutoModelForCausalLM

from llmstep_workshop.errors import MemoryShortageError, RecipeError
from llmstep_workshop.training import pretrained
from llmstep_workshop.training.distributed import find_blocks
from llmstep_workshop.training.expansion import expand_blocks
from llmstep_workshop.training.pretrained import PretrainedLearner
from llmstep_workshop.training.recipe import structure_recipe
from llmstep_workshop.training.runs import export_checkpoint
from llmstep_workshop.training.trainer import Trainer

TOKENS = torch.tensor([[5, 9, 40, 7, 21, 3]])


def open_model(folder: Path, kind: str) -> Any:
    return AutoModelForCausalLM.from_pretrained(build_model(folder / kind, kind)).eval()


def table(base: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "grown",
        "about": {"name": "t", "description": "", "licence": "MIT", "author": "nobody"},
        "sources": [{"path": "rows.jsonl"}],
        "max_state_tokens": 80,
        "max_tactic_tokens": 40,
        "base": base,
        "optimization": {"budget_steps": 5, "bf16": False, "warmup_steps": 1, "adam_rate": 1e-2},
    }


@pytest.mark.parametrize("kind", ["neox", "llama", "qwen2", "mistral"])
def test_more_layers_compute_the_same_at_first(tmp_path: Path, kind: str) -> None:
    model = open_model(tmp_path, kind)
    before = model(TOKENS).logits
    text = model.generate(TOKENS, max_new_tokens=8, do_sample=False)
    old = len(find_blocks(model))
    expand_blocks(model, 2 * old)
    assert len(find_blocks(model)) == model.config.num_hidden_layers == 2 * old
    assert torch.equal(model(TOKENS).logits, before)
    # It reads back what each layer put into its own place in the KV cache.
    assert torch.equal(model.generate(TOKENS, max_new_tokens=8, do_sample=False), text)


def test_some_layers_are_spread_evenly(tmp_path: Path) -> None:
    model = open_model(tmp_path, "llama")
    expand_blocks(model, 4)
    expand_blocks(model, 6)
    silent = [not block.mlp.down_proj.weight.any().item() for block in find_blocks(model)]
    # Of two layers each got a silent copy, and of these four every second one another.
    assert silent == [False, True, True, False, True, True]


def test_new_layers_learn_and_are_part_of_the_result(tmp_path: Path) -> None:
    build_model(tmp_path / "llama", "llama")
    rows = [{"state": "⊢ True", "tactic": "trivial"}, {"state": "⊢ 1 = 1", "tactic": "rfl"}]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    recipe = structure_recipe(table({"model": "llama", "prompt": "proofstep", "layers": 4}), "r")
    run = Trainer(recipe, tmp_path, tmp_path / "run")
    blocks = find_blocks(run.learner.model)
    assert not blocks[1].mlp.down_proj.weight.any()
    run.run()
    assert blocks[1].mlp.down_proj.weight.any()
    learned = run.measure_loss(run.learner.encode(run_rows(tmp_path)))
    folder, _ = export_checkpoint(recipe, tmp_path, tmp_path / "run")
    assert json.loads((folder / "config.json").read_text())["num_hidden_layers"] == 4
    again = structure_recipe(table({"model": str(folder), "prompt": "proofstep"}), "r")
    fresh = Trainer(again, tmp_path, tmp_path / "again")
    assert fresh.measure_loss(fresh.learner.encode(run_rows(tmp_path))) == pytest.approx(
        learned, rel=1e-4
    )


def run_rows(folder: Path) -> list[Any]:
    from llmstep_workshop.data.rows import read_rows

    return read_rows(folder / "rows.jsonl")


def test_the_new_layers_count_before_the_weights_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = build_model(tmp_path / "llama", "llama")
    weights = sum(p.numel() for p in AutoModelForCausalLM.from_pretrained(folder).parameters())
    # The base model's weights fit into what is free, and half as many more do not.
    monkeypatch.setattr(pretrained, "_TRAINED_BYTES", 2**30 // weights)
    base = {"model": "llama", "prompt": "proofstep"}
    free = 2**31
    PretrainedLearner(structure_recipe(table(base), "r"), folder, free)
    with pytest.raises(MemoryShortageError, match="memory for training"):
        PretrainedLearner(structure_recipe(table(base | {"layers": 4}), "r"), folder, free)


@pytest.mark.parametrize("layers", [1, 5])
def test_a_number_out_of_range_is_refused(tmp_path: Path, layers: int) -> None:
    with pytest.raises(RecipeError, match=f"{layers}, where the base model has 2 layers") as caught:
        expand_blocks(open_model(tmp_path, "llama"), layers)
    assert "Give 2 to 4" in caught.value.hint


def test_layers_of_another_kind_are_refused(tmp_path: Path) -> None:
    model = open_model(tmp_path, "llama")
    for block in find_blocks(model):
        block.mlp.down_proj = torch.nn.Identity()
    with pytest.raises(RecipeError, match="cannot be copied"):
        expand_blocks(model, 3)


def test_layers_and_adapters_exclude_each_other() -> None:
    with pytest.raises(RecipeError, match="give layers or"):
        structure_recipe(table({"model": "llama", "layers": 4, "lora": {}}), "r.toml")
