"""``llmstep setup``: what an editor's settings need, shown, written, or taken out again."""

from __future__ import annotations

import difflib
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmstep.commands.mcp import find_project

if TYPE_CHECKING:
    from llmstep.editors.edits import Edit


@click.command()
@click.argument("editors", nargs=-1, metavar="[vscode|neovim|emacs|helix|zed]...")
@click.option("--write", is_flag=True, help="Write it; without this it is only shown.")
@click.option("--remove", is_flag=True, help="Take out what an earlier run wrote.")
@click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The Lean project; by default the one this folder lies in.",
)
def setup(editors: tuple[str, ...], write: bool, remove: bool, project: Path | None) -> None:
    """Show what EDITORS' settings would get for llmstep; with --write, write it.

    Without a name: the editors found on this machine. A line of yours is never changed, and running
    it again changes nothing. The tactic itself works without any of this.
    """
    from llmstep.editors.edits import EDITORS, find_editors, plan

    for name in editors:
        if name not in EDITORS:
            close = difflib.get_close_matches(name, EDITORS, n=1)
            meant = f" Did you mean {close[0]}?" if close else f" There are: {', '.join(EDITORS)}."
            raise click.UsageError(f"no editor {name!r} is known.{meant}")
    root = project or find_project(Path.cwd())
    chosen = editors or tuple(find_editors(root))
    if not chosen:
        raise click.UsageError(f"no editor was found; name one: {', '.join(EDITORS)}")
    for name in chosen:
        click.echo(f"== {name}")
        wanted = plan(name, root.resolve() if root else None, find_program(), remove=remove)
        for edit in wanted.edits:
            _carry_out(edit, write)
        for note in wanted.notes:
            click.echo(f"note: {note}")
    if not write:
        click.echo("Nothing was written; add --write to do so.")


def find_program() -> str:
    """Whole path of ``llmstep``: the one that runs, so that an editor needs no PATH."""
    name = "llmstep.exe" if sys.platform == "win32" else "llmstep"
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.is_file() else shutil.which("llmstep") or "llmstep"


def _carry_out(edit: Edit, write: bool) -> None:
    """Show the difference; write the file whole, or take it away."""
    from llmstep.errors import LLMStepError
    from llmstep.user_files import write_shared

    if not edit.changes:
        click.echo(f"{edit.path}: nothing to change")
        return
    before, after = (edit.before or "").splitlines(), (edit.after or "").splitlines()
    for line in difflib.unified_diff(
        before, after, str(edit.path), str(edit.path), lineterm="", n=1
    ):
        click.echo(line)
    if not write:
        return
    try:
        if edit.after is None:
            edit.path.unlink()
        else:
            write_shared(edit.path, edit.after)
    except OSError as error:
        raise LLMStepError(
            f"{edit.path} cannot be written: {error.strerror}",
            hint="Make it writable, or copy the lines shown above by hand.",
        ) from error
    click.echo(f"{edit.path}: {'removed' if edit.after is None else 'written'}")
