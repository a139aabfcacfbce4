from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("torch", reason="the [train] extra is not installed")
pytest.importorskip("gguf", reason="the [train] extra is not installed")

from tests.backends.hf_models import build_model

from llmstep.backends.gguf_file import read_gguf_head
from llmstep.errors import BackendUnavailableError
from llmstep_workshop.commands.train import train
from llmstep_workshop.errors import CheckpointError, ConversionError, RecipeError
from llmstep_workshop.training import distributed
from llmstep_workshop.training.distributed import World

HEAD = """
id = "mine"
about = { name = "Mine", description = "a test", licence = "MIT", author = "nobody" }
sources = [{ path = "rows.jsonl" }]
max_state_tokens = 100
max_tactic_tokens = 30
"""
NEW = """
[architecture]
hidden = 32
layers = 1
heads = 2
feed_forward = 64
vocabulary = 300
positions = 256
[optimization]
budget_steps = 2
bf16 = false
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [{"state": f"n : Nat\n⊢ n + {i} = {i} + n", "tactic": "omega"} for i in range(20)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def invoke(folder: Path, recipe: str, *options: str) -> str:
    (folder / "mine.toml").write_text(HEAD + recipe)
    places = ["--config", str(folder / "mine.toml"), "--run-dir", str(folder / "run")]
    result = CliRunner().invoke(train, [*places, *options], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_a_new_model_ends_as_gguf_and_the_next_commands_are_named(folder: Path) -> None:
    told = invoke(folder, NEW)
    made = folder / "run" / "mine.gguf"
    assert made.read_bytes()[:4] == b"GGUF"
    assert f"{made}: step 2, " in told
    assert (folder / "run" / "curve.svg").read_text().startswith("<svg")
    assert f"llmstep eval held-out.jsonl --model {made}" in told
    assert f"llmstep suggest '⊢ 1 + 1 = 2' --model {made}" in told
    assert "models" not in told
    other = folder / "with space" / "other.gguf"
    other.parent.mkdir()
    told = invoke(folder, NEW, "--export-only", "--output", str(other), "--quantization", "F16")
    assert f'--model "{other}"' in told


@pytest.mark.parametrize(
    ("kind", "prompt", "way"),
    [("neox", "proofstep-plain", "convert"), ("byt5", "byt5", "import --link")],
)
def test_a_tuned_model_ends_as_a_folder_and_is_taken_in_with_its_prompt(
    folder: Path, kind: str, prompt: str, way: str
) -> None:
    build_model(folder / kind, kind)
    base = f'[base]\nmodel = "{kind}"\nprompt = "{prompt}"\n'
    plan = "[optimization]\nbudget_steps = 2\nvalidate_steps = 2\nkeep_best = true\nbf16 = false\n"
    told = invoke(folder, 'validation = ["rows.jsonl"]\n' + base + plan)
    made = folder / "run" / "model"
    assert (made / "config.json").is_file()
    assert "step 2, the best (validation loss " in told
    assert f"llmstep models {way} {made} --id mine --prompt {prompt}" in told
    assert "llmstep suggest '⊢ 1 + 1 = 2' --model mine" in told


def test_a_tuned_decoder_is_written_as_gguf_where_that_is_asked_for(folder: Path) -> None:
    build_model(folder / "llama", "llama")
    base = '[base]\nmodel = "llama"\nprompt = "proofstep"\nlayers = 3\n'
    plan = "[optimization]\nbudget_steps = 2\nbf16 = false\n"
    made = folder / "tuned.gguf"
    told = invoke(folder, base + plan, "--output", str(made))
    head = read_gguf_head(made)
    assert head.metadata["general.name"] == "Mine"
    assert head.metadata["llama.block_count"] == 3
    assert f"{made}: step 2, " in told
    assert f"llmstep models import {made} --id mine --prompt proofstep" in told
    build_model(folder / "byt5", "byt5")
    base = '[base]\nmodel = "byt5"\nprompt = "byt5"\n'
    other = ["--output", str(folder / "byt5.gguf"), "--run-dir", str(folder / "other")]
    with pytest.raises(ConversionError):
        invoke(folder, base + plan, *other)
    assert (folder / "other" / "model" / "config.json").is_file()


def test_only_the_first_process_tells_and_writes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "mine.toml").write_text(HEAD + NEW)
    joined: list[str] = []

    def join(manner: str) -> World:
        joined.append(manner)
        return World(rank=1, size=2, manner="fsdp")

    monkeypatch.setattr(distributed, "join", join)
    result = CliRunner().invoke(train, ["--config", str(folder / "mine.toml")])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("llmstep: process 1: Muon needs whole matrices")
    assert joined == ["ddp"]


def test_mistakes_reach_the_user(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "mine.toml").write_text(HEAD + NEW + "[optimisation]\n")
    places = ["--config", str(folder / "mine.toml"), "--run-dir", str(folder / "run")]
    with pytest.raises(RecipeError, match="optimisation"):
        CliRunner().invoke(train, places, catch_exceptions=False)
    (folder / "mine.toml").write_text(HEAD + NEW)
    with pytest.raises(CheckpointError, match="no checkpoint yet"):
        CliRunner().invoke(train, [*places, "--export-only"], catch_exceptions=False)
    monkeypatch.setitem(__import__("sys").modules, "llmstep_workshop.training.trainer", None)
    with pytest.raises(BackendUnavailableError, match="not installed") as caught:
        CliRunner().invoke(train, places, catch_exceptions=False)
    assert "[train]" in caught.value.hint
