from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs
import numpy as np
import pytest

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")

from tests.unit.workshop.conversion.folders import TOKENIZERS

from llmstep.backends import hf_files
from llmstep.backends.hf_files import read_checkpoint
from llmstep.backends.llama_model import LlamaModel
from llmstep.errors import ModelFileError
from llmstep_workshop.conversion import parity
from llmstep_workshop.conversion.model_description import About
from llmstep_workshop.conversion.parity import (
    TEXTS,
    Passage,
    compare_models,
    compare_tokens,
    feed_of,
    open_reader,
    split_texts,
)
from llmstep_workshop.conversion.writer import write_gguf
from llmstep_workshop.errors import ConversionError

pytestmark = pytest.mark.gguf


@pytest.fixture
def folder(make_folder: Callable[..., Path]) -> Path:
    return make_folder()


@pytest.fixture
def model(folder: Path, tmp_path: Path) -> Iterator[LlamaModel]:
    write_gguf(read_checkpoint(folder), tmp_path / "a.gguf", About("t", "", "", ""), "F16")
    model = open_reader(tmp_path / "a.gguf")
    yield model
    model.close()


def test_the_texts_hold_what_tokenizers_stumble_over() -> None:
    joined = "".join(TEXTS)
    signs = ("✝", "ᵅ", "⁻¹", "⊢", "𝕜", "\n\n", "  ", "\t", "I'll", "don't")
    assert all(sign in joined for sign in signs)
    assert any(text.startswith(" ") for text in TEXTS)


def test_another_tokenizer_is_noticed(folder: Path, model: LlamaModel) -> None:
    assert compare_tokens(folder, model) > 400
    TOKENIZERS["qwen2"]().save(str(folder / "tokenizer.json"))
    with pytest.raises(ConversionError, match=r"otherwise than the folder's tokenizer: token \d+"):
        compare_tokens(folder, model)


def test_a_shorter_answer_is_noticed(folder: Path, model: LlamaModel) -> None:
    class Shorter:
        def tokenize(self, text: bytes, *, special: bool) -> list[int]:
            return model.tokenize(text, special=special)[:-1]

    with pytest.raises(ConversionError, match="is missing, not"):
        compare_tokens(folder, Shorter())  # pyright: ignore[reportArgumentType]


def test_a_model_agrees_with_itself_and_not_with_noise(model: LlamaModel) -> None:
    rows = len(model.vocabulary)
    rng = np.random.default_rng(1)

    def itself(tokens: object, position: int) -> np.ndarray:
        return model.read_logits(1)[0]

    same = compare_models(model, itself, split_texts(model, TEXTS[:2]))
    assert (same.largest, same.agreement) == (0, 1)
    other = compare_models(model, lambda *_: rng.normal(0, 3, rows), split_texts(model, TEXTS[:2]))
    assert other.mean > 1
    assert other.agreement < 0.2
    assert other.positions == same.positions


def test_only_places_from_the_start_on_are_compared(model: LlamaModel, tmp_path: Path) -> None:
    whole = split_texts(model, TEXTS[:1])[0]
    rng = np.random.default_rng(1)
    fed: list[tuple[int, int]] = []

    def other(tokens: Sequence[int], position: int) -> np.ndarray:
        fed.append((position, len(tokens)))
        return rng.normal(0, 3, len(model.vocabulary))

    late = Passage(whole.tokens, len(whole.tokens) - 2)
    assert compare_models(model, other, [late]).positions == 2
    assert fed == [(0, late.start + 1), (late.start + 1, 1)]
    twin = open_reader(tmp_path / "a.gguf")
    again = compare_models(model, feed_of(twin), [whole])
    twin.close()
    assert (again.largest, again.positions) == (0, len(whole.tokens))


def test_a_model_too_large_for_memory_is_told_before_loading(
    folder: Path, model: LlamaModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parity, "free_memory", lambda: 10**9)
    checkpoint = attrs.evolve(read_checkpoint(folder), parameters=7 * 10**9)
    with pytest.raises(ModelFileError, match=r"needs 14\.\d GB; 1\.0 GB"):
        parity.compare_with_folder(checkpoint, model, is_brain=False)


def test_a_small_memory_takes_bfloat16(
    folder: Path, model: LlamaModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = read_checkpoint(folder)
    monkeypatch.setattr(parity, "free_memory", lambda: 6 * checkpoint.parameters)
    monkeypatch.setattr(hf_files, "_HEADROOM", 0)
    drift = parity.compare_with_folder(checkpoint, model, is_brain=False, texts=TEXTS[:3])
    assert 0.001 < drift.mean < parity.BRAIN_TOLERANCE[0]
