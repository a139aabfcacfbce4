"""Commands that the distribution llmstep-workshop adds, where it is installed."""

from __future__ import annotations

import click

# Its commands join by the entry points of this group.
ENTRY_POINTS = "llmstep.commands"
WORKSHOP: dict[str, str] = {
    "bench": "Measure speed and memory on this machine.",
    "data": "Import, generate, clean and check proof steps.",
    "eval": "Score a model on held-out proof steps.",
    "train": "Train a model from proof steps.",
}


def load_workshop_command(name: str) -> click.Command:
    """A command of the workshop, imported through its entry point; ``a.b`` is ``llmstep a b``.

    Where the workshop is not installed, a command that says in one line how to get it.
    """
    # Imported here: it takes as long as the rest of the command line.
    import importlib.metadata

    for found in importlib.metadata.entry_points(group=ENTRY_POINTS, name=name):
        return found.load()
    words = name.replace(".", " ")

    @click.command(
        name.rpartition(".")[2],
        add_help_option=False,
        context_settings={"ignore_unknown_options": True},
        help=f"Not installed: `{words}` belongs to llmstep-workshop.",
    )
    @click.argument("arguments", nargs=-1)
    def missing(arguments: tuple[str, ...]) -> None:
        from llmstep.errors import LLMStepError
        from llmstep.paths import install_workshop_command

        raise LLMStepError(
            f"`llmstep {words}` belongs to the workshop, which is not installed",
            hint=f"Install it: {install_workshop_command()}",
        )

    return missing
