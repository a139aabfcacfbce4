"""The ``llmstep`` command. Each subcommand's module is imported only when it is called."""

from __future__ import annotations

import importlib
import io
import sys

import click

from llmstep import __version__
from llmstep.commands.workshop import WORKSHOP, load_workshop_command

COMMANDS: dict[str, tuple[str, str]] = {
    "bench": ("llmstep.commands.bench:bench", "Measure speed and memory on this machine."),
    "config": ("llmstep.commands.config:config", "Show every setting and where it comes from."),
    "demo": ("llmstep.commands.demo:demo", "Suggest next steps for a few well-known goals."),
    "doctor": ("llmstep.commands.doctor:doctor", "Find what is wrong and say how to mend it."),
    "mcp": ("llmstep.commands.mcp:mcp", "Serve tools for agents (Model Context Protocol)."),
    "models": ("llmstep.commands.models:models", "List, show and verify models."),
    "serve": ("llmstep.commands.serve:serve", "Speak JSON-RPC on stdin and stdout."),
    "setup": ("llmstep.commands.setup:setup", "Show or write what an editor's settings need."),
    "suggest": ("llmstep.commands.suggest:suggest", "Suggest next steps for one goal."),
}


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

    for stream in (sys.stdout, sys.stderr):
        # Lean text is full of ⊢ and ℕ; a Windows console in a legacy code page cannot print them.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")
    try:
        cli.main(prog_name="llmstep")
    except LLMStepError as error:
        click.echo(f"llmstep: {error.message}\n  {error.hint}", err=True)
        sys.exit(1)
