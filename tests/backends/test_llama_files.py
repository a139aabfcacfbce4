"""Model files that cannot be used, and models of another kind than a Llama."""

from __future__ import annotations

import os
import subprocess
import sys
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
from llmstep.errors import GenerationError, ModelFileError, ModelNotFoundError
from llmstep.service.catalog import find_model, fingerprint

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


REQUEST = GenerationRequest((PromptPart("⊢ p"),), "", sampling=Sampling(n=2, max_tokens=4))


def _ask(backend: LlamaCppBackend) -> list[str]:
    found: list[str] = []
    backend.generate(REQUEST, CancelToken(), lambda candidate: found.append(candidate.text))
    return found


def test_a_file_replaced_by_rename_is_loaded_anew(
    tiny_gguf: Path, tmp_path: Path, make_gguf: GgufWriter
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(tiny_gguf.read_bytes())
    backend = LlamaCppBackend(BackendOptions(path=path))
    before = _ask(backend)
    assert _ask(backend) == before
    make_gguf(tmp_path / "new.gguf", context_length=256).replace(path)
    assert _ask(backend)
    assert backend.info.context_tokens == 256
    path.unlink()
    with pytest.raises(ModelFileError, match="there is no model file"):
        _ask(backend)
    path.write_bytes(tiny_gguf.read_bytes())
    assert _ask(backend) == before
    backend.close()
    with pytest.raises(GenerationError, match="closed"):
        _ask(backend)


@pytest.mark.parametrize("damage", ["truncated", "emptied", "rewritten", "another", "a folder"])
def test_a_file_changed_in_place_costs_an_error_and_not_the_process(
    tiny_gguf: Path, tmp_path: Path, damage: str
) -> None:
    """In a process of its own: before, the next request ended it with SIGBUS."""
    path = tmp_path / "model.gguf"
    path.write_bytes(tiny_gguf.read_bytes())
    program = f"""
import sys
from pathlib import Path
from llmstep.backends.base import *
from llmstep.backends.llama_cpp import LlamaCppBackend
from llmstep.errors import LLMStepError
path, whole = Path({str(path)!r}), Path({str(tiny_gguf)!r}).read_bytes()
def ask():
    request = GenerationRequest((PromptPart("⊢ p" * 40),), "", sampling=Sampling(n=2, max_tokens=4))
    found = []
    try:
        backend.generate(request, CancelToken(), lambda c: found.append(c.text))
    except LLMStepError as error:
        return error.message
    return len(found)
backend = LlamaCppBackend(BackendOptions(path=path))
assert ask() == 2
damage = {damage!r}
if damage == "a folder":
    path.unlink(); path.mkdir()
else:
    with path.open("r+b") as file:
        if damage == "rewritten":
            file.write(whole[: len(whole) // 2]); file.truncate()
        elif damage == "another":
            file.write(b"not a model")
        else:
            file.truncate(0 if damage == "emptied" else len(whole) // 3)
print(ask())
path.rmdir() if path.is_dir() else None
path.write_bytes(whole)
print(ask())
"""
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
    told, after = result.stdout.splitlines()
    words = {"emptied": "is empty", "another": "is no GGUF file", "a folder": "directory"}
    assert words.get(damage, "is cut short") in told
    assert after == "2"


@pytest.fixture
def parts(tmp_path: Path, make_gguf: GgufWriter) -> list[Path]:
    (tmp_path / "split").mkdir()
    make_gguf(tmp_path / "split" / "model.gguf", most_tensors=9)
    found = sorted((tmp_path / "split").glob("model-*.gguf"))
    assert len(found) == 3
    return found


def test_a_split_model_is_named_by_its_first_part(parts: list[Path], tmp_path: Path) -> None:
    backend = LlamaCppBackend(BackendOptions(path=parts[0]))
    assert _ask(backend)
    assert backend.info.size_bytes == sum(part.stat().st_size for part in parts)
    before = fingerprint(parts[0])
    backend.close()
    # A later part counts as well.
    data = bytearray(parts[2].read_bytes())
    data[-1] ^= 1
    parts[2].write_bytes(data)
    assert fingerprint(parts[0]) != before
    error = refuse(parts[1])
    assert "not the first part" in error.message
    assert parts[0].name in error.hint


def test_a_split_model_in_the_hubs_cache_is_links_to_blobs(
    parts: list[Path], tmp_path: Path
) -> None:
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "0123abc"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    for number, part in enumerate(parts):
        part.replace(blobs / (f"{number}f" * 32))
        (snapshot / part.name).symlink_to(blobs / (f"{number}f" * 32))
    found = find_model(str(snapshot / parts[0].name))
    backend = LlamaCppBackend(BackendOptions(path=found.path))
    assert _ask(backend)
    backend.close()


@pytest.mark.parametrize("damage", ["missing", "the wrong one", "of another model", "renamed"])
def test_a_part_that_is_missing_or_another_is_named(
    parts: list[Path], tiny_gguf: Path, damage: str
) -> None:
    if damage == "missing":
        parts[1].unlink()
        message, words = refuse_other(parts[0]), "there is no model file"
    elif damage == "the wrong one":
        parts[1].write_bytes(parts[2].read_bytes())
        message, words = refuse_other(parts[0]), "is not part 2 of 3 of this model"
    elif damage == "of another model":
        parts[1].write_bytes(tiny_gguf.read_bytes())
        message, words = refuse_other(parts[0]), "is not part 2 of 3 of this model"
    else:
        name = parts[0].with_name("part-one.gguf")
        parts[0].replace(name)
        message, words = refuse_other(name), "is one of 3 parts, but is not named as one"
    assert words in message
    assert damage == "renamed" or parts[1].name in message


def refuse_other(path: Path) -> str:
    with pytest.raises(ModelFileError) as caught:
        LlamaCppBackend(BackendOptions(path=path, threads=1))
    assert "models verify" not in caught.value.hint
    return caught.value.message


@pytest.mark.parametrize("value", [b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f"])
def test_weights_that_are_no_numbers_are_the_files_fault(
    tiny_gguf: Path, tmp_path: Path, value: bytes
) -> None:
    data = bytearray(tiny_gguf.read_bytes())
    end = len(data) - len(data) % 4
    data[end - 40_000 : end] = value * 10_000
    path = tmp_path / "nan.gguf"
    path.write_bytes(data)
    backend = LlamaCppBackend(BackendOptions(path=path))
    with pytest.raises(ModelFileError, match="NaN"):
        _ask(backend)
    backend.close()


def test_a_tokenizer_of_tomorrow_is_said_to_be_one(tmp_path: Path, make_gguf: GgufWriter) -> None:
    path = make_gguf(tmp_path / "new.gguf", splitter="of-tomorrow")
    with pytest.raises(ModelFileError, match="of-tomorrow") as caught:
        LlamaCppBackend(BackendOptions(path=path))
    assert "upgrade llama-cpp-python" in caught.value.hint
    assert "models verify" not in caught.value.hint
