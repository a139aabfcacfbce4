"""``llmstep bench``: what a user waits for, measured on this machine."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from llmstep import environment
from llmstep.user_files import decode_text

if TYPE_CHECKING:
    from llmstep.handshake import SidecarClient

WAIT_S = 600.0


@attrs.frozen
class BenchQuestion:
    """A goal to ask about."""

    goal: str
    prefix: str = ""


@attrs.frozen
class Figures:
    """What was measured: milliseconds and bytes.

    Attributes:
        first_ms: From spawning the sidecar to its first answer, loading the model included.
        warm_ms: One time per question and round, the model resident and the cache off.
        cached_ms: The same question again, answered from the cache.
        dispatch_ms: A request that needs no model (`llmstep/status`), there and back.
        rss_bytes: Resident memory of the sidecar after all questions.
    """

    model: str
    candidates: int
    first_ms: float
    warm_ms: tuple[float, ...]
    cached_ms: tuple[float, ...]
    dispatch_ms: tuple[float, ...]
    rss_bytes: int


@click.command()
@click.option("--model", help="Model id, or path of a .gguf file.")
@click.option("-n", "count", type=click.IntRange(1, 64), default=8, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option(
    "--goals",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON lines with `tactic_state` and `prefix`; the demo's goals otherwise.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def bench(model: str | None, count: int, rounds: int, goals: Path | None, as_json: bool) -> None:
    """Measure speed and memory on this machine."""
    from llmstep.commands.demo import EXAMPLES

    if goals is None:
        questions = [BenchQuestion(example.goal, example.prefix) for example in EXAMPLES]
    else:
        questions = read_questions(goals)
    figures = measure(questions, model, count, rounds)
    if as_json:
        click.echo(json.dumps(attrs.asdict(figures)))
        return
    click.echo(f"{figures.model}, {count} candidates, {len(questions)} goals x {rounds} rounds")
    rows = {
        "spawn to first answer": (figures.first_ms,),
        "warm answer": figures.warm_ms,
        "cached answer": figures.cached_ms,
        "request without the model": figures.dispatch_ms,
    }
    for name, times in rows.items():
        spread = f"  (min {min(times):.1f}, max {max(times):.1f})" if len(times) > 1 else ""
        click.echo(f"  {name:<26} {statistics.median(times):8.1f} ms{spread}")
    click.echo(f"  {'resident memory':<26} {figures.rss_bytes / 1e6:8.0f} MB")


def _read_lines(path: Path) -> list[str]:
    # Not splitlines: JSON may hold the line ends of other standards as they are.
    try:
        return decode_text(path.read_bytes()).split("\n")
    except (OSError, ValueError) as error:
        raise click.UsageError(f"{path} cannot be read: {error}") from None


def read_questions(path: Path) -> list[BenchQuestion]:
    """Read questions; a wrong line is named.

    Raises:
        click.UsageError: A line is no JSON object with a `tactic_state`.
    """
    questions: list[BenchQuestion] = []
    for number, line in enumerate(_read_lines(path), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            questions.append(BenchQuestion(str(row["tactic_state"]), str(row.get("prefix", ""))))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            message = f"{path}, line {number}: needs a JSON object with `tactic_state`"
            raise click.UsageError(message) from None
    if not questions:
        raise click.UsageError(f"{path} holds no goal")
    return questions


def measure(questions: list[BenchQuestion], model: str | None, count: int, rounds: int) -> Figures:
    """Ask a fresh sidecar all questions and take the times.

    Raises:
        HandshakeError: The sidecar failed.
    """
    from llmstep.handshake import HandshakeError, SidecarClient

    # Its own from start to end: an engine that is there already would have begun long ago.
    command = [sys.executable, "-m", "llmstep", "serve", "--in-process"]
    command += ["--model", model] if model else []
    with tempfile.TemporaryDirectory() as home:
        quiet = {environment.HOME: home}
        begin = time.perf_counter()
        with SidecarClient(command, quiet) as sidecar:
            sidecar.initialize(WAIT_S)
            answer = ask(sidecar, questions[0], count)
            if partial := answer.get("partial"):
                # What the other sources say alone is no figure of this model.
                raise HandshakeError(partial["reason"], hint=partial["hint"])
            first_ms = (time.perf_counter() - begin) * 1000
            warm = [
                clock(sidecar, question, count) for _ in range(rounds) for question in questions
            ]
            dispatch = [clock_status(sidecar) for _ in range(50)]
            status = sidecar.request("llmstep/status", {}, WAIT_S)
            sidecar.shut_down(WAIT_S)
        with SidecarClient(command, {**quiet, "LLMSTEP_CACHE": "true"}) as sidecar:
            sidecar.initialize(WAIT_S)
            for question in questions:
                ask(sidecar, question, count)
            cached = [clock(sidecar, question, count) for question in questions]
            sidecar.shut_down(WAIT_S)
    return Figures(
        model=answer["model"],
        candidates=count,
        first_ms=first_ms,
        warm_ms=tuple(warm),
        cached_ms=tuple(cached),
        dispatch_ms=tuple(dispatch),
        rss_bytes=status["memory"]["rssBytes"],
    )


def ask(sidecar: SidecarClient, question: BenchQuestion, count: int) -> dict[str, Any]:
    """Ask one question and return the answer."""
    params = {"goals": [question.goal], "prefix": question.prefix, "n": count}
    return sidecar.request("llmstep/suggest", params, WAIT_S)


def clock(sidecar: SidecarClient, question: BenchQuestion, count: int) -> float:
    """Milliseconds of one question, there and back."""
    begin = time.perf_counter()
    ask(sidecar, question, count)
    return (time.perf_counter() - begin) * 1000


def clock_status(sidecar: SidecarClient) -> float:
    """Milliseconds of a request that needs no model, there and back."""
    begin = time.perf_counter()
    sidecar.request("llmstep/status", {}, WAIT_S)
    return (time.perf_counter() - begin) * 1000
