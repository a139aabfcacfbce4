from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from tests.unit.workshop.conversion.folders import change_config

from llmstep.backends.hf_files import read_checkpoint
from llmstep.service.recommend import CONVERTIBLE
from llmstep_workshop.conversion.architecture import (
    FAMILIES,
    interleave_halves,
    plan_tensors,
    read_shape,
    split_heads,
)
from llmstep_workshop.conversion.weights import open_weights
from llmstep_workshop.errors import ConversionError


class Shapes:
    """Weights of which only the names count."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def names(self) -> Any:
        return self._names

    def shape(self, name: str) -> tuple[int, ...]:
        return (4, 4)

    def stored_as(self, name: str) -> str:
        return "F32"

    def read(self, name: str) -> Any:
        return np.zeros((4, 4), dtype=np.float32)


def test_rows_are_interleaved_per_head() -> None:
    weight = np.arange(8)[:, None] * np.ones((1, 3))
    assert interleave_halves(weight, 2)[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]
    assert interleave_halves(np.arange(8), 2).tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_a_fused_projection_is_taken_apart() -> None:
    fused = np.array(["q0", "q0", "k0", "k0", "v0", "v0", "q1", "q1", "k1", "k1", "v1", "v1"])
    parts = split_heads(fused, 2)
    assert "".join(parts) == "q0q0q1q1k0k0k1k1v0v0v1v1"


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"architectures": ["GemmaForCausalLM"]}, "is a GemmaForCausalLM, which cannot"),
        ({"architectures": None, "model_type": "bert"}, "is a bert, which cannot"),
        ({"hidden_act": "relu"}, "has the activation 'relu'"),
        ({"quantization_config": {"quant_method": "awq"}}, "is quantized already"),
        ({"num_hidden_layers": None}, "lacks a number"),
        ({"num_attention_heads": "four"}, "lacks a number"),
        ({"rope_parameters": {"rope_type": "longrope"}}, "positions of the kind 'longrope'"),
        ({"num_hidden_layers": 3}, r"lacks \d+ of the model's tensors, e.g. what would be blk.2"),
        (
            {"tie_word_embeddings": True, "num_hidden_layers": 1},
            "no place for the tensor .*layers.1",
        ),
    ],
)
def test_what_cannot_be_converted_is_told(
    values: dict[str, Any], problem: str, make_folder: Callable[..., Path]
) -> None:
    folder = make_folder()
    change_config(folder, **values)
    checkpoint = read_checkpoint(folder)
    with pytest.raises(ConversionError, match=problem) as caught:
        plan_tensors(read_shape(checkpoint), open_weights(checkpoint))
    assert caught.value.hint


def test_the_supported_architectures_are_named(make_folder: Callable[..., Path]) -> None:
    folder = make_folder()
    change_config(folder, architectures=["GemmaForCausalLM"])
    with pytest.raises(ConversionError) as caught:
        read_shape(read_checkpoint(folder))
    for name in ("GPTNeoXForCausalLM", "LlamaForCausalLM", "Qwen3ForCausalLM"):
        assert name in caught.value.hint


def test_a_sliding_window_bounds_the_context(make_folder: Callable[..., Path]) -> None:
    checkpoint = read_checkpoint(make_folder("mistral", sliding_window=32))
    assert read_shape(checkpoint).context == 32
    unused = {**checkpoint.config, "use_sliding_window": False}
    assert read_shape(attrs.evolve(checkpoint, config=unused)).context == 256


def test_blocks_are_written_in_their_order(make_folder: Callable[..., Path]) -> None:
    checkpoint = read_checkpoint(make_folder("neox"))
    plans = plan_tensors(read_shape(checkpoint), open_weights(checkpoint))
    names = [plan.name for plan in plans]
    assert names[0] == "token_embd.weight"
    assert names[-1] == "output_norm.weight"
    assert names.index("blk.0.attn_qkv.weight") < names.index("blk.1.attn_norm.weight")
    assert sum(plan.reorder is not None for plan in plans) == 4  # weight and bias of two layers


def test_buffers_of_older_versions_are_left_out(make_folder: Callable[..., Path]) -> None:
    shape = read_shape(read_checkpoint(make_folder("neox")))
    with pytest.raises(ConversionError, match=r"e\.g\. what would be") as caught:
        plan_tensors(shape, Shapes("gpt_neox.layers.0.attention.rotary_emb.inv_freq"))
    assert "rotary" not in caught.value.message


def test_what_is_recommended_as_converted_can_be_converted() -> None:
    names = {name.removesuffix("ForCausalLM").lower() for name in FAMILIES}
    assert {name.replace("_", "") for name in CONVERTIBLE} == names
