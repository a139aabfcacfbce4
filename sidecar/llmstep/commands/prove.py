"""``llmstep prove``: whole proofs of one goal, on the command line."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click

from llmstep.commands.suggest import (
    FILE,
    goal_argument,
    goal_file_option,
    read_goal,
    read_settings,
    read_text,
)


@click.command()
@goal_argument
@goal_file_option
@click.option("--hint", default="", help="Words for the model.")
@click.option("-n", "count", type=click.IntRange(1, 8), default=1, help="Number of proofs.")
@click.option("--model", help="Model id, or path of a .gguf file; it must write whole proofs.")
@click.option(
    "--context",
    type=FILE,
    help="A Lean file whose text stands before the goal; it may end in the theorem, up to `by`.",
)
@click.option("--timeout", type=click.FloatRange(1, 3600), default=120.0, help="Seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per proof.")
def prove(
    goal: str | None,
    goal_file: Path | None,
    hint: str,
    count: int,
    model: str | None,
    context: Path | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Let a model write whole proofs of GOAL: a tactic state, as Lean's infoview shows it.

    The text appears on standard error as it is written. Nothing is checked by Lean here: the tactic
    `llmprove` does that, and has what is wrong mended.
    """
    from llmstep.prompts.goal import split_goals
    from llmstep.service.question import Document, SuggestRequest, WritingProgress
    from llmstep.service.suggest import SuggestService

    text = read_goal(goal, goal_file)
    document = Document(context.resolve().as_uri(), read_text(context)) if context else None
    settings = read_settings({"model": model})

    def show(progress: WritingProgress) -> None:
        if progress.thinking:
            click.echo(f"\rthinking, {progress.tokens} tokens ", err=True, nl=False)
        elif progress.text and count == 1:
            click.echo(progress.text, err=True, nl=False)

    request = SuggestRequest(
        tuple(split_goals(text)),
        document=document,
        n=count,
        timeout_ms=int(timeout * 1000),
        mode="proof",
        hint=hint,
    )
    service = SuggestService(settings)
    try:
        reply = asyncio.run(service.suggest(request, on_writing=show))
    finally:
        service.close()
    tokens, seconds = reply.stats.generated_tokens, reply.stats.total_ms / 1000
    click.echo(f"\n{tokens} tokens in {seconds:.1f} s by {reply.model}", err=True)
    for index, proof in enumerate(reply.proofs):
        if as_json:
            fields = {"proof": proof.text, "score": proof.score, "stop": proof.stop}
            problem = {"problem": proof.problem} if proof.problem else {}
            click.echo(json.dumps({**fields, **problem}, ensure_ascii=False))
        elif proof.text:
            click.echo(("\n" if index else "") + proof.text)
        else:
            click.echo(f"proof {index + 1}: {proof.problem}", err=True)
    if reply.proofs and not as_json:
        click.echo("not checked by Lean", err=True)
