from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from llmstep.cli import cli
from llmstep.commands.demo import EXAMPLES


def test_every_goal_is_shown_with_its_candidates_and_what_to_do_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "script.json"
    held = {"tactic": "exact h n", "score": -0.5}
    script.write_text(
        json.dumps(
            [
                {"prefix": "exact h", "candidates": [held]},
                {
                    "candidates": [
                        {"tactic": "simp", "score": -1.25},
                        {"tactic": "x" * 500, "score": -2},
                    ]
                },
            ]
        ),
        encoding="utf-8",
    )
    monkeypatch.setenv("LLMSTEP_ECHO_SCRIPT", str(script))
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path))
    monkeypatch.setenv("LLMSTEP_SOURCES", "model")
    result = CliRunner().invoke(cli, ["demo", "--model", "echo"])
    assert result.exit_code == 0, result.output
    for number, example in enumerate(EXAMPLES, 1):
        assert f"{number}. {example.title}  (" in result.output
        assert all(f"│ {line}" in result.output for line in example.goal.splitlines())
    assert result.output.count(f"  -1.250  {'model':23}  simp") == len(EXAMPLES) - 1
    assert result.output.count(f"  -0.500  {'model':23}  exact h n") == 1
    assert "lake run llmstep/setup" in result.output
    assert max(map(len, result.output.splitlines())) <= 100


def test_the_examples_are_of_different_kinds() -> None:
    assert len(EXAMPLES) >= 6
    assert any(example.prefix for example in EXAMPLES)
    assert any(example.text_before for example in EXAMPLES)
