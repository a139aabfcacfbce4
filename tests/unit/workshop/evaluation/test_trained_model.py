from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from llmstep.cli import cli

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
pytest.importorskip("torch", reason="the [train] extra is not installed")
pytest.importorskip("transformers", reason="the [train] extra is not installed")
pytest.importorskip("gguf", reason="the [train] extra is not installed")
pytestmark = pytest.mark.gguf

ROWS = [
    {"state": "p : Prop\nh : p\n⊢ p", "tactic": "exact h"},
    {"state": "n : ℕ\n⊢ n ≤ n + 1", "tactic": "omega"},
    {"state": "x : ℝ\n⊢ 0 ≤ x ^ 2", "tactic": "positivity"},
]
RECIPE = """
id = "learner"
sources = [{ path = "rows.jsonl", mix = { weight = 8.0 } }]
[about]
name = "learner"
description = "a test"
licence = "MIT"
author = "nobody"
[architecture]
hidden = 32
layers = 1
heads = 2
feed_forward = 64
vocabulary = 320
positions = 128
[optimization]
budget_steps = 150
batch_tokens = 512
warmup_steps = 4
bf16 = false
"""


@pytest.fixture(scope="module")
def learner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that has learnt ROWS by heart, made by the command a user runs."""
    folder = tmp_path_factory.mktemp("learner")
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    (folder / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    arguments = ["train", "--config", str(folder / "recipe.toml"), "--run-dir", str(folder / "run")]
    result = CliRunner().invoke(
        cli, [*arguments, "--quantization", "F32", "--threads", "1"], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    return folder / "run" / "learner.gguf"


def test_a_model_that_knows_the_answers_scores_full(learner: Path) -> None:
    data = learner.parents[1] / "rows.jsonl"
    result = CliRunner().invoke(
        cli,
        [
            "eval",
            str(data),
            "--model",
            str(learner),
            "-n",
            "4",
            "--threads",
            "1",
            "--json",
            "--only",
            "model",
        ],
        catch_exceptions=False,
    )
    assert result.exit_code == 0, result.output
    scores = json.loads(result.stdout)
    assert scores["rows"] == 3
    assert scores["exact_at_1"] == scores["exact_at_n"] == scores["head_at_n"] == 1.0
    assert scores["nll"] < 0.5
    assert scores["intervals"]["exact_at_n"]["low"] > 0.4
    assert {head["head"] for head in scores["heads"]} == {"exact", "omega", "positivity"}


def test_wrong_answers_are_counted_as_wrong(learner: Path, tmp_path: Path) -> None:
    data = tmp_path / "other.jsonl"
    wrong = [ROWS[0] | {"tactic": "exact k"}, ROWS[1] | {"tactic": "rfl"}]
    data.write_text("\n".join(map(json.dumps, wrong)), encoding="utf-8")
    result = CliRunner().invoke(
        cli, ["eval", str(data), "--model", str(learner), "-n", "1", "--temperature", "0",
         "--only", "model"],
        catch_exceptions=False,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "exact@1 0.000" in result.output
    assert "first-word@1 0.500" in result.output


@pytest.mark.hf
def test_both_backends_hold_a_tactic_equally_likely(learner: Path) -> None:
    from llmstep.config import Settings
    from llmstep.prompts.template import load_template
    from llmstep_workshop.evaluation.likelihood import HuggingFaceMeter, LlamaMeter

    template = load_template("proofstep")
    gguf = LlamaMeter(learner, template, 128, 1)
    folder = HuggingFaceMeter(
        learner.parent / "model", template, 128, Settings(precision="float32", threads=1)
    )
    try:
        for row in ROWS:
            one, other = (s.measure(row["state"], row["tactic"]) for s in (gguf, folder))
            assert one.tokens == other.tokens
            assert one.nll == pytest.approx(other.nll, abs=0.05)
    finally:
        gguf.close()
        folder.close()
