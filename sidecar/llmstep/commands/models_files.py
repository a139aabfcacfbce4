"""``llmstep models pull | import | rm``: getting models onto this machine and off it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import click


@click.command()
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Only say what would be fetched.")
@click.option("--id", "model_id", help="For a model without a card: name to choose it by.")
@click.option("--prompt", help="For a model without a card: its prompt template.")
@click.option("--stop", multiple=True, help="For one without a card: string that ends an answer.")
def pull(
    name: str, dry_run: bool, model_id: str | None, prompt: str | None, stop: tuple[str, ...]
) -> None:
    """Fetch the files of the model NAME from the Hugging Face hub.

    NAME is the id or an alias of a card, or any model of the hub: owner/name, owner/name@revision,
    owner/name:file.gguf. The latter get a card of their own.

    An interrupted transfer is resumed. HF_HOME, HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE hold.
    """
    from llmstep.service.adoption import Wish, adopt, plan_adoption
    from llmstep.service.catalog import find_card

    adoption = plan_adoption(name, Wish(model_id, prompt, stop))
    card, plan = adoption.card, adoption.plan
    if plan is None:
        place = adopt(adoption)
        click.echo(f"{card.id} is here already: {place}", err=True)
        click.echo(str(place))
        return
    files = "1 file" if len(plan.files) == 1 else f"{len(plan.files)} files"
    click.echo(
        f"{card.id}: {files}, {_size(plan.size_bytes)}, from {card.repo} at {plan.revision[:12]}"
        + (f", licence {card.licence}" if card.licence else ""),
        err=True,
    )
    if dry_run:
        return
    place = adopt(adoption, bars=sys.stderr.isatty())
    if adoption.guessed and (kept := find_card(card.id)) is not None:
        click.echo(
            f"The hub does not tell what prompt {card.id} was trained on, so it is asked with "
            f"{kept.prompt!r}. For another one: `llmstep models rm {card.id}`, then pull it with "
            "--prompt; or set `prompt` in config.toml.",
            err=True,
        )
    if adoption.is_new:
        click.echo(f"use it with `--model {card.id}` or LLMSTEP_MODEL={card.id}", err=True)
    click.echo(str(place))


@click.command("import")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option("--id", "model_id", help="Name to choose it by; its file name by default.")
@click.option(
    "--prompt",
    default="proofstep-plain",
    show_default=True,
    help="Prompt template; `llmstep models info ID` shows those of other models.",
)
@click.option("--stop", multiple=True, help="String that ends an answer; may be repeated.")
@click.option("--licence", default="", help="Its licence, for `llmstep models list`.")
@click.option("--link", is_flag=True, help="Link to the files instead of copying them.")
def import_(
    source: Path, model_id: str | None, prompt: str, stop: tuple[str, ...], licence: str, link: bool
) -> None:
    """Take in SOURCE: a .gguf file or a Hugging Face folder, under a name of its own."""
    from llmstep.prompts.template import load_template
    from llmstep.service.user_models import import_model

    load_template(prompt)
    manner: Literal["copy", "link"] = "link" if link else "copy"
    card = import_model(
        source, model_id=model_id, prompt=prompt, stop=stop, licence=licence, manner=manner
    )
    click.echo(f"imported; use it with `--model {card.id}` or LLMSTEP_MODEL={card.id}", err=True)
    click.echo(card.id)


@click.command("rm")
@click.argument("name")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def remove(name: str, yes: bool) -> None:
    """Delete what was pulled or imported of the model NAME."""
    from llmstep.service import user_models as library

    removal = library.plan_removal(name)
    for place in removal.paths:
        click.echo(str(place), err=True)
    if not yes:
        click.confirm(f"Delete {_size(removal.size_bytes)}?", abort=True, err=True)
    library.remove(removal)


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
