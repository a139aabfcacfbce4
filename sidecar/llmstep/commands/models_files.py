"""``llmstep models pull | import | rm``: getting models onto this machine and off it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import click


@click.command()
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Only say what would be fetched.")
def pull(name: str, dry_run: bool) -> None:
    """Fetch the files of the model NAME (an id or an alias) from the Hugging Face hub.

    An interrupted transfer is resumed. HF_HOME, HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE hold.
    """
    from llmstep.errors import ModelNotFoundError
    from llmstep.service import download
    from llmstep.service.catalog import find_card, locate

    card = find_card(name)
    if card is None:
        raise ModelNotFoundError(f"there is no model card {name!r}")
    place = locate(card)
    if place is not None:
        click.echo(f"{card.id} is here already: {place}", err=True)
        click.echo(str(place))
        return
    plan = download.plan_pull(card)
    files = "1 file" if len(plan.files) == 1 else f"{len(plan.files)} files"
    click.echo(
        f"{card.id}: {files}, {_size(plan.size_bytes)}, from {card.repo} at {plan.revision[:12]}"
        + (f", licence {card.licence}" if card.licence else ""),
        err=True,
    )
    if not dry_run:
        click.echo(str(download.pull(plan, bars=sys.stderr.isatty())))


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
    from llmstep.service.library import import_model

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
    from llmstep.service import library

    removal = library.plan_removal(name)
    for place in removal.paths:
        click.echo(str(place), err=True)
    if not yes:
        click.confirm(f"Delete {_size(removal.size_bytes)}?", abort=True, err=True)
    library.remove(removal)


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
