"""``llmstep demo``: the built-in model on a few well-known goals, as a table."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from typing import TYPE_CHECKING

import attrs
import click

from llmstep.commands.suggest import (
    LEGEND,
    NOT_CHECKED,
    format_suggestion,
    read_settings,
    worth_showing,
)

if TYPE_CHECKING:
    from llmstep.service.question import SuggestReply
    from llmstep.service.suggest import SuggestService


@attrs.frozen
class Example:
    """A goal to show, with what the user would have typed."""

    title: str
    goal: str
    prefix: str = ""
    text_before: str = ""


EXAMPLES: tuple[Example, ...] = (
    Example("Propositional logic", "p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q"),
    Example("Natural numbers", "a b c : ℕ\nh : a < b\n⊢ a < b + c"),
    Example(
        "Lists",
        "α : Type\nxs ys : List α\n⊢ (xs ++ ys).length = xs.length + ys.length",
    ),
    Example("A real inequality", "x y : ℝ\nhx : 0 < x\nhy : 0 < y\n⊢ 0 < x * y + x"),
    Example("A quantifier", "⊢ ∀ (n : ℕ), n ≤ n + 1"),
    Example(
        'With a prefix, as in llmstep "exact h"',
        "f : ℕ → ℕ\nh : Monotone f\nn : ℕ\n⊢ f n ≤ f (n + 1)",
        prefix="exact h",
    ),
    Example(
        "With the file around it (its proofs are a source; the model reads the goal alone)",
        "α : Type\ns t : Set α\nh : s ⊆ t\n⊢ s ∩ t = s",
        text_before=(
            "import Mathlib.Data.Set.Basic\n\nvariable {α : Type}\n\n"
            "theorem inter_eq_left_of_subset (s t : Set α) (h : s ⊆ t) : s ∩ t = s := by\n  "
        ),
    ),
)


@click.command()
@click.option("--model", help="Model id, or path of a .gguf file.")
@click.option("-n", "count", type=int, default=5, show_default=True, help="Suggestions per goal.")
def demo(model: str | None, count: int) -> None:
    """Suggest next steps for a few well-known goals."""
    from llmstep.service.suggest import SuggestService

    settings = read_settings({"model": model, "n": count, "cache": False})
    begin = time.monotonic()
    service = SuggestService(settings)
    try:
        show_all(service, begin)
    finally:
        service.close()


def show_all(service: SuggestService, begin: float) -> None:
    """Print a table for each example, then what to do next in Lean."""
    from llmstep.service.question import Document, SuggestRequest

    for number, example in enumerate(EXAMPLES, 1):
        text = example.text_before
        document = Document("file:///demo.lean", text) if text else None
        request = SuggestRequest((example.goal,), example.prefix, document)
        reply = asyncio.run(service.suggest(request))
        if number == 1:
            status = service.status()
            click.echo(
                f"model {status.model} ({status.backend}), loaded in {reply.stats.load_ms:.0f} ms; "
                f"first answer {(time.monotonic() - begin) * 1000:.0f} ms after the start; "
                f"{status.rss_bytes / 1e6:.0f} MB of memory\n"
            )
        show_one(number, example, reply)
    click.echo(
        f"{LEGEND}\n{NOT_CHECKED}\n\n"
        "Next, in your Lean project:\n"
        '  1. lakefile.lean:  require llmstep from git "https://github.com/wellecks/llmstep"\n'
        "  2. shell:          lake update --keep-toolchain llmstep && lake run llmstep/setup\n"
        "                     lake build LLMstep\n"
        '  3. a Lean file:    import LLMstep, and in a proof write  llmstep ""\n'
        "README.md says the rest; `llmstep doctor` finds what is wrong."
    )


def show_one(number: int, example: Example, reply: SuggestReply) -> None:
    """Print one goal and its candidates."""
    total = reply.stats.total_ms - reply.stats.load_ms
    click.secho(f"{number}. {example.title}  ({total:.0f} ms)", bold=sys.stdout.isatty())
    for line in example.goal.splitlines():
        click.echo(f"   │ {line}")
    width = shutil.get_terminal_size((100, 24)).columns - 40
    for suggestion in worth_showing(reply.suggestions):
        click.echo(f"   {format_suggestion(suggestion, width)}")
    if not reply.suggestions:
        click.echo("            (no suggestion)")
    click.echo()
