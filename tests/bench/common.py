"""What the benchmarks share: the goals, the built-in model, and a copy of it for other shapes."""

from __future__ import annotations

import json
import shutil
import statistics
from collections.abc import Sequence
from pathlib import Path

from llmstep.backends.base import PromptPart
from llmstep.service.catalog import find_model

HERE = Path(__file__).parent
CASES = HERE / "runtime_cases.jsonl"


def load_cases() -> list[tuple[str, str]]:
    """The (goal, prefix) pairs."""
    rows = map(json.loads, CASES.read_text(encoding="utf-8").splitlines())
    return [(row["tactic_state"], row["prefix"]) for row in rows]


def builtin_path() -> Path:
    """File of the built-in model."""
    path = find_model("builtin").path
    assert path is not None
    return path


def builtin_prompt(goal: str) -> tuple[PromptPart, ...]:
    """The built-in model's prompt."""
    return PromptPart("[GOAL]", True), PromptPart(goal), PromptPart("[PROOFSTEP]", True)


def copy_with_window(target: Path, context_tokens: int) -> Path:
    """The built-in model with another context length: its text is no use, its speed is real."""
    import gguf

    shutil.copyfile(builtin_path(), target)
    reader = gguf.GGUFReader(target, "r+")
    field = reader.get_field("llama.context_length")
    assert field is not None
    field.parts[field.data[0]][0] = context_tokens
    reader.data.flush()
    return target


def median_ms(seconds: Sequence[float]) -> float:
    """Median in milliseconds."""
    return statistics.median(seconds) * 1000
