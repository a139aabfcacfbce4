"""``llmstep config``: every setting, its value, and where the value comes from."""

from __future__ import annotations

import json

import click

from llmstep import paths
from llmstep.config import BY_NAME, TABLE, resolve
from llmstep.config_file import write_setting


@click.group()
def config() -> None:
    """Show every setting and where it comes from, and set them."""


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


@config.command("set")
@click.argument("key")
@click.argument("value", required=False)
@click.option("--unset", is_flag=True, help="Take the line out, so that the default holds.")
def set_(key: str, value: str | None, unset: bool) -> None:
    """Write KEY = VALUE into the settings file, everything else of which stays as it is.

    Lists are written with commas: llmstep config set sources model,file
    """
    if (value is None) != unset:
        raise click.UsageError("give a VALUE, or --unset and none")
    path = paths.config_file()
    write_setting(path, key, value)
    resolved = resolve()
    row = BY_NAME[key.replace("-", "_")]
    now = json.dumps(getattr(resolved.settings, row.name), ensure_ascii=False)
    click.echo(f"{row.name} = {now}    from {resolved.origins[row.name]}")
    if resolved.origins[row.name] not in (str(path), "default"):
        click.echo(f"note: {path} is written, but the value above comes before it", err=True)


@config.command()
def path() -> None:
    """Print the path of the user's settings file."""
    click.echo(paths.config_file())
