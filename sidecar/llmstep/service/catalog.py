"""Models by name: cards read from ``models/*.toml``, and any ``.gguf`` file by its path.

The cards of the package lie in ``models/``; a user's own lie in ``<data folder>/models`` and come
first.
"""

from __future__ import annotations

import difflib
import importlib.util
import os
from pathlib import Path

import attrs

from llmstep import backends, environment, paths
from llmstep.backends.hf_files import HUB_ID, find_folder
from llmstep.errors import BackendUnavailableError, ModelFileError, ModelNotFoundError
from llmstep.service.card import ModelCard, read_card
from llmstep.service.checksums import fingerprint
from llmstep.user_files import inside, read_json_value

# Beside the cards lie the weights of the sources.
_NO_CARD = "mixing.toml"
# Library and extra that a backend needs; the library is looked for, never imported, here.
LIBRARIES: dict[str, tuple[str, str]] = {
    backends.LLAMA_CPP: ("llama_cpp", "gguf"),
    backends.TRANSFORMERS: ("transformers", "hf"),
}


@attrs.frozen
class Catalog:
    """All cards that could be read, sorted by id, and what was wrong with the others."""

    cards: tuple[ModelCard, ...]
    problems: tuple[str, ...] = ()


@attrs.frozen
class ResolvedModel:
    """A model that can be opened.

    Attributes:
        path: Its file or folder; ``None`` for the scripted backend and for a model at a server.
        backend: Registry name of the backend to open it with.
        remote_model: Its name at the server; empty takes the server's only one.
    """

    card: ModelCard
    path: Path | None
    backend: str
    remote_model: str = ""

    @property
    def id(self) -> str:
        """Name it was chosen by."""
        return self.card.id

    def fingerprint(self) -> str:
        """What the model's answers depend on, for the cache: changes whenever the file does."""
        if self.backend != backends.OPENAI:
            return fingerprint(self.path) if self.path else self.backend
        # Which model an unnamed one is, only the server knows: good for this process alone.
        name = self.remote_model or f"process {os.getpid()}"
        return f"{os.environ.get(environment.OPENAI_URL, '')} {name}"


ECHO = ModelCard(
    id=backends.ECHO,
    name="echo (scripted answers, no model)",
    backends=(backends.ECHO,),
    proof="instruct",
    description="answers from a script, for tests of clients",
)


def card_folders() -> list[Path]:
    """Where cards lie: the user's folder, then the package's."""
    return [paths.data_dir() / "models", paths.models_dir()]


def read_catalog() -> Catalog:
    """Read all cards. A card that is wrong is left out and told of; it hides no other."""
    cards: dict[str, ModelCard] = {}
    problems: list[str] = []
    for folder in card_folders():
        try:
            files = sorted(folder.glob("*.toml"))
        except OSError as error:  # such as a data folder of another user
            problems.append(f"{folder} cannot be read: {error.strerror or error}")
            continue
        for file in files:
            if file.name == _NO_CARD:
                continue
            try:
                card, odd = read_card(file)
            except ModelFileError as error:
                problems.append(error.message)
                continue
            problems += odd
            cards.setdefault(card.id, card)
    return Catalog(tuple(sorted(cards.values(), key=lambda card: card.id)), tuple(problems))


def find_model(name: str) -> ResolvedModel:
    """Find the model of that name.

    Args:
        name: A card's id or alias, ``echo``, ``openai`` or ``openai:<name>`` for a model at a
            server, the path of a ``.gguf`` file or of a Hugging Face folder, or the id
            (``owner/name``, ``owner/name@revision``) of one in the Hugging Face cache.

    Raises:
        ModelNotFoundError: There is no such card or file, or the card's file is not on this disk.
        ModelFileError: The path is a file of another kind, or the card is wrong.
        BackendUnavailableError: No backend of this version can run the model.
    """
    if name == ECHO.id:
        return ResolvedModel(ECHO, None, backends.ECHO)
    if name == backends.OPENAI or name.startswith(f"{backends.OPENAI}:"):
        return _find_remote(name)
    card = find_card(name)
    if card is None:
        return _from_path(name)
    backend = next((kind for kind in card.backends if kind in backends.BACKENDS), None)
    if backend is None:
        raise BackendUnavailableError(
            f"the model {card.id!r} needs the backend {' or '.join(card.backends)}, "
            "which this version of llmstep does not have",
            hint="Choose another model: `llmstep models list` shows which can run here.",
        )
    path = locate(card)
    if path is None:
        raise ModelNotFoundError(
            f"the file of the model {card.id!r} is not on this machine", hint=how_to_get(card)
        )
    return ResolvedModel(card, path, backend)


def find_card(name: str) -> ModelCard | None:
    """The card with that id or alias; ``None`` if there is none.

    Raises:
        ModelFileError: A card file of that name exists, but is wrong.
    """
    catalog = read_catalog()
    for card in catalog.cards:
        if name == card.id or name in card.aliases:
            return card
    for folder in card_folders():
        file = folder / f"{name}.toml"
        if not set(name) & set("/\\:") and _is_file(file):
            read_card(file)
    return None


def locate(card: ModelCard) -> Path | None:
    """Where the card's file (or folder) lies on this machine; ``None`` if it does not."""
    if card.file:
        places = [folder(card) / card.file, *(place / card.file for place in card_folders())]
        return next((place for place in places if _is_file(place)), None)
    return folder(card) if _is_file(folder(card) / "config.json") else None


def _is_file(path: Path) -> bool:
    """Whether there is such a file that can be reached."""
    try:
        return path.is_file()
    except OSError:
        return False


def folder(card: ModelCard) -> Path:
    """Where the user's copy of the model belongs."""
    return inside(paths.data_dir() / "models", card.id)


def how_to_get(card: ModelCard) -> str:
    """What to do to have the model's file on this machine."""
    if is_shipped(card):
        return (
            "It comes with llmstep. Run `llmstep doctor --fix`, which brings it back, or "
            f"{paths.restore_models_command()}"
        )
    origin = f" from https://huggingface.co/{card.repo}" if card.repo else ""
    pull = f"Run `llmstep models pull {card.id}`, or put" if card.repo else "Put"
    if not card.file:
        return f"{pull} the files{origin} into {folder(card)}."
    place = folder(card) / card.file
    return f"{pull} {card.file}{origin} at {place}, or pass `--model /path/to.gguf`."


def is_shipped(card: ModelCard) -> bool:
    """Whether the card's file comes with llmstep itself."""
    shipped = paths.models_dir() / f"{card.id}.toml"
    return bool(card.file) and not card.repo and shipped.is_file()


def _find_remote(name: str) -> ResolvedModel:
    """A model at a server, with the prompt and stop strings of its card if it has one.

    A card is found by id, alias or repository. Servers know a model by its repository; for a card
    of a GGUF file that is the alias, the repository the file was made from.
    """
    own_name = os.environ.get(environment.OPENAI_MODEL, "").strip()
    wanted = name.partition(":")[2].strip() or own_name
    for card in read_catalog().cards if wanted else ():
        if wanted not in (card.id, *card.aliases, card.repo):
            continue
        served = wanted
        if "/" not in wanted:
            origins = (alias for alias in card.aliases if "/" in alias)
            served = own_name or next(origins, card.repo) or wanted
        remote = attrs.evolve(card, id=name, backends=(backends.OPENAI,))
        return ResolvedModel(remote, None, backends.OPENAI, served)
    # Without a card a base model is the safest guess: three examples show it what to do.
    card = ModelCard(
        id=name,
        name=wanted or "the server's model",
        backends=(backends.OPENAI,),
        prompt="llemma-fewshot",
        proof="instruct",
        description="a model behind an OpenAI-compatible server",
    )
    return ResolvedModel(card, None, backends.OPENAI, wanted)


def _from_path(name: str) -> ResolvedModel:
    path = paths.expand(name)
    if path.is_dir():
        return _from_folder(path.resolve(), path.resolve().name)
    if not path.exists() and HUB_ID.fullmatch(name) and path.suffix.lower() != ".gguf":
        return _from_folder(find_folder(Path(name)), name)
    if not path.is_file():
        raise _not_found(name, path)
    if path.suffix.lower() != ".gguf":
        raise ModelFileError(
            f"{path} is no .gguf file", hint="Convert the model to GGUF, or choose another file."
        )
    card = ModelCard(
        id=path.stem,
        name=path.stem,
        backends=(backends.LLAMA_CPP,),
        file=path.name,
        size_bytes=path.stat().st_size,
        description=f"the file {path}",
    )
    # Not resolved: the further parts of a split model lie beside the link, under their names.
    return ResolvedModel(card, path.absolute(), backends.LLAMA_CPP)


def _from_folder(path: Path, name: str) -> ResolvedModel:
    """A Hugging Face folder without a card: the prompt follows from its kind."""
    try:
        config = read_json_value(path / "config.json")
    except (OSError, ValueError) as error:
        raise ModelFileError(
            f"{path} is a folder without a config.json that can be read: {error}",
            hint="Name a .gguf file, or a folder as `transformers` saves it.",
        ) from None
    encoder_decoder = isinstance(config, dict) and config.get("is_encoder_decoder") is True
    card = ModelCard(
        id=name,
        name=name,
        backends=(backends.TRANSFORMERS,),
        prompt="byt5" if encoder_decoder else "proofstep-plain",
        description=f"the folder {path}",
    )
    return ResolvedModel(card, path, backends.TRANSFORMERS)


def _not_found(name: str, path: Path) -> ModelNotFoundError:
    if path.suffix.lower() == ".gguf" or len(path.parts) > 1:
        return ModelNotFoundError(
            f"there is no file {path}", hint="Check the path; it must name one .gguf file."
        )
    names = [ECHO.id]
    for card in read_catalog().cards:
        names += [card.id, *card.aliases]
    near = difflib.get_close_matches(name, names, n=1)
    guess = f"; did you mean {near[0]!r}?" if near else ""
    return ModelNotFoundError(f"there is no model {name!r}{guess}")


def missing_backend(card: ModelCard) -> str:
    """Why no backend can run the card here; empty if one can."""
    reasons: list[str] = []
    for kind in card.backends:
        if kind not in backends.BACKENDS:
            reasons.append(f"needs the backend {kind}, not in this version")
            continue
        library, extra = LIBRARIES.get(kind, ("", ""))
        if library and importlib.util.find_spec(library) is None:
            reasons.append(f"needs {library}: {paths.install_command(extra)}")
            continue
        return ""
    return "; ".join(reasons)
