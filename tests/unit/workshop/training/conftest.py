from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the [train] extra is not installed")
pytest.importorskip("transformers", reason="the [train] extra is not installed")
pytest.importorskip("gguf", reason="the [train] extra is not installed")

import torch

from llmstep_workshop.data.synthetic import generate
from llmstep_workshop.training.recipe import Recipe, structure_recipe

# Matrices this small are slower on two threads than on one, and much slower on a busy machine.
torch.set_num_threads(1)

TINY: dict[str, Any] = {
    "id": "tiny",
    "seed": 3,
    "window_rows": 64,
    "about": {"name": "tiny", "description": "a test", "licence": "MIT", "author": "nobody"},
    "sources": [{"path": "rows.jsonl"}],
    "architecture": {
        "hidden": 32,
        "layers": 1,
        "heads": 2,
        "feed_forward": 64,
        "vocabulary": 320,
        "positions": 256,
    },
    "augmentation": {"rename": 0.5, "case_tag": 0.3},
    "optimization": {
        "budget_steps": 8,
        "batch_tokens": 512,
        "warmup_steps": 2,
        "prompt_weight": 0.2,
        "bf16": False,
    },
}


@pytest.fixture
def data_dir(tmp_path: Path, write_rows: Callable[..., Path]) -> Path:
    """A folder with 120 synthetic rows in rows.jsonl."""
    rows = [{"state": row.state, "tactic": row.tactic} for row in generate(120, seed=1)]
    return write_rows(*rows).parent


@pytest.fixture
def make_recipe() -> Callable[..., Recipe]:
    """A tiny recipe; keyword arguments replace keys of [optimization]."""

    def make(**optimization: Any) -> Recipe:
        table = TINY | {"optimization": TINY["optimization"] | optimization}
        return structure_recipe(table, "tiny.toml")

    return make
