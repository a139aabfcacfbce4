"""How the models of transformers become those of llama.cpp: metadata, tensor names, row orders.

Names and keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md and the tensor map of the
``gguf`` package. What a model's numbers mean is read from its classes in transformers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
import gguf

from llmstep_workshop.conversion.rotary import Rotary, read_rotary
from llmstep_workshop.errors import ConversionError

if TYPE_CHECKING:
    from llmstep.backends.hf_files import Checkpoint
    from llmstep_workshop.conversion.weights import Array, Weights

Reorder = Callable[["Array"], "Array"]


@attrs.frozen
class Family:
    """An architecture of transformers and the one of llama.cpp that computes the same.

    Attributes:
        target: The architecture of llama.cpp.
        is_interleaved: Whether llama.cpp turns neighbouring rows of a head's queries and keys as
            pairs, where transformers pairs the two halves.
        is_fused: Whether queries, keys and values are one matrix, head by head.
    """

    target: gguf.MODEL_ARCH
    is_interleaved: bool = False
    is_fused: bool = False


FAMILIES: Mapping[str, Family] = {
    "GPTNeoXForCausalLM": Family(gguf.MODEL_ARCH.GPTNEOX, is_fused=True),
    "LlamaForCausalLM": Family(gguf.MODEL_ARCH.LLAMA, is_interleaved=True),
    "MistralForCausalLM": Family(gguf.MODEL_ARCH.LLAMA, is_interleaved=True),
    "Qwen2ForCausalLM": Family(gguf.MODEL_ARCH.QWEN2),
    "Qwen3ForCausalLM": Family(gguf.MODEL_ARCH.QWEN3),
}
# Buffers that older versions of transformers saved; they are computed anew.
_COMPUTED = ("rotary_emb.inv_freq", "attention.bias", "attention.masked_bias", "rotary_emb.cos")


@attrs.frozen
class TensorPlan:
    """One tensor of the file to be written.

    Attributes:
        name: In the GGUF file.
        source: In the folder.
        shape: Rows first, as numpy has it.
        reorder: What is done to it on the way; ``None`` for nothing.
    """

    name: str
    source: str
    shape: tuple[int, ...]
    reorder: Reorder | None = None


@attrs.frozen
class ModelShape:
    """The numbers of config.json that a GGUF file holds, under their names there.

    Attributes:
        family: What llama.cpp takes it for.
        layers: Number of blocks.
        heads: Number of query heads.
        key_heads: Number of key and value heads.
        head_size: Width of one head.
        context: Positions it was made for.
        rotary: Its rotary position embedding.
        config: config.json.
    """

    family: Family
    layers: int
    heads: int
    key_heads: int
    head_size: int
    context: int
    rotary: Rotary
    config: Mapping[str, Any]


def read_shape(checkpoint: Checkpoint) -> ModelShape:
    """Find the family of a checkpoint, and read its numbers.

    Raises:
        ConversionError: The architecture, or a variation of it, is none that can be converted.
    """
    config = checkpoint.config
    names = config.get("architectures") or [config["model_type"]]
    family = FAMILIES.get(str(names[0]))
    if family is None:
        raise ConversionError(
            f"{checkpoint.name} is a {names[0]}, which cannot be converted",
            hint=f"Supported are {', '.join(sorted(FAMILIES))}. The others run with the "
            "transformers backend, and llama.cpp has a converter of its own for many.",
        )
    try:
        heads = int(config["num_attention_heads"])
        head_size = int(config.get("head_dim") or config["hidden_size"] // heads)
        shape = ModelShape(
            family,
            layers=int(config["num_hidden_layers"]),
            heads=heads,
            key_heads=int(config.get("num_key_value_heads") or heads),
            head_size=head_size,
            context=_read_context(config),
            rotary=read_rotary(config, head_size),
            config=config,
        )
        _check_variations(checkpoint.name, config)
    except (KeyError, TypeError, ValueError) as error:
        raise ConversionError(
            f"config.json of {checkpoint.name} lacks a number or has an impossible one: {error}",
            hint="Download the file again.",
        ) from error
    return shape


def write_shape(writer: gguf.GGUFWriter, shape: ModelShape) -> None:
    """Write the numbers of a model as the metadata of a GGUF file."""
    config = shape.config
    writer.add_context_length(shape.context)
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(shape.heads)
    if shape.family.is_fused:
        writer.add_layer_norm_eps(config.get("layer_norm_eps", 1e-5))
        writer.add_parallel_residual(config.get("use_parallel_residual", True))
    else:
        writer.add_head_count_kv(shape.key_heads)
        writer.add_layer_norm_rms_eps(config.get("rms_norm_eps", 1e-6))
        if shape.head_size * shape.heads != config["hidden_size"]:
            writer.add_key_length(shape.head_size)
            writer.add_value_length(shape.head_size)
    shape.rotary.write(writer)


def plan_tensors(shape: ModelShape, weights: Weights) -> list[TensorPlan]:
    """Name every tensor of the file, in the folder's order of blocks.

    Raises:
        ConversionError: A tensor is missing, or there is one that llama.cpp has no place for.
    """
    target = shape.family.target
    names = gguf.get_tensor_name_map(target, shape.layers)
    is_tied = bool(shape.config.get("tie_word_embeddings"))
    plans: dict[str, TensorPlan] = {}
    for source in weights.names():
        if source.endswith(_COMPUTED):
            continue
        name = names.get_name(source, try_suffixes=(".weight", ".bias"))
        if name is None:
            raise ConversionError(
                f"llama.cpp has no place for the tensor {source} in a model of the architecture "
                f"{gguf.MODEL_ARCH_NAMES[target]}",
            )
        if name == "output.weight" and is_tied:
            continue  # a copy of the embeddings
        plans[name] = TensorPlan(name, source, weights.shape(source), _reorder(shape, source))
    if is_tied and shape.family.is_fused and "token_embd.weight" in plans:
        # Only llama.cpp's graph of GPT-NeoX does not look for the embeddings instead.
        plans["output.weight"] = attrs.evolve(plans["token_embd.weight"], name="output.weight")
    _check_complete(shape, plans, is_tied)
    return sorted(plans.values(), key=lambda plan: _place(plan.name))


def interleave_halves(weight: Array, heads: int) -> Array:
    """Reorder a projection's rows from two halves per head to interleaved pairs.

    Args:
        weight: Shape (heads * head_size, ...).
        heads: Number of heads.

    Returns:
        The same shape; row i of a head's first half is followed by row i of its second.
    """
    half = weight.shape[0] // heads // 2
    return weight.reshape(heads, 2, half, -1).swapaxes(1, 2).reshape(weight.shape)


def split_heads(weight: Array, heads: int) -> Array:
    """Reorder GPT-NeoX's fused projection: all queries, all keys, all values.

    Args:
        weight: Shape (heads * 3 * head_size, ...), query, key and value of each head together.
        heads: Number of heads.

    Returns:
        The same shape.
    """
    size = weight.shape[0] // heads // 3
    return weight.reshape(heads, 3, size, -1).swapaxes(0, 1).reshape(weight.shape)


def _read_context(config: Mapping[str, Any]) -> int:
    """Positions; no more than a sliding window, which llama.cpp's llama and qwen graphs lack.

    Inside the window the attention is the same as without one.
    """
    context = int(config["max_position_embeddings"])
    window = config.get("sliding_window")
    used = config.get("use_sliding_window", config["model_type"] == "mistral")
    return min(context, int(window)) if window and used else context


def _check_variations(name: str, config: Mapping[str, Any]) -> None:
    activation = str(config.get("hidden_act", "silu"))
    is_neox = config["model_type"] == "gpt_neox"
    usual = ("gelu", "gelu_fast", "gelu_new", "gelu_pytorch_tanh") if is_neox else ("silu", "swish")
    if activation not in usual:
        raise ConversionError(f"{name} has the activation {activation!r}, llama.cpp {usual[0]!r}")
    if "quantization_config" in config:
        raise ConversionError(
            f"{name} is quantized already",
            hint="Take the model's original weights: a GGUF is quantized from those.",
        )


def _reorder(shape: ModelShape, source: str) -> Reorder | None:
    part = source.rsplit(".", 2)[-2]
    if shape.family.is_fused and part == "query_key_value":
        return lambda weight: split_heads(weight, shape.heads)
    if shape.family.is_interleaved and part in ("q_proj", "k_proj"):
        heads = shape.heads if part == "q_proj" else shape.key_heads
        return lambda weight: interleave_halves(weight, heads)
    return None


def _check_complete(shape: ModelShape, plans: Mapping[str, TensorPlan], is_tied: bool) -> None:
    """Refuse a folder that lacks a tensor; the first block shows what each block has."""
    wanted = {"token_embd.weight", "output_norm.weight"}
    if not is_tied:
        wanted.add("output.weight")
    block = [name.removeprefix("blk.0.") for name in plans if name.startswith("blk.0.")]
    parts = (*block, "ffn_up.weight", "ffn_down.weight", "attn_output.weight")
    wanted |= {f"blk.{layer}.{part}" for layer in range(shape.layers) for part in parts}
    missing = sorted(wanted - plans.keys())
    if missing:
        raise ConversionError(
            f"the folder lacks {len(missing)} of the model's tensors, e.g. what would be "
            f"{missing[0]}",
            hint="Download the model again.",
        )


def _place(name: str) -> tuple[int, int, str]:
    """A sort key that puts the embeddings first, then the blocks in order, then the output."""
    if name.startswith("blk."):
        return 1, int(name.split(".")[1]), name
    return (0 if name == "token_embd.weight" else 2), 0, name
