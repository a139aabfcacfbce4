"""``llmstep index``: the indexes of projects and packages, made and looked at."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmstep.commands.workshop import load_workshop_command

if TYPE_CHECKING:
    from llmstep.sources.library_builder import Target

# Made by the workshop from proof steps.
_OF_WORKSHOP = ("build", "fit", "portfolio")


class _Index(click.Group):
    """The workshop's commands are looked for only when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *_OF_WORKSHOP])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _OF_WORKSHOP:
            found = load_workshop_command("index")
            if isinstance(found, click.Group):
                return found.get_command(ctx, cmd_name)
            return load_workshop_command(f"index.{cmd_name}")  # says how to get it
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Index)
def index() -> None:
    """What suggestions draw on besides the model: lemmas and steps of projects and packages."""


_FOLDER = click.argument(
    "folder",
    default=".",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)


@index.command()
@_FOLDER
@click.option("--own/--no-own", default=True, help="Read the project's own files, too.")
@click.option("--idle", is_flag=True, help="Leave processor and disk to everybody else.")
def packages(folder: Path, own: bool, idle: bool) -> None:
    """Index the packages of the project in FOLDER now, each once per revision.

    Suggestions do this by themselves, in the background. What is interrupted goes on where it
    stopped.
    """
    from llmstep.errors import ModelFileError
    from llmstep.sources.library_builder import IndexingError, build_library, remove_old_indexes

    if idle:
        from llmstep.sources.index_worker import become_idle

        become_idle()
    notes: list[str] = []
    failed = False
    targets = _targets(folder, notes, own)
    for target in targets:
        line = _Line(target.name)
        try:
            new = build_library(target, line.tell, notes.append)
        except IndexingError as error:
            failed = True
            line.end(f"{error}")
        else:
            line.end("indexed" if new else "up to date")
    remove_old_indexes(frozenset(target.key for target in targets))
    for note in notes:
        click.echo(f"note: {note}", err=True)
    if failed:
        raise ModelFileError(
            "not all indexes could be built",
            hint="Make room on the disk, or make the folders readable; then run it again.",
        )


@index.command()
@_FOLDER
def status(folder: Path) -> None:
    """Show which indexes there are for the project in FOLDER."""
    from llmstep.sources.library_builder import is_built

    notes: list[str] = []
    for target in _targets(folder, notes, own=True):
        if is_built(target):
            what = f"indexed, {target.index.stat().st_size / 1e6:.1f} MB"
        else:
            what = "begun" if target.store.is_file() else "not indexed"
        click.echo(f"{target.name:24}  {what}")
    for note in notes:
        click.echo(f"note: {note}", err=True)


@index.command()
@click.option("--all", "every", is_flag=True, help="Remove all indexes, also those in use.")
def clean(every: bool) -> None:
    """Remove the indexes that no project has asked for in 90 days, or beyond 2 GB."""
    from llmstep.sources.library_builder import remove_all_indexes, remove_old_indexes

    removed = remove_all_indexes() if every else remove_old_indexes()
    click.echo(f"removed {len(removed)} file{'' if len(removed) == 1 else 's'}")


def _targets(folder: Path, notes: list[str], own: bool) -> list[Target]:
    from llmstep.commands.mcp import find_project
    from llmstep.errors import ModelFileError
    from llmstep.sources.lake_project import find_packages
    from llmstep.sources.library_builder import Target

    root = find_project(folder.resolve())
    if root is None:
        raise ModelFileError(
            f"{folder} is in no Lean project",
            hint="Name a folder with a lakefile or a lean-toolchain, or one inside it.",
        )
    found = [Target.of_package(package) for package in find_packages(root, notes.append)]
    return [Target.of_project(root), *found] if own else found


class _Line:
    """One line of a terminal that is written over as the work goes on."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._shown = sys.stderr.isatty()

    def tell(self, done: int, total: int) -> None:
        if self._shown:
            click.echo(f"\r{self._name:24}  {done:,} of {total:,} files", err=True, nl=False)

    def end(self, message: str) -> None:
        click.echo("\r\x1b[K" if self._shown else "", err=True, nl=False)
        click.echo(f"{self._name:24}  {message}")
