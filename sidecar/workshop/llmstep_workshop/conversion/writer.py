"""Write a Hugging Face folder as one GGUF file, a tensor at a time.

The converter in llama.cpp's source tree refuses every tokenizer it does not know by its checksum,
among them those that `llmstep train` makes, and is no library; so this one is our own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import gguf
import gguf.utility
import numpy as np

from llmstep.backends.hf_tokenizer import open_splitter, read_chat_template
from llmstep_workshop.conversion.architecture import plan_tensors, read_shape, write_shape
from llmstep_workshop.conversion.gguf_vocabulary import read_vocabulary, write_vocabulary
from llmstep_workshop.conversion.output import writing
from llmstep_workshop.conversion.weights import open_weights
from llmstep_workshop.errors import ConversionError

if TYPE_CHECKING:
    from pathlib import Path

    from llmstep.backends.hf_files import Checkpoint
    from llmstep_workshop.conversion.architecture import TensorPlan
    from llmstep_workshop.conversion.model_description import About
    from llmstep_workshop.conversion.weights import Array, Weights

# Formats that are written as they are; the others are made from one of them by llama.cpp.
Format = Literal["F32", "F16", "BF16", "Q8_0"]
OnProgress = Callable[[int, int], None]

_FILE_TYPES = {
    "F32": gguf.LlamaFileType.ALL_F32,
    "F16": gguf.LlamaFileType.MOSTLY_F16,
    "BF16": gguf.LlamaFileType.MOSTLY_BF16,
    "Q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
}
_Q8_BLOCK = 32
_LARGEST_F16 = 65504.0


def write_gguf(
    checkpoint: Checkpoint,
    target: Path,
    about: About,
    form: Format,
    on_progress: OnProgress = lambda _done, _all: None,
) -> int:
    """Write the file; an older one is replaced only by a complete new one.

    Vectors (norms, biases) stay in 32 bits.

    Args:
        checkpoint: The folder.
        target: The file.
        about: What the file says of itself.
        form: Number format of the matrices.
        on_progress: Called with the weights written so far and those there are.

    Returns:
        Size of the file in bytes.

    Raises:
        ConversionError: Architecture, tokenizer or weights cannot be converted, or the file
            cannot be written.
        ModelFileError: The folder is incomplete.
    """
    shape = read_shape(checkpoint)
    weights = open_weights(checkpoint)
    plans = plan_tensors(shape, weights)
    rows = next(plan.shape[0] for plan in plans if plan.name == "token_embd.weight")
    vocabulary = read_vocabulary(open_splitter(checkpoint.folder), shape.config, rows)
    with writing(target) as partial:
        writer = gguf.GGUFWriter(partial, gguf.MODEL_ARCH_NAMES[shape.family.target])
        with contextlib.closing(writer):
            _write_about(writer, about, checkpoint.parameters)
            writer.add_file_type(_FILE_TYPES[form])
            writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
            write_shape(writer, shape)
            write_vocabulary(writer, vocabulary)
            template = read_chat_template(checkpoint.folder, has_lead=vocabulary.adds_begin)
            if template is not None:
                writer.add_chat_template(template.source)
            factors = shape.rotary.frequency_factors()
            if factors is not None:
                writer.add_tensor_info(
                    "rope_freqs.weight", factors.shape, factors.dtype, factors.nbytes
                )
            for plan in plans:
                _announce(writer, plan, form)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_ti_data_to_file()
            if factors is not None:
                writer.write_tensor_data(factors)
            _write_tensors(writer, plans, weights, form, on_progress)
    return target.stat().st_size


def choose_kind(shape: tuple[int, ...], form: Format) -> gguf.GGMLQuantizationType:
    """The number format of one tensor."""
    if len(shape) == 1:
        form = "F32"
    elif form == "Q8_0" and shape[-1] % _Q8_BLOCK:
        form = "F16"
    return gguf.GGMLQuantizationType[form]


def _write_about(writer: gguf.GGUFWriter, about: About, parameters: int) -> None:
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(about.name)
    writer.add_size_label(gguf.utility.size_label(parameters, 0, 0, 0))
    if about.description:
        writer.add_description(about.description)
    if about.licence:
        writer.add_license(about.licence)
    if about.author:
        writer.add_author(about.author)
    if about.url:
        writer.add_url(about.url)


def _announce(writer: gguf.GGUFWriter, plan: TensorPlan, form: Format) -> None:
    kind = choose_kind(plan.shape, form)
    block, size = gguf.GGML_QUANT_SIZES[kind]
    length = int(np.prod(plan.shape)) // block * size
    writer.add_tensor_info(plan.name, plan.shape, np.dtype(np.float32), length, raw_dtype=kind)


def _write_tensors(
    writer: gguf.GGUFWriter,
    plans: list[TensorPlan],
    weights: Weights,
    form: Format,
    on_progress: OnProgress,
) -> None:
    total = sum(int(np.prod(plan.shape)) for plan in plans)
    done = 0
    for plan in plans:
        values = weights.read(plan.source)
        if plan.reorder is not None:
            values = plan.reorder(values)
        writer.write_tensor_data(_encode(plan, values, form))
        done += values.size
        on_progress(done, total)


def _encode(plan: TensorPlan, values: Array, form: Format) -> Array:
    kind = choose_kind(plan.shape, form)
    if kind == gguf.GGMLQuantizationType.F16 and np.abs(values).max(initial=0) > _LARGEST_F16:
        raise ConversionError(
            f"the tensor {plan.source} holds values beyond the range of 16-bit floats",
            hint="Write it with `--quant BF16`, whose range is that of 32 bits.",
        )
    return gguf.quants.quantize(np.ascontiguousarray(values), kind)
