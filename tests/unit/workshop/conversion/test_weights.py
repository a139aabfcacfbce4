from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from llmstep.backends.hf_files import read_checkpoint
from llmstep.errors import BackendUnavailableError, ModelFileError
from llmstep_workshop.conversion.weights import open_weights
from llmstep_workshop.errors import ConversionError

VALUES = torch.tensor([[1.5, -2.25, 0.0], [65504.0, 1e-3, 3.0]])


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Write a folder with the given tensors."""

    def write(pickled: bool = False, **tensors: torch.Tensor) -> Path:
        (tmp_path / "config.json").write_text('{"model_type": "llama"}')
        if pickled:
            torch.save(tensors, tmp_path / "pytorch_model.bin")
        else:
            save_file(tensors, tmp_path / "model.safetensors")
        return tmp_path

    return write


@pytest.mark.parametrize("pickled", [False, True])
@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        (torch.float64, "F64"),
        (torch.float32, "F32"),
        (torch.float16, "F16"),
        (torch.bfloat16, "BF16"),
    ],
)
def test_every_float_is_read_in_32_bits(
    dtype: torch.dtype, name: str, pickled: bool, save: Callable[..., Path]
) -> None:
    tensor = VALUES.to(dtype)
    folder = save(pickled, first=torch.ones(3), second=tensor)
    weights = open_weights(read_checkpoint(folder, allow_pickle=pickled))
    assert set(weights.names()) == {"first", "second"}
    assert weights.shape("second") == (2, 3)
    assert weights.stored_as("second") == name
    found = weights.read("second")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, tensor.float().numpy())


@pytest.mark.parametrize("pickled", [False, True])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_refused(bad: float, pickled: bool, save: Callable[..., Path]) -> None:
    folder = save(pickled, broken=torch.tensor([1.0, bad, bad, 2.0]))
    weights = open_weights(read_checkpoint(folder, allow_pickle=pickled))
    with pytest.raises(ConversionError, match="the tensor broken holds values that are no numbers"):
        weights.read("broken")


@pytest.mark.parametrize("pickled", [False, True])
def test_weights_that_are_quantized_already(pickled: bool, save: Callable[..., Path]) -> None:
    folder = save(pickled, w=torch.ones(4, dtype=torch.int8))
    weights = open_weights(read_checkpoint(folder, allow_pickle=pickled))
    with pytest.raises(ConversionError, match="which is no plain float"):
        weights.read("w")


def test_pickles_are_refused_unless_allowed(save: Callable[..., Path]) -> None:
    with pytest.raises(ModelFileError, match="pickle can run any program"):
        read_checkpoint(save(pickled=True, w=torch.ones(2)))


def test_a_pickle_that_runs_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    torch.save({"w": Path("x")}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ConversionError, match="cannot be read"):
        open_weights(read_checkpoint(tmp_path, allow_pickle=True))


def test_pickles_without_torch(save: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = read_checkpoint(save(pickled=True, w=torch.ones(2)), allow_pickle=True)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(BackendUnavailableError, match="need torch"):
        open_weights(checkpoint)
