"""Models of the hub that have no card: the card is made from what the hub and the file tell.

A reference reads ``owner/name``, ``owner/name@revision``, and either with ``:file.gguf`` behind it.
Such a card lies in the user's models folder like an imported one, names the commit, and holds
nothing that neither the hub nor the file states, but for the prompt template: what form a model
was trained on is written nowhere, so that is the user's to say.
"""

from __future__ import annotations

import re
from pathlib import Path

import attrs

from llmstep.backends import LLAMA_CPP, TRANSFORMERS
from llmstep.backends.base import CancelToken
from llmstep.errors import ConfigError, LLMStepError, ModelFileError, ModelNotFoundError
from llmstep.prompts.template_file import load_template
from llmstep.service.card import ModelCard
from llmstep.service.catalog import find_card, folder, locate, read_catalog
from llmstep.service.download import OnBytes, PullPlan, plan_pull, pull
from llmstep.service.hub import DownloadError, Repository, look_up
from llmstep.service.user_models import (
    check_folder,
    check_id,
    describe_file,
    describe_folder,
    discard,
    name_id,
    write_card,
)

# A base model is the safest guess: three examples show it what to do.
DEFAULT_PROMPT = "llemma-fewshot"

_REFERENCE = re.compile(
    r"(?:https?://[^/]+/|hf\.co/)?"
    r"(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>(?!.*\.\.)[\w./-]+))?(?::(?P<file>[^:/\\]+))?/?"
)
_SHARD = re.compile(r"-\d{5}-of-\d{5}\.gguf$")
# The format that the recommendations count with: a quarter of the weights' size, little lost.
_USUAL = re.compile(r"q4_k_m\.gguf$", re.IGNORECASE)
_MOST_LISTED = 12


@attrs.frozen
class Reference:
    """A model of the hub as the user names it; without a revision the newest one.

    ``file`` is the name of a GGUF file; empty leaves the choice.
    """

    repo: str
    revision: str | None = None
    file: str = ""


@attrs.frozen
class Wish:
    """What a user says of a model that has no card.

    Attributes:
        model_id: Name to choose it by; made from the file's or repository's if ``None``.
        prompt: Id of the prompt template; ``None`` lets it be guessed.
        stop: Strings that end a candidate.
    """

    model_id: str | None = None
    prompt: str | None = None
    stop: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self != Wish()


@attrs.frozen
class Adoption:
    """A model that is to be fetched, or is here already.

    Attributes:
        card: Its card.
        plan: What to fetch; ``None`` if it is here.
        is_new: Whether the card is not yet among the user's.
        guessed: Whether its prompt template is a guess.
    """

    card: ModelCard
    plan: PullPlan | None
    is_new: bool = False
    guessed: bool = False


def parse_reference(name: str) -> Reference | None:
    """Read a reference; ``None`` if it is none."""
    match = _REFERENCE.fullmatch(name.strip())
    if match is None:
        return None
    return Reference(match["repo"], match["revision"], match["file"] or "")


def plan_adoption(name: str, wish: Wish = Wish()) -> Adoption:
    """Find what is to be fetched for a model, by a card's id or alias, or by a reference.

    Raises:
        ModelNotFoundError: It is neither.
        ConfigError: There is a card already, so a wish would be lost; its new name is taken; or
            there is no such prompt template.
        DownloadError: The hub cannot answer, or the repository holds no model for this program.
        BackendUnavailableError: ``huggingface_hub`` is not installed.
        ModelFileError: The hub's files are not those of the card or of the last download.
    """
    if wish.prompt is not None:
        load_template(wish.prompt)
    reference = parse_reference(name)
    card = find_card(name) or (_card_of(reference) if reference else None)
    if card is not None:
        if wish:
            raise ConfigError(
                f"the model {card.id!r} has a card, which names its prompt and stop strings",
                hint="To change them set `prompt` in config.toml, or import its file with --id.",
            )
        return Adoption(card, None if locate(card) else plan_pull(card))
    if reference is None:
        raise ModelNotFoundError(
            f"there is no model card {name!r}",
            hint="`llmstep models list` shows those there are. A model of the Hugging Face hub "
            "is named owner/name, owner/name@revision or owner/name:file.gguf.",
        )
    repository = look_up(reference.repo, reference.revision)
    card, guessed = _make_card(reference, repository, wish)
    check_id(card.id)
    return Adoption(card, plan_pull(card), is_new=True, guessed=guessed)


def adopt(
    adoption: Adoption,
    *,
    bars: bool = False,
    on_bytes: OnBytes | None = None,
    cancel: CancelToken | None = None,
) -> Path:
    """Fetch a model, and keep its card if it is a new one; see `download.pull`.

    Returns:
        The model's file, or its folder.

    Raises:
        LLMStepError: As said there, or a file is no model.
    """
    if adoption.plan is None:
        place = locate(adoption.card)
        if place is None:
            raise ModelFileError(f"the files of {adoption.card.id!r} are gone again")
        return place
    place = pull(adoption.plan, bars=bars, on_bytes=on_bytes, cancel=cancel)
    if adoption.is_new:
        try:
            write_card(_complete(adoption, place))
        except LLMStepError:
            discard(folder(adoption.card))
            raise
        except OSError as error:
            discard(folder(adoption.card))
            raise ModelFileError(
                f"the card of {adoption.card.id!r} cannot be written: {error.strerror or error}",
                hint="Make room on the disk, or set LLMSTEP_HOME to another folder.",
            ) from error
    return place


def _card_of(reference: Reference) -> ModelCard | None:
    """A card that already stands for a reference."""
    for card in read_catalog().cards:
        same = card.repo == reference.repo and reference.file in ("", card.file)
        if same and reference.revision in (None, card.revision):
            return card
    return None


def _make_card(reference: Reference, repository: Repository, wish: Wish) -> tuple[ModelCard, bool]:
    """A card from what the hub tells, and whether its prompt template is a guess."""
    file = reference.file or _choose_file(repository)
    if file and _SHARD.search(file):
        raise DownloadError(
            f"{file} is one part of a model that is split into several files",
            hint="Choose a model in one file; `gguf-split --merge` of llama.cpp joins the parts.",
        )
    if reference.file and not file.endswith(".gguf"):
        raise DownloadError(
            f"{file} is no GGUF file", hint="Name a .gguf file, or the repository alone."
        )
    if not file:
        check_folder(repository.name, repository.files)
    relative = _relative_of(repository)
    own_name = Path(file).stem if file else repository.name.partition("/")[2]
    card = ModelCard(
        id=wish.model_id or name_id(own_name),
        name=own_name,
        backends=(LLAMA_CPP if file else TRANSFORMERS,),
        prompt=wish.prompt or (relative.prompt if relative else DEFAULT_PROMPT),
        licence=repository.licence,
        aliases=_free_aliases(repository.name),
        description=f"pulled from {repository.name}",
        source=f"https://huggingface.co/{repository.name}",
        repo=repository.name,
        revision=repository.commit,
        file=file,
        parameters=repository.parameters,
        stop=wish.stop or (relative.stop if relative else ()),
    )
    return card, wish.prompt is None and relative is None


def _choose_file(repository: Repository) -> str:
    """The GGUF file to take where none is named; empty for a folder of weights."""
    files = [
        name for name in repository.files if name.endswith(".gguf") and not set(name) & set("/\\:")
    ]
    if not files and "config.json" in repository.files:
        return ""
    usual = [name for name in files if _USUAL.search(name)]
    if len(files) == 1 or len(usual) == 1:
        return (usual or files)[0]
    if not files:
        raise DownloadError(
            f"the repository {repository.name} holds no model for llmstep: neither a .gguf file "
            "nor a config.json at its top",
            hint="Choose a repository with a GGUF file, or with weights for transformers.",
        )
    named = [f"{repository.name}:{name}" for name in sorted(files)]
    shown = [*named[:_MOST_LISTED], *(["..."] if len(named) > _MOST_LISTED else [])]
    raise DownloadError(
        f"the repository {repository.name} has {len(files)} GGUF files",
        hint=f"Name one of them: {', '.join(shown)}.",
    )


def _relative_of(repository: Repository) -> ModelCard | None:
    """A card of the same weights in another number format: it knows their prompt."""
    names = {repository.name, *repository.originals}
    for card in read_catalog().cards:
        if card.repo in names or not names.isdisjoint(card.aliases):
            return card
    return None


def _free_aliases(repo: str) -> tuple[str, ...]:
    taken = {alias for card in read_catalog().cards for alias in card.aliases}
    return () if repo in taken else (repo,)


def _complete(adoption: Adoption, place: Path) -> ModelCard:
    """The card with what the files tell of themselves; they know better than the hub."""
    card = adoption.card
    facts = describe_file(place) if card.file else describe_folder(place)
    # Worked examples are for models that continue a text; an encoder-decoder reads the goal alone.
    reads_goal = adoption.guessed and facts.prompt == "byt5"
    return attrs.evolve(
        card,
        name=facts.name if card.file else card.name,
        architecture=facts.architecture,
        context_length=facts.context_length,
        prompt=facts.prompt if reads_goal else card.prompt,
    )
