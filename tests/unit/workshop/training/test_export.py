from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from gguf import GGUFReader
from transformers import LlamaForCausalLM

from llmstep_workshop.conversion.model_description import About
from llmstep_workshop.data.synthetic import generate
from llmstep_workshop.training.export import convert_folder
from llmstep_workshop.training.runs import export_checkpoint
from llmstep_workshop.training.tokenizer import load_tokenizer
from llmstep_workshop.training.trainer import Trainer

ABOUT = About("tiny", "a test model", "MIT", "nobody", "https://example.org")
AWKWARD = (
    "n : ℕ\ninst✝¹ᵅ⁻¹ : Foo 𝕜\nh₀ : (x  y)\n⊢ ∀ ε > 0, ‖f x‖₊ ≤ 12345 * ε⁻¹ 𝓝 don't [GOAL] \n\n  z",
    "a\tb   c\n   d ",
    "</s>",
    "ﬀ\u200b👩‍👩‍👧 e\u0301",
)


@pytest.fixture
def trained(make_recipe, data_dir, tmp_path) -> Trainer:
    """The run of a barely trained tiny model."""
    run = Trainer(make_recipe(budget_steps=3), data_dir, tmp_path / "run")
    run.run()
    return run


@pytest.fixture
def folder(trained: Trainer, data_dir: Path) -> Path:
    """The Hugging Face folder of that model."""
    return export_checkpoint(trained.recipe, data_dir, trained.run_dir)[0]


def test_the_file_describes_itself(folder: Path, tmp_path: Path) -> None:
    size = convert_folder(folder, tmp_path / "tiny.gguf", ABOUT)
    reader = GGUFReader(tmp_path / "tiny.gguf")
    assert size == (tmp_path / "tiny.gguf").stat().st_size
    expected = {
        "general.architecture": "llama",
        "general.name": "tiny",
        "general.license": "MIT",
        "general.author": "nobody",
        "general.url": "https://example.org",
        "llama.block_count": 1,
        "llama.context_length": 256,
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.add_bos_token": True,
    }
    for key, value in expected.items():
        field = reader.get_field(key)
        assert field is not None, key
        assert field.contents() == value
    types = reader.get_field("tokenizer.ggml.token_type")
    assert types is not None
    assert list(types.contents()[:6]) == [gguf.TokenType.CONTROL] * 5 + [gguf.TokenType.NORMAL]


def test_quantized_weights_are_close_to_the_originals(folder: Path, tmp_path: Path) -> None:
    convert_folder(folder, tmp_path / "tiny.gguf", ABOUT, "Q8_0")
    model = LlamaForCausalLM.from_pretrained(folder)
    tensors = {tensor.name: tensor for tensor in GGUFReader(tmp_path / "tiny.gguf").tensors}
    assert "output.weight" not in tensors
    down = tensors["blk.0.ffn_down.weight"]
    assert down.tensor_type == gguf.GGMLQuantizationType.Q8_0
    restored = gguf.quants.dequantize(down.data, down.tensor_type)
    original = model.model.layers[0].mlp.down_proj.weight.detach().numpy()
    assert np.abs(restored - original).max() <= np.abs(original).max() / 127
    assert tensors["output_norm.weight"].tensor_type == gguf.GGMLQuantizationType.F32


@pytest.mark.gguf
def test_llama_cpp_agrees_with_transformers(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    from llmstep.backends.llama_model import LlamaModel

    convert_folder(folder, tmp_path / "tiny.gguf", ABOUT, "F32")
    tokenizer = load_tokenizer(folder / "tokenizer.json")
    tokenizer.encode_special_tokens = True
    reference = LlamaForCausalLM.from_pretrained(folder).eval()
    model = LlamaModel(tmp_path / "tiny.gguf")
    try:
        model.open_context(256, 1, 1)
        for text in AWKWARD:
            ids = tokenizer.encode(text).ids
            assert model.tokenize(text.encode(), special=False) == ids
            model.clear()
            model.feed([1, 3, *ids, 4], 0, logits=True)
            with torch.inference_mode():
                expected = reference(torch.tensor([[1, 3, *ids, 4]])).logits[0, -1].numpy()
            assert np.abs(model.read_logits(1)[0] - expected).max() < 5e-3
    finally:
        model.close()


@pytest.mark.gguf
def test_likelihoods_agree_with_the_training_loss(
    trained: Trainer, folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    from llmstep.prompts.template import load_template
    from llmstep_workshop.evaluation.likelihood import LlamaMeter

    convert_folder(folder, tmp_path / "tiny.gguf", ABOUT, "F32")
    rows = list(generate(12, seed=8))
    pairs = trained.learner.encode(rows)
    expected = trained.measure_loss(pairs)
    meter = LlamaMeter(tmp_path / "tiny.gguf", load_template("proofstep"), 512, 1)
    try:
        scores = [meter.measure(row.state, row.tactic) for row in rows]
    finally:
        meter.close()
    tokens = sum(score.tokens for score in scores)
    assert tokens == sum(len(pair.target) for pair in pairs)
    assert sum(score.nll for score in scores) / tokens == pytest.approx(expected, abs=0.01)
