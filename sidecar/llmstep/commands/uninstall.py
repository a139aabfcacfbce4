"""``llmstep uninstall``: every folder that llmstep has written, and their removal."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import click

from llmstep import environment, paths


@click.command()
@click.option("--yes", is_flag=True, help="Remove them; without this they are only listed.")
@click.option("--keep-models", is_flag=True, help="Keep your models, and the folder they lie in.")
def uninstall(yes: bool, keep_models: bool) -> None:
    """List the folders that llmstep has written on this machine; with --yes, remove them.

    The program itself goes with the last command it prints. Your Lean project is not touched.
    """
    removed = False
    for folder, holds in list_folders(keep_models=keep_models).items():
        if not folder.exists():
            continue
        click.echo(f"{'removing' if yes else 'would remove'} {folder}")
        click.echo(f"    {holds}, {_size(folder) / 1e6:.1f} MB")
        if yes:
            shutil.rmtree(folder, ignore_errors=True)
            if folder.exists():
                click.echo(f"    {folder} could not be removed whole", err=True)
        removed = True
    if not removed:
        click.echo("llmstep has written nothing here.")
    click.echo("\nEditor settings that `llmstep setup --write` made: llmstep setup --remove")
    click.echo(f"The program: {_program()}")
    if removed and not yes:
        click.echo("Nothing was removed; add --yes to do so.")


def list_folders(*, keep_models: bool = False) -> dict[Path, str]:
    """The folders, whether they are there or not, and what each holds.

    A folder inside another goes with it. That of the models may be that of the settings, or hold
    the others (macOS, Windows): it stays where models are kept.
    """
    holds = {paths.data_dir(): "models you have pulled, converted or imported"}
    holds[paths.cache_dir()] = "answers, wheels of llama.cpp, indexes of packages"
    holds[paths.log_dir()] = "logs"
    settings = paths.config_file().parent
    holds[settings] = f"your settings, {holds[settings]}" if settings in holds else "your settings"
    kept = (paths.data_dir(), *paths.data_dir().parents) if keep_models else ()
    own = [path for path in holds if _is_own(path) and path not in kept]
    return {path: holds[path] for path in own if not any(other in path.parents for other in own)}


def _is_own(path: Path) -> bool:
    """Whether a folder is ours by its name: nothing else is ever removed.

    Under ``LLMSTEP_HOME`` the folders are those we make there; the home itself is left.
    """
    home = os.environ.get(environment.HOME)
    if home:
        return path.parent == Path(home).expanduser() and not path.is_symlink()
    return paths.APP in path.parts[-2:] and not path.is_symlink()


def _size(folder: Path) -> int:
    files = (file for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
    return sum(file.stat().st_size for file in files)


def _program() -> str:
    root = paths.checkout_dir()
    if root is not None:
        return f"delete the checkout, {root} (its .venv lies in it)"
    return f'"{sys.executable}" -m pip uninstall llmstep llmstep-workshop'
