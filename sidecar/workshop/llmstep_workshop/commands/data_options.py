"""What the subcommands of ``llmstep data`` have in common."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from llmstep_workshop.data.sheet import Profile, Table

_Command = TypeVar("_Command", bound=Callable[..., Any])

rows_argument = click.argument(
    "rows", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)


def share_option(name: str, default: float, text: str) -> Callable[[_Command], _Command]:
    """An option that takes a share, 0 to 1."""
    share = click.FloatRange(0, 1)
    return click.option(name, type=share, default=default, show_default=True, help=text)


def add_common_options(command: _Command) -> _Command:
    """Add --output, --sheet and --licence to a command."""
    options = (
        click.option(
            "-o",
            "--output",
            required=True,
            type=click.Path(dir_okay=False, path_type=Path),
            help="The JSONL file to write; compressed if its name ends in .gz.",
        ),
        click.option(
            "--sheet",
            type=click.Path(dir_okay=False, path_type=Path),
            help="The data sheet (default: the output's name with .md after it).",
        ),
        click.option("--licence", default="", help="Licence of the data, for the sheet."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def add_lean_options(command: _Command) -> _Command:
    """Add what says how Lean is run: --lean, --project, --header and --timeout."""
    options = (
        click.option(
            "--lean", "command", help="Command that runs Lean (default: lean, or lake env lean)."
        ),
        click.option(
            "--project",
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            help="Lean project to run in, by `lake env lean`.",
        ),
        click.option(
            "--header",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="Lean text to put in front: open, variable, lemmas, notation.",
        ),
        click.option(
            "--timeout",
            type=click.FloatRange(1),
            default=600,
            show_default=True,
            help="Seconds per file.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def spell_command() -> str:
    """The command that is running, with what was given to it."""
    context = click.get_current_context()
    words = ["llmstep", *context.command_path.split()[1:]]
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        if isinstance(parameter, click.Argument):
            words += map(str, value if isinstance(value, tuple) else [value])
        elif value not in (None, (), "", False) and value != parameter.default:
            name = max(parameter.opts, key=len)
            if value is True:
                words.append(name)
            for item in () if value is True else value if isinstance(value, tuple) else (value,):
                words += [name, str(item)]
    return shlex.join(words)


def write_sheet(
    output: Path,
    path: Path | None,
    sources: Sequence[Path],
    licence: str,
    profiles: Mapping[str, Profile],
    *,
    tables: Sequence[Table] = (),
    notes: Sequence[str] = (),
    title: str = "",
) -> None:
    """Write the data sheet of the command that is running, and say where it is.

    Args:
        output: The data file; the sheet stands beside it unless ``path`` says otherwise.
        path: Where the user wants it.
        sources: Files the rows come from.
        licence: Licence of the data.
        profiles: What was counted of each file that was written, by the file's name.
        tables: What the command has to tell, as tables.
        notes: The same in sentences.
        title: Heading, where several files were written and their rows have been told; the name of
            the one file by default.
    """
    from llmstep_workshop.data.records import write_text
    from llmstep_workshop.data.sheet import Sheet

    sheet = Sheet(
        title=title or output.name,
        command=spell_command(),
        sources=sources,
        licence=licence,
        profiles=profiles,
        tables=tables,
        notes=notes,
    )
    path = path or output.with_name(f"{output.name}.md")
    write_text(path, sheet.render())
    if not title:
        rows = sum(profile.rows for profile in profiles.values())
        click.echo(f"{output}: {rows:,} rows")
    click.echo(f"{path}: the data sheet")
