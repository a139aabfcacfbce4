"""``llmstep models recommend``: which model suits this machine, and how fast it will be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from llmstep.service.recommend import Estimate


@click.command()
@click.option(
    "--seconds",
    type=click.FloatRange(0, 60),
    default=5.0,
    show_default=True,
    help="How long to measure.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def recommend(seconds: float, as_json: bool) -> None:
    """Look at memory, cores and GPU, measure, and say which model to take."""
    from llmstep.service import recommend as service

    machine = service.look_at_machine()
    click.echo(f"measuring for {seconds:g} s ...", err=True)
    measured = service.measure(seconds)
    estimates = service.estimate_all(machine, measured)
    chosen = service.choose(estimates)
    if as_json:
        outcome = {
            "machine": {
                "memoryBytes": machine.memory_bytes,
                "freeBytes": machine.free_bytes,
                "cores": machine.cores,
                "gpu": machine.gpu or None,
            },
            "measured": {
                "model": measured.model,
                "secondsPerSuggestion": measured.seconds,
                "rounds": measured.rounds,
                "bytesPerSecond": measured.bandwidth,
            },
            "models": [_json(estimate) for estimate in estimates],
            "recommended": chosen.card.id if chosen else None,
        }
        click.echo(json.dumps(outcome, ensure_ascii=False))
        return
    click.echo(
        f"{machine.cores} cores, {machine.memory_bytes / 1e9:.1f} GB memory "
        f"({machine.free_bytes / 1e9:.1f} GB free), GPU: {machine.gpu or 'none found'}"
    )
    click.echo(
        f"{measured.model}: {measured.seconds:.2f} s per suggestion of 8 candidates "
        f"(median of {measured.rounds})\n"
    )
    width = max(len(estimate.card.id) for estimate in estimates)
    for estimate in estimates:
        click.echo(f"{estimate.card.id:{width}}  {_describe(estimate)}")
    if chosen is None:
        click.echo("\nNone fits: free some memory and run this again.")
        return
    how = "--model" if chosen.here else f"`llmstep models pull {chosen.card.id}`, then --model"
    click.echo(f"\nTake {chosen.card.id}: {how} {chosen.card.id}")
    if machine.gpu:
        click.echo("With the GPU larger models are fast as well: docs/gpu.md.")


def _describe(estimate: Estimate) -> str:
    if estimate.seconds is None or estimate.memory_bytes is None:
        return "size unknown"
    parts = [f"about {estimate.seconds:8.1f} s  {estimate.memory_bytes / 1e9:5.1f} GB"]
    if not estimate.fits:
        parts.append("does not fit into the free memory")
    if estimate.lacking:
        parts.append(estimate.lacking)
    if not estimate.here:
        parts.append("to be pulled")
    return "  ".join((parts[0], "; ".join(parts[1:]))).rstrip()


def _json(estimate: Estimate) -> dict[str, Any]:
    return {
        "id": estimate.card.id,
        "secondsPerSuggestion": estimate.seconds,
        "memoryBytes": None if estimate.memory_bytes is None else round(estimate.memory_bytes),
        "fits": estimate.fits,
        "lacking": estimate.lacking or None,
        "here": estimate.here,
    }
