"""``llmstep uninstall``: every folder that llmstep has written, and their removal."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import attrs
import click

from llmstep import environment, paths


@attrs.frozen
class WrittenFolder:
    """A folder that llmstep writes to.

    Attributes:
        path: The folder.
        holds: What lies in it.
    """

    path: Path
    holds: str


@click.command()
@click.option("--yes", is_flag=True, help="Remove them; without this they are only listed.")
@click.option("--keep-models", is_flag=True, help="Keep the models you have pulled or made.")
def uninstall(yes: bool, keep_models: bool) -> None:
    """List the folders that llmstep has written on this machine; with --yes, remove them.

    The program itself goes with the last command it prints. Your Lean project is not touched.
    """
    removed = False
    for written in folders(keep_models=keep_models):
        if not written.path.exists():
            continue
        size = _size(written.path)
        click.echo(f"{'removing' if yes else 'would remove'} {written.path}")
        click.echo(f"    {written.holds}, {size / 1e6:.1f} MB")
        if yes:
            shutil.rmtree(written.path, ignore_errors=True)
            if written.path.exists():
                click.echo(f"    {written.path} could not be removed whole", err=True)
        removed = True
    if not removed:
        click.echo("llmstep has written nothing here.")
    click.echo("\nEditor settings that `llmstep setup --write` made: llmstep setup --remove")
    click.echo(f"The program: {_program()}")
    if removed and not yes:
        click.echo("Nothing was removed; add --yes to do so.")


def folders(*, keep_models: bool = False) -> list[WrittenFolder]:
    """The folders, each once, whether they are there or not."""
    every = [
        WrittenFolder(paths.config_file().parent, "your settings"),
        WrittenFolder(paths.cache_dir(), "answers, wheels of llama.cpp, indexes of packages"),
        WrittenFolder(paths.log_dir(), "logs"),
    ]
    if not keep_models:
        every.append(
            WrittenFolder(paths.data_dir(), "models you have pulled, converted or imported")
        )
    by_path = {written.path: written for written in reversed(every)}
    own = {path for path in by_path if _is_own(path)}
    # A folder inside another goes with it.
    return [
        written
        for written in every
        if written.path in own
        and by_path[written.path] is written
        and not any(other != written.path and other in written.path.parents for other in own)
    ]


def _is_own(path: Path) -> bool:
    """Whether a folder is ours by its name: nothing else is ever removed.

    Under ``LLMSTEP_HOME`` the folders are those we make there; the home itself is left.
    """
    import os

    home = os.environ.get(environment.HOME)
    if home:
        return path.parent == Path(home).expanduser() and not path.is_symlink()
    return paths.APP in path.parts[-2:] and not path.is_symlink()


def _size(folder: Path) -> int:
    total = 0
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            total += file.stat().st_size
    return total


def _program() -> str:
    root = paths.checkout_dir()
    if root is not None:
        return f"delete the checkout, {root} (its .venv lies in it)"
    return f'"{sys.executable}" -m pip uninstall llmstep llmstep-workshop'
