"""Write a Llama-architecture Hugging Face folder with a byte-level BPE as one GGUF file.

The tensor names, the metadata keys and the permutation of the query and key rows are those of
llama.cpp's own converter (``convert_hf_to_gguf.py``, class ``LlamaModel``), which itself accepts
only tokenizers from a fixed list. The pre-tokenizer is written as ``gpt-2``: the rule that the
tokenizers library calls ``ByteLevel``.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any, Literal

import gguf
import numpy as np
from safetensors import safe_open

from llmstep.training.errors import ExportError
from llmstep.training.recipe import About

Quantization = Literal["F32", "F16", "Q8_0"]
_FILE_TYPES = {
    "F32": gguf.LlamaFileType.ALL_F32,
    "F16": gguf.LlamaFileType.MOSTLY_F16,
    "Q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
}


def convert_folder(
    source: Path, target: Path, about: About, quantization: Quantization = "Q8_0"
) -> int:
    """Convert a folder (config.json, model.safetensors, tokenizer.json) into one GGUF file.

    Norm vectors stay in 32 bits. An older ``target`` is replaced only by a complete new one.

    Returns:
        Size of the file in bytes.

    Raises:
        ExportError: The folder is incomplete or holds another architecture or another kind of
            tokenizer, or the file cannot be written.
    """
    config = _read_json(source / "config.json")
    tokenizer = _read_json(source / "tokenizer.json")
    _check_supported(config, tokenizer, source)
    partial = target.with_name(target.name + ".partial")
    try:
        writer = gguf.GGUFWriter(partial, "llama")
        _write_metadata(writer, config, about, quantization)
        _write_vocabulary(writer, config, tokenizer)
        _write_tensors(writer, config, source / "model.safetensors", quantization)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        os.replace(partial, target)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise ExportError(
            f"{target}: could not be written: {error}",
            hint="Free some disk space, or choose another --output.",
        ) from error
    return target.stat().st_size


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ExportError(f"{path}: cannot be read: {error}") from error


def _check_supported(config: dict[str, Any], tokenizer: dict[str, Any], source: Path) -> None:
    architectures = config.get("architectures") or [config.get("model_type")]
    if config.get("model_type") != "llama":
        raise ExportError(
            f"{source}: architecture {architectures[0]} is not Llama",
            hint="Use llama.cpp's own convert_hf_to_gguf.py for other architectures.",
        )
    if tokenizer.get("model", {}).get("type") != "BPE" or "ByteLevel" not in json.dumps(
        tokenizer.get("pre_tokenizer")
    ):
        raise ExportError(
            f"{source}: the tokenizer is not a byte-level BPE",
            hint="Use llama.cpp's own convert_hf_to_gguf.py for other tokenizers.",
        )
    if not (source / "model.safetensors").exists():
        raise ExportError(f"{source}: there is no model.safetensors")


def _write_metadata(
    writer: gguf.GGUFWriter,
    config: dict[str, Any],
    about: About,
    quantization: Quantization,
) -> None:
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(about.name)
    writer.add_description(about.description)
    writer.add_license(about.licence)
    writer.add_author(about.author)
    if about.url is not None:
        writer.add_url(about.url)
    heads = config["num_attention_heads"]
    rope = config.get("rope_parameters") or {}
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_dimension_count(config.get("head_dim") or config["hidden_size"] // heads)
    writer.add_rope_freq_base(rope.get("rope_theta", config.get("rope_theta", 10000.0)))
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(_FILE_TYPES[quantization])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def _write_vocabulary(
    writer: gguf.GGUFWriter, config: dict[str, Any], tokenizer: dict[str, Any]
) -> None:
    size = config["vocab_size"]
    tokens = [f"<unused{i}>" for i in range(size)]
    types = [gguf.TokenType.UNUSED] * size
    for text, number in tokenizer["model"]["vocab"].items():
        tokens[number], types[number] = text, gguf.TokenType.NORMAL
    for added in tokenizer["added_tokens"]:
        number = added["id"]
        tokens[number] = added["content"]
        types[number] = gguf.TokenType.CONTROL if added["special"] else gguf.TokenType.USER_DEFINED
    # tokenizers writes a merge as a pair or, in older files, as one string with a space.
    merges = [
        merge if isinstance(merge, str) else " ".join(merge)
        for merge in tokenizer["model"]["merges"]
    ]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    if config.get("pad_token_id") is not None:
        writer.add_pad_token_id(config["pad_token_id"])
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)


def _write_tensors(
    writer: gguf.GGUFWriter, config: dict[str, Any], path: Path, quantization: Quantization
) -> None:
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
    with safe_open(path, "np") as tensors:
        for key in sorted(tensors.keys()):
            if config.get("tie_word_embeddings") and key == "lm_head.weight":
                continue
            name = names.get_name(key, try_suffixes=(".weight", ".bias"))
            if name is None:
                raise ExportError(f"{path}: no GGUF name for the tensor {key}")
            array = tensors.get_tensor(key).astype(np.float32)
            if key.endswith("q_proj.weight"):
                array = permute_rows(array, config["num_attention_heads"])
            elif key.endswith("k_proj.weight"):
                array = permute_rows(array, config["num_key_value_heads"])
            kind = gguf.GGMLQuantizationType["F32" if array.ndim == 1 else quantization]
            writer.add_tensor(name, gguf.quants.quantize(array, kind), raw_dtype=kind)


def permute_rows(weight: np.ndarray, heads: int) -> np.ndarray:
    """Reorder a projection's rows from Hugging Face's rotary layout to llama.cpp's.

    Args:
        weight: Shape (heads * head_dim, hidden); each head's rows are two halves.
        heads: Number of heads.

    Returns:
        The same shape; each head's rows are interleaved pairs.
    """
    half = weight.shape[0] // heads // 2
    return weight.reshape(heads, 2, half, -1).swapaxes(1, 2).reshape(weight.shape)
