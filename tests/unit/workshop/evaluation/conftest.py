from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.workshop.evaluation import fake_lake

ROWS: list[dict[str, Any]] = [
    {"state": "p : Prop\nh : p\n⊢ p", "tactic": "exact h"},
    {"state": "n : ℕ\n⊢ n ≤ n + 1", "tactic": "omega"},
    {"state": "a b : ℕ\n⊢ a + b = b + a", "tactic": "rw  [Nat.add_comm]"},
    {"state": "⊢ <b> & True", "tactic": "trivial"},
]
RULES: list[dict[str, Any]] = [
    {"goal": "⊢ p", "candidates": [{"tactic": "exact h", "score": -0.1}]},
    {
        "goal": "n ≤ n + 1",
        "candidates": [{"tactic": "simp", "score": -0.1}, {"tactic": "omega", "score": -0.2}],
    },
    {"goal": "a + b", "candidates": [{"tactic": "rw [mul_comm]", "score": -0.1}]},
    {"goal": "True", "error": "the model <failed>"},
]


@pytest.fixture
def scripted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_rows: Callable[..., Path]
) -> Path:
    """Rows, and a scripted model that knows some of them; returns the path of the rows."""
    script = tmp_path / "script.json"
    script.write_text(json.dumps(RULES), encoding="utf-8")
    monkeypatch.setenv("LLMSTEP_ECHO_SCRIPT", str(script))
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LLMSTEP_SOURCES", "model")
    return write_rows(*ROWS)


@pytest.fixture
def project_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Lake project whose `lake` is a stand-in, first on the PATH."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "lakefile.toml").write_text('name = "project"\n', encoding="utf-8")
    fake_lake.install(root)
    monkeypatch.setenv("PATH", f"{root}{os.pathsep}{os.environ['PATH']}")
    return root
