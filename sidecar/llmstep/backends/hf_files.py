"""A Hugging Face model folder, judged by its files alone: what it holds, and whether it can run.

Everything that can be wrong with a folder is told here, in a second and with numbers, before a
library spends a minute on loading it. Nothing is ever downloaded.

Formats: config.json and the names of the weight files are those of `transformers`
(https://huggingface.co/docs/transformers/main_classes/model); a safetensors file is 8 bytes with
the length of a JSON header, the header, the tensors
(https://huggingface.co/docs/safetensors/index#format).
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from llmstep.errors import BackendUnavailableError, ModelFileError, ModelNotFoundError
from llmstep.paths import install_command
from llmstep.user_files import open_file, parse_json, read_json_value

# ``owner/name`` or ``owner/name@revision``.
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@(?!.*\.\.)[\w./-]+)?")
_SAFETENSORS = "model.safetensors"
_PICKLE = "pytorch_model.bin"
_LARGEST_HEADER = 100_000_000  # the limit of the safetensors library itself
_LFS_POINTER = b"version https://git-lfs"
# Activations, KV cache and the library's own memory, beside the weights.
_HEADROOM = 512 * 2**20


@attrs.frozen
class Checkpoint:
    """A folder that holds a model.

    Attributes:
        name: The hub's name of it, or the folder's.
        config: The contents of config.json.
        pickled: Whether the weights are Python pickles.
        parameters: Number of weights; for pickles an estimate from the size.
        size_bytes: Bytes of the weight files.
    """

    folder: Path
    name: str
    config: Mapping[str, Any]
    weights: tuple[Path, ...]
    pickled: bool
    parameters: int
    size_bytes: int


def find_folder(path: Path) -> Path:
    """The folder of a model: the path itself, or a hub id's snapshot in the Hugging Face cache.

    Raises:
        ModelNotFoundError: There is no such folder, and no such snapshot on this machine.
        ModelFileError: It is a single file.
        BackendUnavailableError: To look into the cache, the library huggingface_hub is needed.
    """
    if path.is_dir():
        return path
    if path.exists():
        raise ModelFileError(
            f"{path} is a file; a Hugging Face model is a folder with config.json in it",
            hint="Name the folder. A .gguf file runs on the llama.cpp backend.",
        )
    name = path.as_posix()
    if not HUB_ID.fullmatch(name):
        raise ModelNotFoundError(f"there is no folder {path}")
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise BackendUnavailableError(
            f"there is no file or folder {path}, and models by their Hugging Face id need the "
            "library huggingface_hub",
            hint=f"Install it with `{install_command('hub')}`, or name a file or folder.",
        ) from None

    repository, _, revision = name.partition("@")
    try:
        # Never the network: a suggestion must not wait for a download.
        return Path(snapshot_download(repository, revision=revision or None, local_files_only=True))
    except (OSError, ValueError) as error:
        # A snapshot without, say, its pictures may still be all that is needed.
        incomplete = getattr(error, "snapshot_path", None)
        if incomplete:
            return Path(incomplete)
        wanted = f" --revision {revision}" if revision else ""
        raise ModelNotFoundError(
            f"there is no folder {path}, and the Hugging Face cache of this machine does not hold "
            f"the model {name}",
            hint=f"Download it once with `hf download {repository}{wanted}`, or name a folder; "
            "nothing is downloaded while you work.",
        ) from error


def read_checkpoint(folder: Path, *, allow_pickle: bool = False) -> Checkpoint:
    """Look at the files of a model folder; a pickle (``pytorch_model.bin``) may be refused.

    Raises:
        ModelFileError: Something is missing, damaged or not allowed; the message says what.
    """
    config = read_config(folder)
    weights, pickled = _find_weights(folder)
    if pickled and not allow_pickle:
        raise ModelFileError(
            f"{folder} holds its weights only as a Python pickle ({weights[0].name}), and a pickle "
            "can run any program when it is opened",
            hint="Take a version with model.safetensors, or, if you trust its author, make one as "
            "docs/models.md shows (`allow_pickle`).",
        )
    size = sum(file.stat().st_size for file in weights)
    if pickled:
        stored = str(config.get("dtype") or config.get("torch_dtype") or "float32")
        parameters = size // (2 if stored.endswith("16") else 4)
    else:
        parameters = sum(map(_count_parameters, weights))
    return Checkpoint(folder, _name(folder), config, weights, pickled, parameters, size)


def check_memory(checkpoint: Checkpoint, bytes_per_weight: float, free: int, where: str) -> None:
    """Refuse a model that does not fit, before it is loaded.

    Args:
        checkpoint: The model.
        bytes_per_weight: As it will lie in memory, or does while it is loaded.
        free: Bytes at hand.
        where: What memory that is, e.g. ``memory of this machine``.

    Raises:
        ModelFileError: The weights and some headroom are more than what is free.
    """
    needed = checkpoint.parameters * bytes_per_weight + _HEADROOM
    if needed > free:
        raise ModelFileError(
            f"{checkpoint.name} has {checkpoint.parameters / 1e6:,.0f} million weights of "
            f"{bytes_per_weight:.3g} bytes and needs {needed / 1e9:.1f} GB; "
            f"{free / 1e9:.1f} GB of the {where} are free",
            hint="Close other programs, or take a smaller model or a quantized one (GGUF).",
        )


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        ModelFileError: It cannot be read, or holds no JSON object.
    """
    try:
        value = read_json_value(path)
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise ModelFileError(f"{path} holds no JSON object")
    return value


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration of a model folder.

    Raises:
        ModelFileError: It has none, or one that cannot be read or tells no type.
    """
    path = folder / "config.json"
    if not path.is_file():
        if (folder / "adapter_config.json").is_file():
            raise ModelFileError(
                f"{folder} holds an adapter (LoRA), not a model",
                hint="Merge it into its base model first (`merge_and_unload` of the peft package).",
            )
        raise ModelFileError(
            f"{folder} is no Hugging Face model: it has no config.json",
            hint="Name the folder that holds config.json, the weights and the tokenizer.",
        )
    config = read_json(path)
    if not isinstance(config.get("model_type"), str):
        raise ModelFileError(f"{path} does not tell the model's type (`model_type`)")
    return config


def _find_weights(folder: Path) -> tuple[tuple[Path, ...], bool]:
    """The weight files, and whether they are pickles; safetensors go first."""
    for single, pickled in ((_SAFETENSORS, False), (_PICKLE, True)):
        if (folder / single).is_file():
            return (folder / single,), pickled
        index = folder / f"{single}.index.json"
        if index.is_file():
            shards = read_json(index).get("weight_map")
            if not isinstance(shards, dict) or not shards:
                raise ModelFileError(f"{index} names no weight files")
            names = sorted({str(name) for name in shards.values()})
            if any(Path(name).name != name or "\\" in name for name in names):
                raise ModelFileError(f"{index} names weight files of another folder")
            files = tuple(folder / name for name in names)
            missing = [file.name for file in files if not file.is_file()]
            if missing:
                raise ModelFileError(
                    f"{folder} lacks {len(missing)} of its {len(files)} weight files: "
                    f"{', '.join(missing[:3])}",
                    hint="Download the model again; a resumed download fetches only what lacks.",
                )
            return files, pickled
    raise ModelFileError(
        f"{folder} holds no weights: there is no {_SAFETENSORS}",
        hint="Download the model again, or name the folder that holds its weights.",
    )


def _count_parameters(path: Path) -> int:
    """Number of weights in a safetensors file, whose header is checked against its size."""
    size = path.stat().st_size
    with open_file(path) as file:
        start = file.read(len(_LFS_POINTER))
        if start == _LFS_POINTER:
            raise ModelFileError(
                f"{path} is a Git LFS pointer, not the weights",
                hint="Run `git lfs pull` in the folder.",
            )
        length = struct.unpack("<Q", start[:8])[0] if len(start) >= 8 else 0
        if not 2 <= length <= min(size - 8, _LARGEST_HEADER):
            raise ModelFileError(f"{path} is no safetensors file, or damaged", hint=_AGAIN)
        file.seek(8)
        header = file.read(length)
    try:
        tensors = parse_json(header)
        tensors.pop("__metadata__", None)
        end = max((tensor["data_offsets"][1] for tensor in tensors.values()), default=0)
        count = sum(math.prod(tensor["shape"]) for tensor in tensors.values())
    except (ValueError, AttributeError, KeyError, IndexError, TypeError) as error:
        raise ModelFileError(f"the header of {path} is damaged: {error}", hint=_AGAIN) from error
    if 8 + length + end > size:
        raise ModelFileError(
            f"{path} is truncated: it has {size:,} bytes of {8 + length + end:,}", hint=_AGAIN
        )
    return count


_AGAIN = "Download the file again."


def _name(folder: Path) -> str:
    """``owner/name`` for a snapshot of the hub's cache, else the folder's name."""
    folder = folder.resolve()
    if folder.parent.name == "snapshots":
        return folder.parent.parent.name.removeprefix("models--").replace("--", "/")
    return folder.name
