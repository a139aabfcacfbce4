"""``llmstep eval``: how good a model is on held-out proof steps."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import click

from llmstep.errors import BackendUnavailableError, ModelFileError
from llmstep.paths import install_command


@click.command(name="eval")
@click.argument(
    "data", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--model", default="builtin", show_default=True, help="Model id, or a .gguf file.")
@click.option("-n", "count", type=click.IntRange(1, 64), default=10, show_default=True)
@click.option("--temperature", type=click.FloatRange(0.0), default=0.8, show_default=True)
@click.option("--top-p", type=click.FloatRange(0.0, 1.0, min_open=True), default=0.95)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--limit", type=click.IntRange(1), help="Rows per file, drawn by the seed.")
@click.option(
    "--state-tokens",
    type=click.IntRange(32),
    default=320,
    show_default=True,
    help="Longer states are trimmed as in a suggestion.",
)
@click.option("--threads", type=click.IntRange(1), help="CPU threads (default: physical cores).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per file.")
def evaluate(
    data: tuple[Path, ...],
    model: str,
    count: int,
    temperature: float,
    top_p: float,
    seed: int,
    limit: int | None,
    state_tokens: int,
    threads: int | None,
    as_json: bool,
) -> None:
    """Score a GGUF model on JSONL files of proof steps ({"state": ..., "tactic": ...}).

    Prints the negative log-likelihood per token of the recorded tactics and how often they, or
    their first word, are among the candidates.
    """
    try:
        from tqdm import tqdm

        from llmstep.backends.base import Sampling
        from llmstep.service.catalog import find_model
        from llmstep.training.data import read_rows
        from llmstep.training.evaluation import TACTIC_TOKENS, evaluate_rows, sample_rows
    except ImportError as error:
        raise BackendUnavailableError(
            f"Evaluation needs a library that is not installed: {error.name}",
            hint=f"Install the extras: {install_command('train,gguf')}",
        ) from error
    path = find_model(model).path
    if path is None:
        raise ModelFileError(
            f"the model {model!r} has no file to score", hint="Name a model with a .gguf file."
        )
    sampling = Sampling(count, TACTIC_TOKENS, temperature, top_p, seed)
    for file in data:
        rows = sample_rows(read_rows(file), limit, seed)
        with tqdm(total=len(rows), desc=file.name, unit="row", mininterval=1.0) as bar:
            scores = evaluate_rows(path, rows, sampling, state_tokens, threads or 0, bar.update)
        if as_json:
            record = {"file": file.name, "n": count} | attrs.asdict(scores)
            click.echo(json.dumps(record, ensure_ascii=False))
            continue
        click.echo(
            f"{file.name}: {scores.rows} rows\n"
            f"  nll per token {scores.nll:.3f}\n"
            f"  exact@1 {scores.exact_at_1:.3f}   exact@{count} {scores.exact_at_n:.3f}\n"
            f"  first-word@1 {scores.head_at_1:.3f}   first-word@{count} {scores.head_at_n:.3f}\n"
            f"  {scores.candidates:.1f} candidates in {scores.median_ms:.0f} ms (median)"
        )
        for head, number, exact, headed in scores.heads:
            click.echo(f"    {head:<14} {number:>5}  exact {exact:.2f}  first word {headed:.2f}")
