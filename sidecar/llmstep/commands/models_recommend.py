"""``llmstep models recommend``: which models suit this machine and its user."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from llmstep.service.card import Task
    from llmstep.service.machine import Machine
    from llmstep.service.recommend import Forecast, Speed


@click.command()
@click.option(
    "--patience",
    type=click.FloatRange(0, min_open=True),
    default=3.0,  # nobody waits longer while writing a proof
    show_default=True,
    help="Seconds you wait for a next step.",
)
@click.option(
    "--proof-patience",
    type=click.FloatRange(0, min_open=True),
    default=120.0,  # as long as `llmprove` waits
    show_default=True,
    help="Seconds you wait for a whole proof.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, 60),
    default=5.0,
    show_default=True,
    help="How long to measure each model that is here.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def recommend(patience: float, proof_patience: float, seconds: float, as_json: bool) -> None:
    """Look at memory, cores and GPU, measure, and say which models to take.

    One is for next steps, one for whole proofs: of those that answer within your patience the one
    that is worth most by its card. Nothing is downloaded.
    """
    from llmstep.errors import LLMStepError
    from llmstep.service import recommend as service
    from llmstep.service.machine import look_at_machine, measure, measure_bandwidth

    machine = look_at_machine()
    click.echo(f"measuring for {seconds:g} s ...", err=True)
    speed = service.Speed(measure_bandwidth())
    try:
        speed = service.Speed(speed.bandwidth, measure(seconds=seconds))
    except LLMStepError as error:
        click.echo(f"The built-in model cannot be measured: {error.message}.", err=True)
        click.echo("Times are at least what reading the weights takes.", err=True)
    estimates = service.estimate_all(machine, speed)
    estimates = service.measure_likely(estimates, patience, seconds)
    waits: dict[Task, float] = {"step": patience, "proof": proof_patience}
    chosen: dict[Task, Forecast | None] = {
        task: service.choose(estimates, task, wait) for task, wait in waits.items()
    }
    if as_json:
        click.echo(json.dumps(_outcome(machine, speed, estimates, chosen), ensure_ascii=False))
        return
    click.echo(
        f"{machine.cores} cores, {machine.memory_bytes / 1e9:.1f} GB memory "
        f"({machine.free_bytes / 1e9:.1f} GB free), GPU: {machine.gpu or 'none found'}"
    )
    titles: dict[Task, str] = {"step": "Next step", "proof": "Whole proof"}
    for task, wait in waits.items():
        click.echo(f"\n{titles[task]}, within {wait:g} s:")
        rows = [one for one in estimates if one.task == task]
        width = max(len(one.card.id) for one in rows)
        for one in rows:
            click.echo(f"  {one.card.id:{width}}  {_describe(one, wait)}")
        click.echo(f"  {_advice(chosen[task], task) or _second_best(rows)}")
    if machine.gpu:
        click.echo("\nWith the GPU larger models are fast as well: docs/gpu.md.")


def _describe(one: Forecast, patience: float) -> str:
    from llmstep.service.recommend import BENCHMARK

    if one.seconds is None or one.memory_bytes is None:
        return "size unknown"
    score = one.score
    worth = f"{score.percent:4.1f} % of {BENCHMARK}" if score else f"{'-':>4}{' ' * 13}"
    parts = [f"about {one.seconds:8.1f} s, {one.basis}", f"{one.memory_bytes / 1e9:5.1f} GB", worth]
    notes: list[str] = []
    if one.reason_against:
        notes.append(one.reason_against)
    elif one.seconds > patience:
        notes.append("too slow")
    if one.converted:
        notes.append("converted to GGUF")
    if not one.here:
        notes.append("to be pulled")
    return "  ".join([*parts, "; ".join(notes)]).rstrip()


def _second_best(rows: list[Forecast]) -> str:
    able = [one for one in rows if not one.reason_against]
    if not able:
        return "None fits and runs with what is installed."
    return f"None answers in that time; the quickest that could is {able[0].card.id}."


def _advice(one: Forecast | None, task: Task) -> str:
    if one is None:
        return ""
    steps = [] if one.here else [f"`llmstep models pull {one.card.id}`"]
    name = one.card.id
    if one.converted:
        steps.append(f"`llmstep models convert {name}`")
        name = f"{name}-q4_k_m"
    use = f"`llmstep config set model {name}`"
    if task == "proof":
        use = f'`set_option llmstep.prove.model "{name}"` in Lean'
    return f"Take {one.card.id}: {', '.join([*steps, use])}."


def _outcome(
    machine: Machine,
    speed: Speed,
    estimates: list[Forecast],
    chosen: dict[Task, Forecast | None],
) -> dict[str, Any]:
    measured = speed.measured
    step, proof = chosen["step"], chosen["proof"]
    return {
        "machine": {
            "memoryBytes": machine.memory_bytes,
            "freeBytes": machine.free_bytes,
            "cores": machine.cores,
            "gpu": machine.gpu or None,
            "bytesPerSecond": speed.bandwidth,
        },
        "measured": {
            "model": measured.model,
            "secondsPerSuggestion": measured.seconds,
            "rounds": measured.rounds,
        }
        if measured
        else None,
        "models": [_json(one) for one in estimates],
        "recommended": step.card.id if step else None,
        "recommendedForProofs": proof.card.id if proof else None,
    }


def _json(one: Forecast) -> dict[str, Any]:
    score = one.score
    return {
        "id": one.card.id,
        "task": one.task,
        "seconds": one.seconds,
        "basis": one.basis,
        "memoryBytes": None if one.memory_bytes is None else round(one.memory_bytes),
        "fits": one.fits,
        "lacking": one.lacking or None,
        "here": one.here,
        "converted": one.converted,
        "seenLean": one.card.seen_lean,
        "percent": score.percent if score else None,
        "scoreSource": score.source if score else None,
    }
