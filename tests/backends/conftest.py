"""Tiny models with random weights as GGUF, so that the backend's tests need no download."""

from __future__ import annotations

import os
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from llmstep.backends.llama_cpp import LlamaCppBackend

    GgufWriter = Callable[..., Path]

CORPUS = """\
intro h exact h.symm exact hx.le simp only [Set.mem_setOf_eq] at hx rw [mul_comm, ← add_assoc]
refine ⟨x, ?_⟩ apply le_antisymm constructor omega linarith norm_num have h : 0 < n := by positivity
theorem foo (n : ℕ) (hn : 0 < n) : ∃ m, m < n := by\n  exact ⟨0, hn⟩\n  simp_all\n
"""
CONTROL = ["<unk>", "<s>", "</s>", "[GOAL]", "[PROOFSTEP]"]
MERGES = 100
WIDTH, HEADS, LAYERS, HIDDEN, CONTEXT = 32, 2, 2, 64, 512
CONVOLUTION, STATE, RANK = 4, 4, 4  # of Mamba
BUCKETS = 8  # of T5's relative positions
# Large enough for distributions that differ from state to state, as those of a real model do.
SPREAD = 0.35


def byte_characters() -> list[str]:
    """For each byte its character in a byte-level BPE (GPT-2's `bytes_to_unicode`)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {byte: chr(byte) for byte in plain}
    rest = (byte for byte in range(256) if byte not in table)
    table |= {byte: chr(256 + i) for i, byte in enumerate(rest)}
    return [table[byte] for byte in range(256)]


def learn_merges(corpus: str, count: int) -> list[tuple[str, str]]:
    """A byte-level BPE of the corpus' words, each with the space before it."""
    characters = byte_characters()
    words = [
        [characters[b] for b in (f" {word}" if i else word).encode()]
        for i, word in enumerate(corpus.split())
    ]
    merges: list[tuple[str, str]] = []
    for _ in range(count):
        pairs = Counter(pair for word in words for pair in pairwise(word))
        (left, right), _ = max(pairs.items(), key=lambda item: (item[1], item[0]))
        merges.append((left, right))
        for word in words:
            i = 0
            while i < len(word) - 1:
                if (word[i], word[i + 1]) == (left, right):
                    word[i : i + 2] = [left + right]
                i += 1
    return merges


def write_gguf(
    path: Path,
    architecture: str = "llama",
    *,
    tensors: str = "llama",
    splitter: str = "gpt-2",
    most_tensors: int = 0,
    context_length: int = CONTEXT,
    **metadata: Any,
) -> Path:
    """Write a model file.

    Args:
        path: Where.
        architecture: Name in the file.
        tensors: Whose weights it has: ``llama``, ``mamba``, ``t5``, or empty for none.
        splitter: Name of the rules that split a text into words.
        most_tensors: Tensors of one part, for a model split into several files; 0 for one file.
        context_length: Positions it says it was trained for.
        metadata: Further boolean entries, ``__`` in a key standing for a dot.
    """
    import gguf

    merges = learn_merges(CORPUS, MERGES)
    tokens = list(dict.fromkeys([*CONTROL, *byte_characters(), *(a + b for a, b in merges)]))
    kinds = [gguf.TokenType.CONTROL] * len(CONTROL)
    kinds += [gguf.TokenType.NORMAL] * (len(tokens) - len(CONTROL))
    kinds[0] = gguf.TokenType.UNKNOWN

    writer = gguf.GGUFWriter(path, architecture, split_max_tensors=most_tensors)
    writer.add_name("tiny")
    writer.add_context_length(context_length)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    if tensors == "mamba":
        writer.add_ssm_conv_kernel(CONVOLUTION)
        writer.add_ssm_inner_size(2 * WIDTH)
        writer.add_ssm_state_size(STATE)
        writer.add_ssm_time_step_rank(RANK)
    if tensors == "t5":
        writer.add_key_length(WIDTH // HEADS)
        writer.add_value_length(WIDTH // HEADS)
        writer.add_relative_attn_buckets_count(BUCKETS)
        writer.add_decoder_start_token_id(0)
    for key, value in metadata.items():
        writer.add_bool(key.replace("__", "."), value)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(splitter)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(merge) for merge in merges])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)
    if tensors:
        shapes = {"llama": llama_shapes, "mamba": mamba_shapes, "t5": t5_shapes}[tensors]
        rng = np.random.default_rng(0)
        for name, shape in shapes(len(tokens)).items():
            values = np.ones(shape) if "norm" in name else rng.normal(0, SPREAD, shape)
            if name.endswith("ssm_a"):
                values = -np.abs(values)  # a state that decays
            writer.add_tensor(name, values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def llama_shapes(vocabulary: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (vocabulary, WIDTH)}
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        shapes |= {f"{block}.{name}.weight": (WIDTH,) for name in ("attn_norm", "ffn_norm")}
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            shapes[f"{block}.{name}.weight"] = (WIDTH, WIDTH)
        shapes |= {f"{block}.{name}.weight": (HIDDEN, WIDTH) for name in ("ffn_gate", "ffn_up")}
        shapes[f"{block}.ffn_down.weight"] = (WIDTH, HIDDEN)
    return shapes | {"output_norm.weight": (WIDTH,), "output.weight": (vocabulary, WIDTH)}


def mamba_shapes(vocabulary: int) -> dict[str, tuple[int, ...]]:
    inner = 2 * WIDTH
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (vocabulary, WIDTH)}
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        shapes |= {
            f"{block}.attn_norm.weight": (WIDTH,),
            f"{block}.ssm_in.weight": (2 * inner, WIDTH),
            f"{block}.ssm_conv1d.weight": (inner, CONVOLUTION),
            f"{block}.ssm_conv1d.bias": (inner,),
            f"{block}.ssm_x.weight": (RANK + 2 * STATE, inner),
            f"{block}.ssm_dt.weight": (inner, RANK),
            f"{block}.ssm_dt.bias": (inner,),
            f"{block}.ssm_a": (inner, STATE),
            f"{block}.ssm_d": (inner,),
            f"{block}.ssm_out.weight": (WIDTH, inner),
        }
    return shapes | {"output_norm.weight": (WIDTH,), "output.weight": (vocabulary, WIDTH)}


def t5_shapes(vocabulary: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (vocabulary, WIDTH)}
    for side, attentions in (("enc", ("attn",)), ("dec", ("attn", "cross_attn"))):
        for layer in range(LAYERS):
            block = f"{side}.blk.{layer}"
            for attention in attentions:
                shapes[f"{block}.{attention}_norm.weight"] = (WIDTH,)
                for name in "qkvo":
                    shapes[f"{block}.{attention}_{name}.weight"] = (WIDTH, WIDTH)
            shapes |= {
                f"{block}.attn_rel_b.weight": (BUCKETS, HEADS),
                f"{block}.ffn_norm.weight": (WIDTH,),
                f"{block}.ffn_gate.weight": (HIDDEN, WIDTH),
                f"{block}.ffn_up.weight": (HIDDEN, WIDTH),
                f"{block}.ffn_down.weight": (WIDTH, HIDDEN),
            }
        shapes[f"{side}.output_norm.weight"] = (WIDTH,)
    return shapes | {"output.weight": (vocabulary, WIDTH)}


@pytest.fixture(scope="session")
def make_gguf() -> GgufWriter:
    """Writes tiny model files; see `write_gguf`."""
    pytest.importorskip("gguf", reason="the gguf package writes the test models")
    return write_gguf


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory, make_gguf: GgufWriter) -> Path:
    """A tiny Llama with random weights and a byte-level BPE of some 360 tokens."""
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    return make_gguf(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.fixture
def tiny(tiny_gguf: Path) -> Iterator[LlamaCppBackend]:
    """A backend on the tiny model, on one thread."""
    from llmstep.backends.base import BackendOptions
    from llmstep.backends.llama_cpp import LlamaCppBackend

    backend = LlamaCppBackend(BackendOptions(path=tiny_gguf, threads=1))
    yield backend
    backend.close()


@pytest.fixture
def builtin_gguf() -> Path:
    """The model that lies in the repository."""
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    path = Path(__file__).parents[2] / "models" / "llmstep-builtin.gguf"
    if not path.is_file() or os.path.getsize(path) < 1_000_000:
        pytest.skip("the built-in model is not checked out")
    return path
