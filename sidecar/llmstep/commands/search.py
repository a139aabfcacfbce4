"""``llmstep search``: lemmas for words, a formula, half a name or a goal, on the command line."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmstep.commands.mcp import find_project
from llmstep.commands.suggest import FILE, read_text

if TYPE_CHECKING:
    from llmstep.service.lookups import LemmaReply, LemmaRequest


@click.command()
@click.argument("question")
@click.option("-k", "count", type=int, default=10, show_default=True, help="How many lemmas.")
@click.option(
    "--context",
    type=FILE,
    help="A Lean file: its imports, its own lemmas and its open namespaces count.",
)
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(0, 3600),
    default=30,
    show_default=True,
    help="Seconds to wait for a project that is read for the first time.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line and lemma.")
def search(question: str, count: int, context: Path | None, wait_s: float, as_json: bool) -> None:
    """Find lemmas: QUESTION is a name or half of one, a formula, English words, or a goal with ⊢.

    They come from the Lean project that the working folder lies in, its packages, and the shipped
    index of Mathlib; no model is asked, and nothing is sent anywhere.
    """
    from llmstep.server.features.lemmas import lemmas_json
    from llmstep.service.lookups import LemmaRequest
    from llmstep.service.question import Document

    project = find_project(Path.cwd())
    document = None
    if context is not None:
        document = Document(context.resolve().as_uri(), read_text(context))
    elif project is not None:
        document = Document((project / "Search.lean").resolve().as_uri())
    is_goal = "⊢" in question or "|-" in question
    request = LemmaRequest(
        goal=question.replace("|-", "⊢") if is_goal else None,
        text=None if is_goal else question,
        document=document,
        k=count,
    )
    reply = asyncio.run(_find(request, wait_s))
    if reply.partial is not None:
        click.echo(f"{reply.partial.reason}\n  {reply.partial.hint}", err=True)
    lemmas = lemmas_json(reply, 0.0)["lemmas"]
    for lemma in lemmas:
        if as_json:
            click.echo(json.dumps(lemma, ensure_ascii=False))
            continue
        where = lemma["module"] or "this file"
        click.echo(f"{lemma['written']}  ({lemma['origin']}: {where})\n    {lemma['statement']}")
        if "step" in lemma:
            click.echo(f"    step: {lemma['step']}")
    if not lemmas:
        click.echo("Nothing was found.", err=True)


async def _find(request: LemmaRequest, wait_s: float) -> LemmaReply:
    """Ask, and wait for so long while a project is being read for the first time."""
    from llmstep.config import resolve
    from llmstep.service.lookups import Lookups
    from llmstep.sources.sources import Sources

    request.check()
    sources = Sources(resolve().settings)
    lookups = Lookups(sources)
    try:
        told: tuple[str, ...] = ()
        deadline = time.monotonic() + wait_s
        while True:
            reply = await lookups.find_lemmas(request)
            missing = reply.found.missing
            if not missing or time.monotonic() > deadline:
                return reply
            if missing != told:
                click.echo(f"reading {', '.join(missing)} …", err=True)
                told = missing
            await asyncio.sleep(0.5)
    finally:
        lookups.close()
        sources.close()
