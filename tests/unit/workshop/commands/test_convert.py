"""`llmstep models convert` on the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

pytest.importorskip("torch", reason="the [train] extra is not installed")
pytest.importorskip("transformers", reason="the [train] extra is not installed")
pytest.importorskip("gguf", reason="the [train] extra is not installed")
pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")

from tests.unit.workshop.conversion.folders import change_config, write_folder

from llmstep.commands.models import models
from llmstep.errors import ConfigError, LLMStepError, ModelFileError
from llmstep.service.catalog import find_model
from llmstep.service.verification import verify_model

pytestmark = [pytest.mark.gguf, pytest.mark.hf]
CARD = """
id = "prover"
aliases = ["someone/prover"]
name = "Prover"
backends = ["transformers"]
licence = "MIT"
prompt = "byt5"
stop = ["\\n\\n"]
proof = "kimina"
seen_lean = true
scores = [{ task = "step", benchmark = "miniF2F", percent = 30, source = "https://x.org" }]
[sampling]
temperature = 0.5
max_tokens = 33
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path / "home"))
    place = tmp_path / "home" / "data" / "models"
    place.mkdir(parents=True)
    return place


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "My Model", "neox")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(models, ["convert", *map(str, arguments)], catch_exceptions=False)


def test_the_result_is_a_model_at_once(folder: Path, home: Path) -> None:
    result = run(folder, "--quant", "q8_0")
    assert result.stdout == "my-model-q8_0\n"
    for line in (
        "writing F16 ...",
        "comparing with the folder ...",
        "quantizing to Q8_0 ...",
        "tokenizer: ",
        "unquantized against the folder: likeliest token the same at",
        "Q8_0 against unquantized: ",
        "use it with `--model my-model-q8_0`",
    ):
        assert line in result.stderr
    model = find_model("my-model-q8_0")
    assert model.path == home / "my-model-q8_0" / "my-model-q8_0.gguf"
    assert (model.card.prompt, model.card.architecture) == ("proofstep-plain", "gptneox")
    assert model.card.context_length == 256
    assert verify_model(model).compared == ("size", "sha256")
    assert not list((home / ".incoming").iterdir())


def test_a_card_hands_on_its_prompt_licence_and_sampling(folder: Path, home: Path) -> None:
    (home / "prover.toml").write_text(CARD)
    folder.rename(home / "prover")
    assert run("someone/prover", "--quant", "F16", "--no-check").stdout == "prover-f16\n"
    card = find_model("prover-f16").card
    assert (card.prompt, card.licence, card.stop) == ("byt5", "MIT", ("\n\n",))
    assert (card.sampling.temperature, card.sampling.max_tokens) == (0.5, 33)
    assert (card.sampling.top_p, card.sampling.n) == (0.95, None)
    # What it is worth, and that it writes proofs, holds for the file as well.
    assert (card.proof, card.seen_lean, card.scores[0].percent) == ("kimina", True, 30.0)


def test_another_place_is_linked(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere" / "x.gguf"
    options = ("--output", target, "--id", "mine", "--prompt", "proofstep", "--no-check")
    result = run(folder, "--quant", "Q8_0", *options)
    assert result.stdout == "mine\n"
    assert "comparing" not in result.stderr
    model = find_model("mine")
    assert model.path is not None
    assert model.path.resolve() == target
    assert model.card.prompt == "proofstep"
    assert [path.name for path in target.parent.iterdir()] == ["x.gguf"]


def test_a_taken_name_is_told_before_the_work(folder: Path) -> None:
    with pytest.raises(ConfigError, match="there is a model 'builtin' already"):
        run(folder, "--id", "builtin")


def test_an_unknown_prompt_is_told_before_the_work(folder: Path, home: Path) -> None:
    with pytest.raises(LLMStepError, match="proofstp"):
        run(folder, "--prompt", "proofstp")
    assert not list(home.iterdir())


def test_a_failure_leaves_nothing(folder: Path, home: Path) -> None:
    change_config(folder, rms_norm_eps=1e-5, layer_norm_eps=3.0)
    original = (folder / "config.json").read_text()
    change_config(folder, architectures=["GemmaForCausalLM"])
    with pytest.raises(LLMStepError, match="cannot be converted"):
        run(folder)
    (folder / "config.json").write_text(original)
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelFileError, match=r"tokenizer\.json cannot be read"):
        run(folder)
    assert [path.name for path in home.iterdir()] in ([], [".incoming"])
    assert not any((home / ".incoming").glob("*"))


def test_pickles_need_a_word(folder: Path) -> None:
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelFileError, match="pickle can run any program"):
        run(folder)
    assert run(folder, "--allow-pickle", "--quant", "Q8_0").stdout == "my-model-q8_0\n"


@pytest.mark.parametrize("library", ["gguf", "llmstep_workshop.conversion.pipeline"])
def test_a_missing_library_is_named(
    library: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("llmstep_workshop.conversion")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(LLMStepError, match=library) as caught:
        run(folder)
    assert "[convert]" in caught.value.hint


def test_help_needs_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    result: Any = CliRunner().invoke(models, ["convert", "--help"])
    assert result.exit_code == 0
    assert "q4_k_m" in result.output.lower()
