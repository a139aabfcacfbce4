"""The ``llmstep`` command. Each subcommand's module is imported only when it is called."""

from __future__ import annotations

import difflib
import importlib
import io
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from llmstep import __version__
from llmstep.commands.workshop import WORKSHOP, load_workshop_command

if TYPE_CHECKING:
    from llmstep.errors import LLMStepError

COMMANDS: dict[str, tuple[str, str]] = {
    "config": ("llmstep.commands.config:config", "Show every setting and where it comes from."),
    "demo": ("llmstep.commands.demo:demo", "Suggest next steps for a few well-known goals."),
    "doctor": ("llmstep.commands.doctor:doctor", "Find what is wrong and say how to mend it."),
    "index": ("llmstep.commands.index:index", "Index the lemmas of projects and packages."),
    "logs": ("llmstep.commands.engine:logs", "Print what the engine has written."),
    "mcp": ("llmstep.commands.mcp:mcp", "Serve tools for agents (Model Context Protocol)."),
    "models": ("llmstep.commands.models:models", "List, show and verify models."),
    "ps": ("llmstep.commands.engine:ps", "Show the engine, its models, and who is connected."),
    "prove": ("llmstep.commands.prove:prove", "Let a model write whole proofs of one goal."),
    "search": ("llmstep.commands.search:search", "Find lemmas by words, a formula or a goal."),
    "serve": ("llmstep.commands.serve:serve", "Speak JSON-RPC on stdin and stdout."),
    "setup": ("llmstep.commands.setup:setup", "Show or write what an editor's settings need."),
    "status": ("llmstep.commands.status:status", "Say what is there, and what is being built."),
    "stop": ("llmstep.commands.engine:stop", "End the engine; the next question starts it anew."),
    "suggest": ("llmstep.commands.suggest:suggest", "Suggest next steps for one goal."),
    "uninstall": ("llmstep.commands.uninstall:uninstall", "Remove what llmstep has written."),
}
INTERRUPTED = 130
# What a command leaves behind when it is interrupted; each keeps what is whole.
LEFT_BEHIND: dict[str, str] = {
    "data": "the output was not written",
    "doctor": "what was installed is kept; the same command goes on from there",
    "eval": "what `--lean` has finished is kept, and the same command goes on from there",
    "index": "the old index, if there was one, is as it was",
    "models": "finished files and the part of a download that is here are kept; the same command "
    "goes on from there",
    "train": "the last checkpoint is kept; the same command goes on from it",
}


class Interrupted(click.ClickException):
    """Ctrl-C, told in one line."""

    exit_code = INTERRUPTED

    def __init__(self, command: str) -> None:
        left = LEFT_BEHIND.get(command)
        super().__init__(f"llmstep {command}: interrupted{f'; {left}' if left else ''}")

    def show(self, file: Any = None) -> None:
        """Print the line, below whatever stood on the terminal's."""
        click.echo(f"\n{self.message}", err=True)


class LazyGroup(click.Group):
    """A click group that knows its commands' one-line help without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in alphabetical order."""
        return sorted({**COMMANDS, **WORKSHOP})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module and return its click command."""
        if cmd_name in WORKSHOP:
            return load_workshop_command(cmd_name)
        if cmd_name not in COMMANDS:
            return None
        module_name, attribute = COMMANDS[cmd_name][0].split(":")
        return getattr(importlib.import_module(module_name), attribute)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for a word that is none, name those that look like it."""
        word = args[0]
        if not word.startswith("-") and word not in {**COMMANDS, **WORKSHOP}:
            near = difflib.get_close_matches(word, self.list_commands(ctx), n=2)
            known = " or ".join(f"`llmstep {name}`" for name in near)
            guess = f"did you mean {known}?" if near else "`llmstep --help` lists all."
            ctx.fail(f"there is no command {word!r}; {guess}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an interrupt ends it with one line."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted(ctx.invoked_subcommand or "") from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, so that ``--help`` imports nothing heavy."""
        with formatter.section("Commands"):
            meanings = {name: meaning for name, (_, meaning) in COMMANDS.items()} | WORKSHOP
            formatter.write_dl([(name, meanings[name]) for name in self.list_commands(ctx)])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="llmstep")
def cli() -> None:
    """Next-step suggestions for Lean 4 proofs from a language model on your own laptop."""


def main() -> None:
    """Run the command line; errors meant for the user end in one line and its cure."""
    from llmstep.errors import LLMStepError
    from llmstep.limits import explain_limit

    for stream in (sys.stdout, sys.stderr):
        # Lean text is full of ⊢ and ℕ; a Windows console in a legacy code page cannot print them.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")
    try:
        try:
            cli.main(prog_name="llmstep")
        finally:
            _flush()
    except LLMStepError as error:
        _end_with(error)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except (OSError, MemoryError, RuntimeError, ImportError) as error:
        limit = explain_limit(error)
        if limit is None:
            raise
        # What was half made when the limit was met complains again while it is taken down.
        sys.unraisablehook = lambda _: None
        _end_with(limit)


def _flush() -> None:
    """Write out what is left, here, where a full disk can still be told of."""
    if sys.stdout is not None and not sys.stdout.closed:
        try:
            sys.stdout.flush()
        except OSError:
            # The interpreter would try again at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            raise


def _end_with(error: LLMStepError) -> NoReturn:
    """Tell an error and its cure; what a server or file put into them is shown as text."""
    for line in (f"llmstep: {error.message}", f"  {error.hint}"):
        click.echo("".join(c if c.isprintable() or c == "\n" else "?" for c in line), err=True)
    sys.exit(1)
