"""The user's own models: taking a file or folder in under a name, and taking a model away."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

import attrs

from llmstep import paths
from llmstep.backends import ECHO, LLAMA_CPP, OPENAI, TRANSFORMERS
from llmstep.backends.gguf_file import read_gguf_head
from llmstep.backends.gguf_parts import list_parts
from llmstep.backends.hf_files import read_config
from llmstep.errors import ConfigError, ModelFileError, ModelNotFoundError
from llmstep.service.card import ModelCard, SamplingDefaults, Score, read_card
from llmstep.service.catalog import folder, read_catalog
from llmstep.service.checksums import hash_file
from llmstep.user_files import inside, make_folder, write_private

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_RESERVED = (ECHO, OPENAI)
_FOLDER_PARTS = {
    "tokenizer": ("tokenizer*", "*.model", "vocab*", "spiece*"),
    "weights": ("*.safetensors", "*.bin"),
}

Manner = Literal["copy", "link", "move"]


@attrs.frozen
class Removal:
    """What taking a model away deletes.

    Attributes:
        paths: Files and folders.
        size_bytes: What they take on disk; files behind links are not counted, they stay.
    """

    paths: tuple[Path, ...]
    size_bytes: int


def import_model(
    source: Path,
    *,
    model_id: str | None = None,
    prompt: str = "proofstep-plain",
    stop: tuple[str, ...] = (),
    licence: str = "",
    description: str = "",
    same_as: ModelCard | None = None,
    manner: Manner = "copy",
) -> ModelCard:
    """Take a model file or folder in, with a card made from what the file says of itself.

    The source is a ``.gguf`` file, or a Hugging Face folder with ``config.json``; its files are
    copied, moved, or linked to where they are. What is not given is as the file tells, or usual.
    What ``same_as``, the card of the same weights in another format, says of proofs, sampling and
    scores holds here, too.

    Returns:
        The card, which now lies in the user's models folder.

    Raises:
        ModelFileError: The source is missing or no model, or cannot be copied.
        ConfigError: The name is taken or cannot be one.
    """
    source = source.expanduser().resolve()
    if source.is_dir():
        card = describe_folder(source)
    elif source.is_file():
        card = attrs.evolve(describe_file(source), sha256=hash_file(source))
    else:
        raise ModelFileError(
            f"there is no file or folder {source}",
            hint="Name a .gguf file, or a Hugging Face folder with config.json in it.",
        )
    card = attrs.evolve(
        card,
        id=model_id or card.id,
        prompt=prompt,
        stop=stop,
        licence=licence,
        description=description or card.description,
    )
    if same_as is not None:
        card = attrs.evolve(
            card,
            proof=same_as.proof,
            sampling=same_as.sampling,
            seen_lean=same_as.seen_lean,
            scores=same_as.scores,
        )
    check_id(card.id)
    place = folder(card)
    try:
        make_folder(place.parent)
        _take_in(source, card, place, manner)
        write_card(card)
    except (OSError, shutil.Error) as error:
        discard(place)
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ModelFileError(
            f"{source} cannot be taken in: {reason}",
            hint="Make room on the disk, or import with --link to leave the file where it is.",
        ) from error
    return card


def plan_removal(model_id: str) -> Removal:
    """Find what belongs to a model and may be deleted: what was pulled or imported.

    Raises:
        ModelNotFoundError: Nothing of that model was pulled or imported.
    """
    if not _ID.fullmatch(model_id):
        raise ModelNotFoundError(f"there is no model {model_id!r}")
    models = paths.data_dir() / "models"
    names = ((model_id,), (f"{model_id}.toml",), (".incoming", model_id))
    places = [inside(models, *parts) for parts in names]
    found = tuple(place for place in places if place.exists() or place.is_symlink())
    if not found:
        raise ModelNotFoundError(
            f"nothing of the model {model_id!r} was pulled or imported",
            hint="`llmstep models list` shows the models; those of the package stay.",
        )
    return Removal(found, sum(_size(place) for place in found))


def remove(removal: Removal) -> None:
    """Delete it; what links lead to stays.

    So does the lock file's entry: it holds a later pull to the same checksum.

    Raises:
        ModelFileError: A file cannot be deleted, for example because it is in use.
    """
    for place in removal.paths:
        try:
            discard(place)
        except OSError as error:
            raise ModelFileError(
                f"{place} cannot be deleted: {error.strerror or error}",
                hint="End the editors and servers that use the model, then try again.",
            ) from error


def format_card(card: ModelCard) -> str:
    """Write a card as TOML, with the keys that say something."""
    lines = []
    for key, value in attrs.asdict(card, recurse=False).items():
        if key != "sampling" and value not in ("", None, (), False):
            lines.append(f"{key} = {_toml(value)}")
    usual = attrs.asdict(SamplingDefaults())
    sampling = {k: v for k, v in attrs.asdict(card.sampling).items() if v != usual[k]}
    if sampling:
        lines += ["", "[sampling]", *(f"{key} = {_toml(value)}" for key, value in sampling.items())]
    return "\n".join(lines) + "\n"


def write_card(card: ModelCard) -> None:
    """Put a card among the user's own.

    Raises:
        OSError: It cannot be written; there is none then.
    """
    file = inside(paths.data_dir() / "models", f"{card.id}.toml")
    try:
        write_private(file, format_card(card))
        read_card(file)
    except OSError:
        file.unlink(missing_ok=True)
        raise


def check_id(model_id: str) -> None:
    """Refuse what is no name for a model of the user's own, or the name of another model.

    Raises:
        ConfigError: It is one of these.
    """
    if not _ID.fullmatch(model_id) or model_id in _RESERVED or model_id.endswith(".gguf"):
        raise ConfigError(
            f"{model_id!r} cannot be a model's name",
            hint="Choose one of letters, digits, `.`, `_` and `-` with --id.",
        )
    taken = {name for card in read_catalog().cards for name in (card.id, *card.aliases)}
    if model_id in taken or folder(ModelCard(model_id, "", ())).exists():
        raise ConfigError(
            f"there is a model {model_id!r} already",
            hint=f"Choose another name with --id, or run `llmstep models rm {model_id}` first.",
        )


def describe_file(source: Path) -> ModelCard:
    """A card from what a GGUF file says of itself.

    Raises:
        ModelFileError: It is none.
    """
    head = read_gguf_head(source)
    # A link of the hub's cache leads to a file whose name does not tell that it is a part.
    if len(list_parts(source)) > 1 or head.metadata.get("split.count", 1) != 1:
        raise ModelFileError(
            f"{source.name} is one part of a model that is split into several files",
            hint="Name the first with `--model` where it lies, or join them with `gguf-split "
            "--merge` of llama.cpp and import the whole.",
        )
    context = head.metadata.get(f"{head.architecture}.context_length")
    name = head.metadata.get("general.name")
    return ModelCard(
        id=name_id(source.stem),
        name=name if isinstance(name, str) and name.isprintable() and name else source.stem,
        backends=(LLAMA_CPP,),
        description=f"imported from {source}",
        architecture=head.architecture,
        file=source.name,
        size_bytes=head.size,
        context_length=context if isinstance(context, int) and context > 0 else None,
    )


def describe_folder(source: Path) -> ModelCard:
    """A card from what a Hugging Face folder says of itself.

    Raises:
        ModelFileError: It lacks its configuration, tokenizer or weights.
    """
    config = read_config(source)
    check_folder(str(source), [file.name for file in source.iterdir()])
    window = config.get("max_position_embeddings") or config.get("n_positions")
    return ModelCard(
        id=name_id(source.name),
        name=source.name,
        backends=(TRANSFORMERS,),
        prompt="byt5" if config.get("is_encoder_decoder") is True else "proofstep-plain",
        description=f"imported from {source}",
        architecture=config["model_type"],
        context_length=window if isinstance(window, int) and window > 0 else None,
    )


def check_folder(name: str, files: Iterable[str]) -> None:
    """Check that a Hugging Face folder, here or on the hub, has what a model needs.

    Raises:
        ModelFileError: It lacks its tokenizer or its weights.
    """
    present = list(files)
    for what, patterns in _FOLDER_PARTS.items():
        if not any(fnmatchcase(file, pattern) for file in present for pattern in patterns):
            raise ModelFileError(
                f"{name} has no {what}",
                hint="Fetch the whole repository, or save the tokenizer with the model.",
            )


def name_id(name: str) -> str:
    """A model's id from the name of a file or folder."""
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")


def _take_in(source: Path, card: ModelCard, place: Path, manner: Manner) -> None:
    if source.is_dir():
        if manner == "link":
            place.symlink_to(source, target_is_directory=True)
        elif manner == "move":
            shutil.move(source, place)
        else:
            shutil.copytree(source, place, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        return
    place.mkdir()
    target = place / card.file
    if manner == "link":
        target.symlink_to(source)
    elif manner == "move":
        shutil.move(source, target)
    else:
        shutil.copyfile(source, target)


def discard(place: Path) -> None:
    """Delete a file, folder or link; what a link leads to stays."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def _size(place: Path) -> int:
    if place.is_symlink():
        return 0
    if place.is_dir():
        return sum(_size(inner) for inner in place.iterdir())
    return place.stat().st_size


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, Score):
        pairs = (f"{key} = {_toml(item)}" for key, item in attrs.asdict(value).items())
        return f"{{ {', '.join(pairs)} }}"
    # A JSON string is a TOML basic string, but for DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
