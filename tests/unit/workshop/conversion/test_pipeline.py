"""A converted file says what its folder says: every architecture, tokenizer and variation."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")

from llmstep.backends.gguf_file import read_gguf_head
from llmstep.backends.hf_files import read_checkpoint
from llmstep_workshop.conversion import architecture, pipeline
from llmstep_workshop.conversion.model_description import About
from llmstep_workshop.conversion.pipeline import Report, convert, plan_conversion
from llmstep_workshop.errors import ConversionError

pytestmark = [pytest.mark.gguf, pytest.mark.hf]
ABOUT = About("tiny", "", "MIT", "")
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
YARN = {
    "rope_type": "yarn",
    "rope_theta": 10000.0,
    "factor": 4.0,
    "original_max_position_embeddings": 64,
}
LINEAR = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}


def run(folder: Path, target: Path, quant: str = "F16", **options: Any) -> Report:
    plan = plan_conversion(read_checkpoint(folder), quant)
    return convert(plan, target, ABOUT, **{"compare": True, **options})


@pytest.mark.parametrize(
    ("kind", "tokenizer", "values"),
    [
        ("neox", "gpt-2", {}),
        ("neox", "gpt-2", {"use_parallel_residual": False, "tie_word_embeddings": True}),
        ("neox", "gpt-2", {"rope_parameters": {"rope_theta": 500.0, "partial_rotary_factor": 0.5}}),
        ("llama", "llama", {}),
        ("llama", "llama-new", {"rope_parameters": LINEAR}),
        ("llama", "llama-bpe", {"rope_parameters": LLAMA3}),
        ("llama", "deepseek-coder", {"attention_bias": True}),
        ("llama", "starcoder", {"tie_word_embeddings": True, "shard": "50KB"}),
        ("llama", "t5", {}),
        ("mistral", "llama", {"sliding_window": 32}),
        ("qwen2", "qwen2", {}),
        ("qwen2", "qwen2", {"rope_parameters": YARN}),
        ("qwen3", "qwen2", {}),
    ],
)
def test_the_file_has_the_folders_log_probabilities(
    kind: str, tokenizer: str, values: Any, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    report = run(make_folder(kind, tokenizer, **values), tmp_path / "tiny.gguf")
    assert report.folder is not None
    assert report.folder.positions > 200
    assert report.folder.mean < 0.01
    assert report.folder.agreement > 0.98
    assert report.tokens > 400
    assert report.quantized is None
    assert report.size_bytes == (tmp_path / "tiny.gguf").stat().st_size


def test_a_quantized_file_is_compared_with_the_unquantized_one(
    make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    report = run(make_folder("neox"), tmp_path / "tiny.gguf", "Q8_0")
    assert report.quantized is not None
    assert 0.9 < report.quantized.agreement <= 1
    assert 0.001 < report.quantized.mean < 0.1
    # Neither the 16-bit file nor an unfinished one is left.
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["tiny.gguf"]


def test_a_folder_in_bfloat16_goes_through_bfloat16(
    make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_folder("qwen2", "qwen2", dtype=torch.bfloat16)
    assert plan_conversion(read_checkpoint(folder), "Q8_0").written == "BF16"
    report = run(folder, tmp_path / "tiny.gguf", "BF16")
    assert report.folder is not None
    assert report.folder.mean < 0.03


@pytest.mark.parametrize("quant", ["Q4_K_M", "Q4_0"])
def test_blocks_of_256_are_quantized_to_a_fraction(
    quant: str, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    steps: list[tuple[str, int, int]] = []
    folder = make_folder("llama", hidden=256)
    target = tmp_path / "new" / "tiny.gguf"
    report = run(folder, target, quant, compare=False, on_step=lambda *step: steps.append(step))
    assert report.folder is None
    plan = plan_conversion(read_checkpoint(folder), "F32")
    weights = plan.checkpoint.parameters
    assert report.size_bytes < weights * 0.85  # 16 bits would be twice the weights
    assert read_gguf_head(target).metadata["general.file_type"] == {"Q4_K_M": 15, "Q4_0": 2}[quant]
    names = list(dict.fromkeys(name for name, _, _ in steps))
    assert names == ["writing F16", f"quantizing to {quant}"]
    for name in names:
        done = [(at, total) for step, at, total in steps if step == name]
        assert done == sorted(done)
        assert done[-1][0] == done[-1][1]


def test_what_is_needed_is_compared_with_the_disk(
    make_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_conversion(read_checkpoint(make_folder()), "Q4_K_M")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(pipeline.shutil, "disk_usage", lambda _: usage(10**9, 10**9, 1000))
    with pytest.raises(ConversionError, match=r"needs 0\.1 GB on the disk of .*0\.0 GB are free"):
        convert(plan, tmp_path / "tiny.gguf", ABOUT, compare=False)
    big = attrs.evolve(plan.checkpoint, parameters=7 * 10**9)
    assert not attrs.evolve(plan, checkpoint=big).is_small
    assert not list(tmp_path.glob("*.gguf*"))


def test_a_file_that_does_not_match_is_not_left(
    make_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the rows of queries and keys were left as they are."""
    monkeypatch.setattr(architecture, "interleave_halves", lambda weight, _: weight)
    (tmp_path / "tiny.gguf").write_bytes(b"the old one")
    with pytest.raises(
        ConversionError, match="log-probabilities differ from the folder's"
    ) as caught:
        run(make_folder(), tmp_path / "tiny.gguf", "Q8_0")
    assert "transformers backend" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["tiny.gguf"]
    assert (tmp_path / "tiny.gguf").read_bytes() == b"the old one"


@pytest.mark.parametrize(
    ("key", "wrong"), [("rope_theta", 20000.0), ("rms_norm_eps", 0.05), ("num_key_value_heads", 4)]
)
def test_a_wrong_number_is_noticed(
    key: str, wrong: float, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    checkpoint = read_checkpoint(make_folder())
    config: dict[str, Any] = {**checkpoint.config, key: wrong}
    if key == "rope_theta":
        config["rope_parameters"] = {"rope_type": "default", key: wrong}
    plan = plan_conversion(attrs.evolve(checkpoint, config=config), "F16")
    with pytest.raises(Exception, match=r"log-probabilities differ|llama\.cpp cannot load"):
        convert(plan, tmp_path / "tiny.gguf", ABOUT, compare=True)
    assert not list(tmp_path.glob("*.gguf*"))
