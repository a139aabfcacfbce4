"""``llmstep models``: the models at hand, what is known of them, and whether a file is whole."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from llmstep.commands.models_files import import_, pull, remove
from llmstep.commands.models_recommend import recommend
from llmstep.commands.workshop import load_workshop_command

if TYPE_CHECKING:
    from pathlib import Path

    from llmstep.service.card import ModelCard


class _Models(click.Group):
    """``convert`` is looked for only when it is asked for: the workshop brings it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), "convert"])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "convert":
            return load_workshop_command("models.convert")
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Models, commands=[pull, import_, remove, recommend])
def models() -> None:
    """List, show, verify, pull, import, convert and remove models, and find the one to take."""


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per model.")
def list_models(as_json: bool) -> None:
    """List all model cards and whether each can run on this machine."""
    from llmstep.service.catalog import ECHO, read_catalog

    catalog = read_catalog()
    rows = [_row(card) for card in (*catalog.cards, ECHO)]
    if as_json:
        for row in rows:
            click.echo(json.dumps(row, ensure_ascii=False))
    else:
        name, licence = (max(len(row[key]) for row in rows) for key in ("id", "licence"))
        for row in rows:
            click.echo(
                f"{row['id']:{name}}  {_size(row['sizeBytes']):>8}  "
                f"{row['licence'] or '-':{licence}}  {row['status']}"
            )
    for problem in catalog.problems:
        click.echo(f"not taken: {problem}", err=True)


@models.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info(name: str, as_json: bool) -> None:
    """Show what is known of the model NAME (an id, an alias, or the path of a .gguf file)."""
    import attrs

    card = _card(name)
    row = _row(card)
    facts: dict[str, Any] = {
        key: value for key, value in attrs.asdict(card).items() if value not in ("", None, ())
    }
    facts |= {"status": row["status"], "path": row["path"]}
    if as_json:
        click.echo(json.dumps({_camel(key): facts[key] for key in facts}, ensure_ascii=False))
        return
    for key, value in facts.items():
        if isinstance(value, dict):
            value = ", ".join(f"{k} {v}" for k, v in value.items() if v is not None)
        elif key == "scores":
            value = "; ".join(_score(score) for score in value)
        elif isinstance(value, (tuple, list)):
            value = ", ".join(text if text.isprintable() else repr(text) for text in value)
        click.echo(f"{key:15} {value if value is not None else '-'}")


@models.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def path(name: str | None, as_json: bool) -> None:
    """Print where the file of the model NAME lies (the chosen model without NAME)."""
    from llmstep.service.catalog import find_model

    model = find_model(name or _chosen())
    if as_json:
        click.echo(json.dumps({"id": model.id, "path": _text(model.path)}, ensure_ascii=False))
    elif model.path is None:
        raise click.ClickException(f"the model {model.id!r} has no file")
    else:
        click.echo(str(model.path))


@models.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(name: str | None, as_json: bool) -> None:
    """Compare the file of the model NAME (the chosen model without NAME) with its card."""
    from llmstep.errors import ModelFileError
    from llmstep.service.catalog import find_model
    from llmstep.service.verification import verify_model

    model = find_model(name or _chosen())
    quiet = as_json or not sys.stderr.isatty()
    length = model.path.stat().st_size if model.path and model.path.is_file() else 0
    with click.progressbar(
        length=length, label=f"reading {model.id}", file=sys.stderr, hidden=quiet
    ) as bar:
        done = 0

        def advance(read: int, _total: int) -> None:
            nonlocal done
            bar.update(read - done)
            done = read

        try:
            found = verify_model(model, advance)
        except ModelFileError as error:
            if as_json:
                outcome = {"id": model.id, "ok": False, "problem": error.message}
                click.echo(json.dumps(outcome, ensure_ascii=False))
                sys.exit(1)
            raise
    if as_json:
        outcome = {
            "id": model.id,
            "ok": True,
            "path": _text(model.path),
            "sizeBytes": found.size_bytes,
            "sha256": found.sha256,
            "compared": list(found.compared),
        }
        click.echo(json.dumps(outcome, ensure_ascii=False))
    else:
        click.echo(f"{model.id}: {model.path}: {found}")


def _chosen() -> str:
    from llmstep.config import resolve

    return resolve().settings.model


def _card(name: str) -> ModelCard:
    from llmstep.service.catalog import ECHO, find_card, find_model

    if name == ECHO.id:
        return ECHO
    return find_card(name) or find_model(name).card


def _row(card: ModelCard) -> dict[str, Any]:
    """What the list shows of a card; ``status`` starts with ``ready`` exactly if it can run."""
    from llmstep.service.catalog import ECHO, locate, missing_backend

    lacking = missing_backend(card)
    place = None if card is ECHO else locate(card)
    problems = [lacking] if lacking else []
    if card is not ECHO and place is None:
        problems.append("file not on this machine")
    size = place.stat().st_size if place is not None and place.is_file() else card.size_bytes
    return {
        "id": card.id,
        "name": card.name,
        "licence": card.licence,
        "backends": list(card.backends),
        "parameters": card.parameters,
        "sizeBytes": size,
        "path": _text(place),
        "status": "; ".join(problems) or "ready",
    }


def _score(score: dict[str, Any]) -> str:
    budget = f", {score['budget']}" if score["budget"] else ""
    return f"{score['percent']:g} % of {score['benchmark']}{budget} ({score['source']})"


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _text(place: Path | None) -> str | None:
    return None if place is None else str(place)


def _size(size: int | None) -> str:
    if size is None:
        return "-"
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
