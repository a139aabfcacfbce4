"""``llmstep config``: every setting, its value, and where the value comes from."""

from __future__ import annotations

import json

import click

from llmstep import paths
from llmstep.config import TABLE, resolve


@click.group()
def config() -> None:
    """Show every setting and where it comes from."""


@config.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(as_json: bool) -> None:
    """Print each setting with its value, origin and meaning."""
    resolved = resolve()
    rows = [
        {
            "name": row.name,
            "value": getattr(resolved.settings, row.name),
            "origin": resolved.origins[row.name],
            "variable": row.variable,
            "meaning": row.meaning,
        }
        for row in TABLE
    ]
    if as_json:
        problems = [str(problem) for problem in resolved.problems]
        click.echo(json.dumps({"settings": rows, "problems": problems}, ensure_ascii=False))
        return
    for row in rows:
        value = "(the model's)" if row["value"] is None else json.dumps(row["value"])
        click.echo(f"{row['name']} = {value}    from {row['origin']}")
        click.echo(f"    {row['meaning']} ({row['variable']})")
    for problem in resolved.problems:
        click.echo(f"not taken: {problem}", err=True)


@config.command()
def path() -> None:
    """Print the path of the user's settings file."""
    click.echo(paths.config_file())
