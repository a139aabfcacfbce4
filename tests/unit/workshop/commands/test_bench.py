from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from llmstep.cli import cli


def test_it_measures_each_figure(tmp_path: Path) -> None:
    goals = tmp_path / "goals.jsonl"
    goals.write_text('{"tactic_state": "⊢ p", "prefix": ""}\n\n', encoding="utf-8")
    options = ["--model", "echo", "--rounds", "2", "--goals", str(goals)]
    result = CliRunner().invoke(cli, ["bench", "--json", *options])
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["model"] == "echo"
    assert len(figures["warm_ms"]) == 2
    assert len(figures["cached_ms"]) == 1
    times = [figures["first_ms"], *figures["warm_ms"], *figures["dispatch_ms"]]
    assert all(time > 0 for time in times)
    assert figures["rss_bytes"] > 1_000_000


@pytest.mark.parametrize(
    ("text", "words"),
    [("{}", "line 1"), ('{"tactic_state": "x"}\n[1]', "line 2"), ("", "holds no goal")],
)
def test_a_wrong_file_is_told(text: str, words: str, tmp_path: Path) -> None:
    goals = tmp_path / "goals.jsonl"
    goals.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(cli, ["bench", "--goals", str(goals)])
    assert result.exit_code == 2
    assert words in result.output
