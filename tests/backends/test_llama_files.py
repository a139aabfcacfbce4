"""Model files that cannot be used, and models of another kind than a Llama."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

from llmstep.backends.base import (
    BackendOptions,
    CancelToken,
    Candidate,
    GenerationRequest,
    PromptPart,
    Sampling,
)
from llmstep.errors import ModelFileError, ModelNotFoundError

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")

from llmstep.backends.llama_cpp import LlamaCppBackend
from llmstep.backends.llama_library import load_library

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    GgufWriter = Callable[..., Path]

pytestmark = pytest.mark.gguf


def refuse(path: Path) -> ModelFileError:
    with pytest.raises(ModelFileError) as caught:
        LlamaCppBackend(BackendOptions(path=path, threads=1))
    assert path.name in caught.value.message
    assert caught.value.hint
    return caught.value


def test_a_model_file_must_be_named() -> None:
    with pytest.raises(ModelNotFoundError, match="none is named"):
        LlamaCppBackend(BackendOptions())


def test_a_missing_file(tmp_path: Path) -> None:
    assert "there is no model file" in refuse(tmp_path / "none.gguf").message


def test_a_file_larger_than_memory(tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmstep.backends.llama_model.whole_memory", lambda: 100_000)
    assert "0.0 GB, this machine 0.0 GB of memory" in refuse(tiny_gguf).message


def test_a_folder(tmp_path: Path) -> None:
    assert "cannot read" in refuse(tmp_path).message


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "locked.gguf"
    path.write_bytes(b"GGUF")
    path.chmod(0)
    assert "Permission denied" in refuse(path).message


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "is empty"),
        (b"GGUF", "is cut short"),
        (b"GGML" + bytes(100), "is no GGUF file"),
        (bytes(1000), "is no GGUF file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
    ],
)
def test_a_file_of_another_kind(tmp_path: Path, content: bytes, cause: str) -> None:
    path = tmp_path / "other.gguf"
    path.write_bytes(content)
    assert cause in refuse(path).message


def test_a_file_cut_anywhere_is_refused_and_the_process_lives(
    tiny_gguf: Path, tmp_path: Path
) -> None:
    whole = tiny_gguf.read_bytes()
    path = tmp_path / "cut.gguf"
    lengths = {*range(0, len(whole), len(whole) // 40), len(whole) - 1, len(whole) - 33}
    for length in sorted(lengths):
        path.write_bytes(whole[:length])
        refuse(path)


def test_damaged_heads_do_not_end_the_process(tiny_gguf: Path, tmp_path: Path) -> None:
    whole = tiny_gguf.read_bytes()
    path = tmp_path / "damaged.gguf"
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        data = bytearray(whole)
        data[int(rng.integers(0, 700))] ^= 1 << int(rng.integers(0, 8))
        path.write_bytes(data)
        try:
            LlamaCppBackend(BackendOptions(path=path, threads=1, max_candidates=2)).close()
        except ModelFileError as error:
            refused += path.name in error.message
    assert refused > 10


def test_an_unknown_architecture_is_quoted(tmp_path: Path, make_gguf: GgufWriter) -> None:
    error = refuse(make_gguf(tmp_path / "odd.gguf", "quux"))
    assert "unknown model architecture: 'quux'" in error.message


def test_missing_tensors_are_quoted(tmp_path: Path, make_gguf: GgufWriter) -> None:
    error = refuse(make_gguf(tmp_path / "bare.gguf", tensors=""))
    assert "architecture llama" in error.message


def test_an_encoder_is_named(tmp_path: Path, make_gguf: GgufWriter) -> None:
    error = refuse(make_gguf(tmp_path / "bert.gguf", "bert", bert__attention__causal=False))
    assert "is an encoder (bert)" in error.message
    assert "decoder-only" in error.hint


def test_an_encoder_decoder_is_named(tmp_path: Path, make_gguf: GgufWriter) -> None:
    error = refuse(make_gguf(tmp_path / "t5.gguf", "t5", tensors="t5"))
    assert "is an encoder-decoder" in error.message


def test_a_file_name_may_hold_any_character(tiny_gguf: Path, tmp_path: Path) -> None:
    path = tmp_path / "modèle ⊢ 𝕜 ' .gguf"
    path.write_bytes(tiny_gguf.read_bytes())
    LlamaCppBackend(BackendOptions(path=path, threads=1)).close()


def test_a_failed_load_writes_nothing_to_the_standard_streams(
    tmp_path: Path, make_gguf: GgufWriter, capfd: pytest.CaptureFixture[str]
) -> None:
    refuse(make_gguf(tmp_path / "odd.gguf", "quux"))
    refuse(make_gguf(tmp_path / "bare.gguf", tensors=""))
    assert capfd.readouterr() == ("", "")


def test_a_recurrent_model_answers_the_same_warm_and_cold(
    tmp_path: Path, make_gguf: GgufWriter
) -> None:
    """Its state knows no way back, so a changed prompt is computed anew; a grown one is not."""
    path = make_gguf(tmp_path / "mamba.gguf", "mamba", tensors="mamba")

    def ask(backend: LlamaCppBackend, goal: str) -> tuple[list[Candidate], int]:
        found: list[Candidate] = []
        prompt = (PromptPart("[GOAL]", True), PromptPart(goal), PromptPart("[PROOFSTEP]", True))
        request = GenerationRequest(prompt, sampling=Sampling(n=5, max_tokens=10))
        stats = backend.generate(request, CancelToken(), found.append)
        return found, stats.reused_tokens

    options = BackendOptions(path=path, threads=1, max_candidates=8)
    warm = LlamaCppBackend(options)
    for goal in ("⊢ p", "h : p\n⊢ p ∧ q", "h : p\n⊢ p ∧ q", "⊢ p"):
        cold = LlamaCppBackend(options)
        expected, _ = ask(cold, goal)
        cold.close()
        found, _ = ask(warm, goal)
        assert len(found) >= 3
        assert [c.text for c in found] == [c.text for c in expected]
        np.testing.assert_allclose(
            [c.logprob for c in found], [c.logprob for c in expected], rtol=1e-3
        )
    assert ask(warm, "⊢ p")[1] > 0
    warm.close()


@pytest.mark.parametrize("splitter", ["gpt-2", "deepseek-llm", "deepseek-coder"])
@pytest.mark.parametrize("character", ["a", " ", "\n", "(", "⊢", "x "])
def test_endless_words_do_not_overflow_the_stack(
    tmp_path: Path, make_gguf: GgufWriter, splitter: str, character: str
) -> None:
    path = make_gguf(tmp_path / "tiny.gguf", splitter=splitter)
    backend = LlamaCppBackend(BackendOptions(path=path, threads=1, max_candidates=1))
    text = "theorem foo " + character * 60_000
    model = backend._model
    tokens = model.tokenize(text.encode(), special=False)
    assert b"".join(model.vocabulary.pieces[t] for t in tokens) == text.encode()
    assert backend.count_tokens(text) == len(tokens)
    backend.close()


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "Q4_K_M"])
def test_quantized_weights_run(builtin_gguf: Path, tmp_path: Path, kind: str) -> None:
    """Repacked for this processor's matrix unit, they have crashed whole processes."""
    library = load_library()
    path = tmp_path / "quantized.gguf"
    params = library.llama_model_quantize_default_params()
    params.ftype = getattr(library, f"LLAMA_FTYPE_MOSTLY_{kind}")
    params.allow_requantize = True
    assert library.llama_model_quantize(bytes(builtin_gguf), bytes(path), params) == 0
    backend = LlamaCppBackend(BackendOptions(path=path, threads=2))
    found: list[Candidate] = []
    prompt = (PromptPart("[GOAL]", True), PromptPart("⊢ p ∧ q"), PromptPart("[PROOFSTEP]", True))
    backend.generate(GenerationRequest(prompt), CancelToken(), found.append)
    backend.close()
    assert len(found) >= 8
