"""The folder of a run as one GGUF file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from llmstep.backends.hf_files import read_checkpoint
from llmstep_workshop.conversion.writer import write_gguf
from llmstep_workshop.training.tokenizer import TOKENIZER_SETTINGS

if TYPE_CHECKING:
    from pathlib import Path

    from llmstep_workshop.conversion.model_description import About
    from llmstep_workshop.conversion.writer import Format


def convert_folder(source: Path, target: Path, about: About, quantization: Format = "Q8_0") -> int:
    """Convert a folder (config.json, model.safetensors, tokenizer.json) into one GGUF file.

    The folder is given the settings of its tokenizer if it lacks them. An older ``target`` is
    replaced only by a complete new one.

    Returns:
        Size of the file in bytes.

    Raises:
        ModelFileError: The folder is incomplete.
        ConversionError: It cannot be converted, or the file cannot be written.
    """
    checkpoint = read_checkpoint(source)
    settings = source / "tokenizer_config.json"
    if not settings.exists():
        settings.write_text(json.dumps(TOKENIZER_SETTINGS), encoding="utf-8")
    return write_gguf(checkpoint, target, about, quantization)
