"""A conversion from end to end: write 16-bit floats, check them, quantize, and check again."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from llmstep.backends.llama_model import LlamaModel
from llmstep_workshop.conversion.architecture import plan_tensors, read_shape
from llmstep_workshop.conversion.parity import (
    Drift,
    compare_files,
    compare_tokens,
    compare_with_folder,
    open_reader,
)
from llmstep_workshop.conversion.quantizer import BITS, quantize_file
from llmstep_workshop.conversion.weights import open_weights
from llmstep_workshop.conversion.writer import Format, write_gguf
from llmstep_workshop.errors import ConversionError

if TYPE_CHECKING:
    from pathlib import Path

    from llmstep.backends.hf_files import Checkpoint
    from llmstep_workshop.conversion.model_description import About

WRITTEN: dict[str, Format] = {"F32": "F32", "F16": "F16", "BF16": "BF16"}
# Above this many weights the folder's model is compared only where that is asked for: it has to be
# loaded in 32 bits.
_SMALL = 600_000_000
_HEADROOM = 64 << 20
# Called with what is being done, how much of it is, and how much there is.
OnStep = Callable[[str, int, int], None]


@attrs.frozen
class Report:
    """What a conversion made.

    Attributes:
        size_bytes: Size of the file.
        tokens: Tokens of sample texts that are the same as the folder's.
        folder: The unquantized file against the folder; ``None`` if not compared.
        quantized: The quantized file against the unquantized one; ``None`` if not compared.
    """

    size_bytes: int
    tokens: int
    folder: Drift | None = None
    quantized: Drift | None = None


@attrs.frozen
class Plan:
    """What a conversion will do and need.

    Attributes:
        checkpoint: The folder.
        quant: Format of the file.
        written: Format that is written first; the same as ``quant`` if nothing is quantized.
        bytes_needed: On the disk, while it is made.
    """

    checkpoint: Checkpoint
    quant: str
    written: Format
    bytes_needed: int

    @property
    def is_small(self) -> bool:
        """Whether the model is small enough that comparing it with its folder takes seconds."""
        return self.checkpoint.parameters <= _SMALL


def plan_conversion(checkpoint: Checkpoint, quant: str) -> Plan:
    """Check, before anything is written, that a folder can be converted, and what that needs.

    Raises:
        ConversionError: The architecture or a tensor is none that can be converted.
    """
    shape = read_shape(checkpoint)
    weights = open_weights(checkpoint)
    tensors = plan_tensors(shape, weights)
    # A model in bfloat16 may hold numbers beyond the range of the other 16-bit format.
    is_brain = any(weights.stored_as(tensor.source) == "BF16" for tensor in tensors)
    written = WRITTEN.get(quant, "BF16" if is_brain else "F16")
    needed = BITS[written] + (0 if written == quant else BITS[quant])
    return Plan(checkpoint, quant, written, int(checkpoint.parameters * needed / 8) + _HEADROOM)


def convert(
    plan: Plan,
    target: Path,
    about: About,
    *,
    compare: bool,
    threads: int = 0,
    on_step: OnStep = lambda _name, _done, _all: None,
) -> Report:
    """Write the GGUF file. Only this file is left behind; after an error, none is.

    Args:
        plan: What to make of what.
        target: The file.
        about: What it says of itself.
        compare: Whether its log-probabilities are compared with the folder's.
        threads: CPU threads; 0 chooses.
        on_step: Called as each step goes on.

    Raises:
        ConversionError: The folder cannot be converted, the disk is too full, or the file does
            not match the folder.
        ModelFileError: llama.cpp cannot load the file.
        BackendUnavailableError: llama-cpp-python, or for comparing torch, is not installed.
    """
    check_disk(plan, target)
    is_quantized = plan.quant != plan.written
    middle = target.with_name(f"{target.stem}-{plan.written}.tmp.gguf")
    made: list[Path] = [middle]
    folder = quantized = None
    try:
        write_gguf(
            plan.checkpoint,
            middle,
            about,
            plan.written,
            lambda done, total: on_step(f"writing {plan.written}", done, total),
        )
        tokens = _check_tokens(plan.checkpoint, middle)
        if compare:
            on_step("comparing with the folder", 0, 0)
            folder = _check_weights(plan, middle)
        if is_quantized:
            made.append(target)
            quantize_file(
                middle,
                target,
                plan.quant,
                threads,
                lambda done, total: on_step(f"quantizing to {plan.quant}", done, total),
            )
            if compare:
                on_step("comparing the two files", 0, 0)
                quantized = compare_files(middle, target)
        else:
            middle.replace(target)
        made.clear()
    finally:
        for path in {*made, middle}:
            with contextlib.suppress(OSError):
                path.unlink()
    return Report(target.stat().st_size, tokens, folder, quantized)


def check_disk(plan: Plan, target: Path) -> None:
    """Refuse a conversion that the disk has no room for, before it is begun.

    Raises:
        ConversionError: There is not enough; says how much, with the numbers.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(target.parent).free
    except OSError as error:
        raise ConversionError(
            f"{target.parent} cannot be written to: {error.strerror or error}",
            hint="Choose another --output.",
        ) from error
    if plan.bytes_needed > free:
        raise ConversionError(
            f"the conversion needs {plan.bytes_needed / 1e9:.1f} GB on the disk of "
            f"{target.parent}, {free / 1e9:.1f} GB are free",
            hint="Free some disk space, or choose another --output.",
        )


def _check_tokens(checkpoint: Checkpoint, path: Path) -> int:
    """Compare the tokens of both sides, which also shows that llama.cpp can load the file."""
    model = LlamaModel(path)
    try:
        return compare_tokens(checkpoint.folder, model)
    finally:
        model.close()


def _check_weights(plan: Plan, path: Path) -> Drift:
    model = open_reader(path)
    try:
        return compare_with_folder(plan.checkpoint, model, is_brain=plan.written == "BF16")
    finally:
        model.close()
