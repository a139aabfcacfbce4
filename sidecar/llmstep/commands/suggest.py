"""``llmstep suggest``: next steps for one goal, on the command line."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from llmstep.errors import InvalidParamsError

if TYPE_CHECKING:
    from llmstep.config import Settings
    from llmstep.sources.ranking import Suggestion

# Nats. Of 1,440 suggestions for 60 elementary goals that were run in Lean, 24 a goal, the
# unlikeliest that ran lay above it (`python tests/bench/bench_lean.py --scores`).
LOWEST_SHOWN = -8.0
ORIGIN_WIDTH = len("model+library+portfolio")
LEGEND = (
    "score: log of the estimated probability, nearer to 0 is likelier; behind it, where the step\n"
    "comes from: the model, similar goals of Mathlib (library), the file's own proofs, closers by\n"
    "the goal's shape (portfolio)."
)
NOT_CHECKED = (
    "Not checked by Lean: inside Lean each guess is run, and only those that work are shown,\n"
    "closing ones first."
)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
goal_argument = click.argument("goal", required=False)
goal_file_option = click.option("--goal-file", type=FILE, help="Read the goal from a file.")


@click.command()
@goal_argument
@goal_file_option
@click.option("--prefix", default="", help="Characters every suggestion starts with.")
@click.option("-n", "count", type=int, help="Number of candidates.")
@click.option("--model", help="Model id, or path of a .gguf file.")
@click.option("--context", type=FILE, help="A Lean file whose text stands before the goal.")
@click.option("--no-cache", is_flag=True, help="Ask the model even if the answer is known.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object per line and suggestion: tactic, score, origin, and of the answer "
    "model, cached, stats.",
)
def suggest(
    goal: str | None,
    goal_file: Path | None,
    prefix: str,
    count: int | None,
    model: str | None,
    context: Path | None,
    no_cache: bool,
    as_json: bool,
) -> None:
    """Suggest next steps for GOAL: a pretty-printed tactic state, as Lean's infoview shows it.

    For ⊢ one may write |-. The statement of a theorem is turned into its goal.
    Of several goals, one below the other, the first is the one to work on.
    Without GOAL and without --goal-file the goal is read from standard input.
    """
    from llmstep.first_version import find_server
    from llmstep.prompts.goal import split_goals
    from llmstep.prompts.stated_goal import read_stated_goal
    from llmstep.service.question import Document, SuggestRequest
    from llmstep.service.suggest import SuggestService

    stated = read_stated_goal(read_goal(goal, goal_file))
    if stated.note:
        click.echo(f"{stated.note}:\n{stated.text}\n", err=True)
    document = Document(context.resolve().as_uri(), read_text(context)) if context else None
    flags = {"model": model, "n": count, "cache": False if no_cache else None}
    settings = read_settings(flags)
    if (server := find_server(os.environ)) is not None:
        click.echo(f"note: {server}", err=True)
    service = SuggestService(settings)
    try:
        request = SuggestRequest(tuple(split_goals(stated.text)), prefix, document)
        reply = asyncio.run(service.suggest(request))
    finally:
        service.close()
    if reply.partial is not None:
        click.echo(f"Without the model: {reply.partial.reason}\n  {reply.partial.hint}", err=True)
    if reply.dropped:
        names = ", ".join(reply.dropped)
        click.echo(f"The goal is too long for the model; left out: {names}", err=True)
    if as_json:
        answer = {"model": reply.model, "cached": reply.cached, "stats": attrs.asdict(reply.stats)}
        for suggestion in reply.suggestions:
            line = {**attrs.asdict(suggestion), **answer}
            click.echo(json.dumps(line, ensure_ascii=False))
    else:
        for suggestion in worth_showing(reply.suggestions):
            click.echo(format_suggestion(suggestion))
        if reply.suggestions:
            # To people, who are at a terminal.
            click.echo(NOT_CHECKED, err=not sys.stdout.isatty())
    if not reply.suggestions:
        click.echo("The model has no suggestion that starts with this prefix.", err=True)


def read_settings(flags: Mapping[str, Any]) -> Settings:
    """The settings; what was not taken of them is told.

    Raises:
        click.UsageError: A flag has an impossible value.
    """
    from llmstep.config import resolve

    resolved = resolve(flags)
    for problem in resolved.problems:
        if problem.origin == "command line":
            raise click.UsageError(problem.message)
        click.echo(f"not taken: {problem}", err=True)
    return resolved.settings


def read_goal(goal: str | None, goal_file: Path | None) -> str:
    """The goal from the argument, the file, or standard input.

    Raises:
        click.UsageError: There are two goals, or an empty one.
    """
    if goal_file is not None and goal is not None:
        raise click.UsageError("give the goal as an argument or with --goal-file, not both")
    text = goal if goal is not None else read_text(goal_file) if goal_file else read_stdin()
    if not text.strip():
        raise click.UsageError("the goal is empty; write one such as '⊢ 1 + 1 = 2'")
    return text


def read_stdin() -> str:
    """Read the goal from standard input, telling a person at a terminal what is awaited."""
    if sys.stdin.isatty():
        click.echo("Write or paste the goal, then end the input (Ctrl-D).", err=True)
    return decode(sys.stdin.buffer.read(), "standard input")


def read_text(path: Path) -> str:
    """Read a goal or a Lean file, which may be a pipe: ``--goal-file <(command)``.

    Raises:
        InvalidParamsError: It cannot be read, or is in an encoding that is none of Unicode's.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidParamsError(
            f"{path} cannot be read: {error.strerror or error}", hint="Name a text file."
        ) from error
    return decode(data, str(path))


def decode(data: bytes, where: str) -> str:
    """Text as editors and shells write it; what is none is refused, never replaced silently."""
    from llmstep.user_files import TextError, decode_text

    try:
        return decode_text(data)
    except TextError as error:
        message, _, cure = str(error).partition("; ")
        raise InvalidParamsError(
            f"{where} {message}", hint=f"{cure[:1].upper()}{cure[1:]}."
        ) from None


def worth_showing(suggestions: Sequence[Suggestion]) -> list[Suggestion]:
    """Without those that hardly ever run; the best one is always among them."""
    return [
        suggestion
        for rank, suggestion in enumerate(suggestions)
        if rank == 0 or suggestion.score >= LOWEST_SHOWN
    ]


def format_suggestion(suggestion: Suggestion, width: int | None = None) -> str:
    """One suggestion as the columns score, origin, tactic, which is the last as it may be long.

    With a width the tactic's first line alone is shown, cut to so many characters.
    """
    columns = f"{suggestion.score:8.3f}  {'+'.join(suggestion.origin):{ORIGIN_WIDTH}}  "
    first, *rest = suggestion.tactic.splitlines()
    if width is not None:
        shown = first if len(first) <= width else first[: width - 1] + "…"
        return f"{columns}{shown}{' …' if rest else ''}"
    return f"\n{' ' * len(columns)}".join([columns + first, *rest])
