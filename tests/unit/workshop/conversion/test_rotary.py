from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from llmstep_workshop.conversion.rotary import read_rotary
from llmstep_workshop.errors import ConversionError

SIZES = {"max_position_embeddings": 128}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"model_type": "llama"}, (64, 10000.0, "default")),
        ({"model_type": "llama", "rope_theta": 1e6, "rope_scaling": None}, (64, 1e6, "default")),
        ({"model_type": "llama", "rope_parameters": {"rope_theta": 5.0}}, (64, 5.0, "default")),
        (
            {"model_type": "llama", "rope_scaling": {"type": "linear", "factor": 4.0}},
            (64, 1e4, "linear"),
        ),
        ({"model_type": "gpt_neox"}, (16, 10000.0, "default")),
        (
            {"model_type": "gpt_neox", "rotary_pct": 0.5, "rotary_emb_base": 99},
            (32, 99.0, "default"),
        ),
        (
            {"model_type": "gpt_neox", "rope_parameters": {"partial_rotary_factor": 1.0}},
            (64, 10000.0, "default"),
        ),
    ],
)
def test_old_and_new_ways_to_write_it(config: dict[str, Any], expected: tuple[Any, ...]) -> None:
    rotary = read_rotary(SIZES | config, 64)
    assert (rotary.size, rotary.base, rotary.kind) == expected
    assert rotary.frequency_factors() is None


def test_llama3_factors_are_those_of_transformers() -> None:
    config = LlamaConfig(
        hidden_size=512,
        num_attention_heads=4,
        max_position_embeddings=131072,
        rope_parameters=LLAMA3,
    )
    frequencies, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
    rotary = read_rotary({"model_type": "llama", "rope_parameters": LLAMA3} | SIZES, 128)
    factors = rotary.frequency_factors()
    assert factors is not None
    plain = 1 / 500000.0 ** (np.arange(0, 128, 2) / 128)
    assert factors.min() == 1
    assert factors.max() == pytest.approx(8)
    np.testing.assert_allclose(plain / factors, frequencies.numpy(), rtol=1e-5)


@pytest.mark.parametrize(
    "scaling",
    [
        {"rope_type": "dynamic", "factor": 2.0},
        {"rope_type": "yarn", "factor": 2.0, "beta_fast": 8},
        {"rope_type": "yarn", "factor": 2.0, "mscale": 0.7},
    ],
)
def test_what_llama_cpp_does_not_compute_is_refused(scaling: dict[str, Any]) -> None:
    with pytest.raises(ConversionError, match="cannot be converted"):
        read_rotary({"model_type": "llama", "rope_scaling": scaling} | SIZES, 64)
