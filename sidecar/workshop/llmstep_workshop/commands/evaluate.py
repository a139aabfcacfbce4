"""``llmstep eval``: how good models are on held-out proof steps, and at proving theorems."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmstep.config import Settings
    from llmstep_workshop.evaluation.comparison import Comparison, DataFile, Variant, VariantScores

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_WRITABLE = click.Path(dir_okay=False, writable=True, path_type=Path)


@click.command(name="eval")
@click.argument("data", nargs=-1, type=_FILE)
@click.option(
    "--model",
    "models",
    multiple=True,
    help="Model id, .gguf file, Hugging Face folder or openai:<name>; again for more of them. "
    "Default: the one that suggestions come from.",
)
@click.option(
    "--only",
    "sources",
    multiple=True,
    help="Sources of suggestions, e.g. model or model,portfolio; again to compare. "
    "Default: those in use.",
)
@click.option("-n", "count", type=click.IntRange(1, 64), default=10, show_default=True)
@click.option("--temperature", type=click.FloatRange(0.0), help="Default: the model's own.")
@click.option("--top-p", type=click.FloatRange(0.0, 1.0, min_open=True), help="Likewise.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of candidates and rows.")
@click.option("--limit", type=click.IntRange(1), help="Rows per file; theorems with --lean.")
@click.option("--context-tokens", type=int, help="Context window; longer states are trimmed.")
@click.option(
    "--threads", type=click.IntRange(1), help="CPU threads (default: by the size of the model)."
)
@click.option("--nll/--no-nll", default=True, show_default=True, help="Negative log-likelihood.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per model and file.")
@click.option(
    "--lemmas",
    type=_FILE,
    help="Which lemmas the rows of the file cite: JSON lines with `row` (from 0) and `lemmas`.",
)
@click.option(
    "--names",
    type=_FILE,
    help="Full names of all declarations, one a line: rows are labelled by them, and names in "
    "suggestions looked up.",
)
@click.option(
    "--project",
    "home",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The Lake project that the rows' `file` is counted from: rows are asked about there.",
)
@click.option("--report", type=_WRITABLE, help="Also write an HTML page that compares the models.")
@click.option(
    "--lean",
    "project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Search for proofs in this Lean project instead; it must require llmstep and be built.",
)
@click.option(
    "--theorems",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="With --lean: .lean or .jsonl files, or folders of .lean files.",
)
@click.option("--split", help="With --lean: only JSON lines with this `split`, e.g. test.")
@click.option(
    "--protocol",
    type=click.Choice(["llmsearch", "original", "prove"]),
    default="llmsearch",
    show_default=True,
    help="With --lean: search with the tactic's own budget, or with that of the first llmstep's "
    "benchmark; or whole proofs, as `llmprove` asks for them.",
)
@click.option(
    "--tries",
    type=click.IntRange(1, 1024),
    help="With --protocol prove: calls per theorem, the k of pass@k. Default: 1.",
)
@click.option(
    "--rounds",
    type=click.IntRange(1, 64),
    help="With --protocol prove: proofs per call, each told what Lean said. Default: 3.",
)
@click.option(
    "--gaps/--no-gaps",
    default=None,
    help="With --protocol prove: whether gaps of a proof are searched for, as in the editor.",
)
@click.option("--output", type=_WRITABLE, help="With --lean: results, one JSON line per theorem.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="With --lean.")
@click.option("--seconds", type=click.IntRange(1), help="With --lean: time of one call.")
def evaluate(
    data: tuple[Path, ...],
    models: tuple[str, ...],
    sources: tuple[str, ...],
    count: int,
    temperature: float | None,
    top_p: float | None,
    seed: int,
    limit: int | None,
    context_tokens: int | None,
    threads: int | None,
    nll: bool,
    as_json: bool,
    lemmas: Path | None,
    names: Path | None,
    home: Path | None,
    report: Path | None,
    project: Path | None,
    theorems: tuple[Path, ...],
    split: str | None,
    protocol: str,
    tries: int | None,
    rounds: int | None,
    gaps: bool | None,
    output: Path | None,
    jobs: int,
    seconds: int | None,
) -> None:
    """Score models on JSONL files of proof steps ({"state": ..., "tactic": ...}).

    Counts how often the recorded tactic, or its first word, is among the suggestions that a user
    would be served, and measures how likely the model holds it. With --lean PROJECT --theorems FILE
    it tries to prove theorems instead and counts those proved.
    """
    flags = {
        "n": count,
        "temperature": temperature,
        "top_p": top_p,
        "seed": seed,
        "context_tokens": context_tokens,
        "threads": threads,
    }
    variants = make_variants(models, sources, flags)
    if project is not None:
        from llmstep_workshop.commands.evaluate_search import search_proofs
        from llmstep_workshop.evaluation.proof_search import PROTOCOLS, shape_protocol

        if data or not theorems:
            raise click.UsageError("--lean takes the theorems from --theorems FILE")
        if len(variants) > 1:
            raise click.UsageError("--lean takes one model; run it again for another")
        if report is not None:
            raise click.UsageError("--report compares next steps; --lean has --output and --json")
        if protocol != "prove" and (tries, rounds, gaps) != (None, None, None):
            raise click.UsageError("--tries, --rounds and --gaps are for --protocol prove")
        chosen = PROTOCOLS[protocol]
        if protocol == "prove":
            chosen = shape_protocol(chosen, tries, rounds, gaps)
        search_proofs(
            variants[0].settings,
            project,
            theorems,
            split,
            chosen,
            output,
            jobs,
            seconds,
            limit,
            as_json,
        )
        return
    if theorems:
        raise click.UsageError("--theorems needs --lean PROJECT, the Lean project to prove them in")
    if not data:
        raise click.UsageError("name at least one JSONL file of proof steps, or use --lean")
    if lemmas is not None and len(data) > 1:
        raise click.UsageError("--lemmas labels the rows of one file")
    comparison = measure(variants, data, limit, nll, lemmas, names, home)
    for name, reason in comparison.unusable:
        click.echo(f"llmstep: {name} is left out: {reason}", err=True)
    for result in comparison.results:
        click.echo(
            json.dumps(as_record(result), ensure_ascii=False) if as_json else show_result(result)
        )
    if report is not None:
        from llmstep_workshop.evaluation.page import render_page

        report.write_text(render_page(comparison), encoding="utf-8")
        click.echo(f"written: {report}", err=True)
    if comparison.unusable:
        sys.exit(1)


def make_variants(
    models: tuple[str, ...], sources: tuple[str, ...], flags: dict[str, Any]
) -> list[Variant]:
    """Every model with every choice of sources, each with the settings a suggestion would have.

    Raises:
        click.UsageError: A flag has an impossible value.
    """
    from llmstep.config import resolve
    from llmstep_workshop.evaluation.comparison import Variant

    variants: list[Variant] = []
    for model in dict.fromkeys(models) or (None,):
        for chosen in dict.fromkeys(sources) or (None,):
            resolved = resolve(flags | {"model": model, "sources": chosen})
            for problem in resolved.problems:
                if problem.origin == "command line":
                    raise click.UsageError(problem.message)
                if not variants:
                    click.echo(f"not taken: {problem}", err=True)
            name = (model or resolved.settings.model) + (f" [{chosen}]" if chosen else "")
            variants.append(Variant(name, resolved.settings))
    return variants


def measure(
    variants: list[Variant],
    data: tuple[Path, ...],
    limit: int | None,
    with_likelihood: bool,
    lemmas: Path | None = None,
    names: Path | None = None,
    home: Path | None = None,
) -> Comparison:
    """Ask every model about every file, with a progress bar where somebody is watching."""
    import attrs

    from llmstep_workshop.data.lemma_labels import NameList, label_rows, read_labels
    from llmstep_workshop.data.rows import read_rows
    from llmstep_workshop.data.statement_files import read_names
    from llmstep_workshop.evaluation.comparison import compare_variants, draw_rows
    from llmstep_workshop.evaluation.placed_rows import index_project
    from llmstep_workshop.evaluation.scores import ExistingNames

    seed = variants[0].settings.seed
    files = [draw_rows(path, read_rows(path), limit, seed) for path in data]
    listed = NameList(read_names(names)) if names else None
    labels = read_labels(lemmas) if lemmas else None
    files = [attrs.evolve(file, rows=label_rows(file.rows, labels, listed)) for file in files]
    if home is not None:
        index_project(home)
        files = [_place(file, home) for file in files]
    known = ExistingNames(listed, known_besides(variants[0].settings)) if listed else None
    total = len(variants) * sum(len(file.rows) for file in files)
    with click.progressbar(
        length=total, label="rows", file=sys.stderr, show_pos=True, hidden=not sys.stderr.isatty()
    ) as bar:
        return compare_variants(variants, files, with_likelihood, lambda: bar.update(1), known)


def _place(file: DataFile, home: Path) -> DataFile:
    """The rows of a file in the files of the project they are from."""
    import attrs

    from llmstep_workshop.evaluation.placed_rows import place_rows

    rows, count = place_rows(file.rows, home)
    click.echo(f"{file.path.name}: {count} of {len(rows)} rows stand in {home}", err=True)
    return attrs.evolve(file, rows=rows)


def known_besides(settings: Settings) -> Callable[[str], bool]:
    """Whether the library in use has seen a name: lists of Mathlib's lack those of core Lean."""
    from llmstep.sources.library_index import LibraryIndex
    from llmstep.sources.sources import library_path

    return LibraryIndex(library_path(settings.library)).knows


def as_record(result: VariantScores) -> dict[str, Any]:
    """One result as JSON values; failing rows are named by their place in the file."""
    import attrs

    failed = [{"row": row.number, "reason": row.failure} for row in result.rows if row.failure]
    record = {"model": result.name, "file": result.file.name, "n": result.n}
    return record | attrs.asdict(result.scores) | {"failed": failed}


def show_result(result: VariantScores) -> str:
    """One result as text for a terminal."""
    scores, n = result.scores, result.n
    around = {name: f" ({interval})" for name, interval in scores.intervals.items()}
    lines = [
        f"{result.file.name}, {result.name}: {scores.rows} rows",
        "  nll per token "
        + (f"{scores.nll:.3f}{around['nll']}" if scores.nll is not None else "not to be had"),
        f"  exact@1 {scores.exact_at_1:.3f}{around['exact_at_1']}   "
        f"exact@{n} {scores.exact_at_n:.3f}{around['exact_at_n']}",
        f"  first-word@1 {scores.head_at_1:.3f}{around['head_at_1']}   "
        f"first-word@{n} {scores.head_at_n:.3f}{around['head_at_n']}",
        f"  {scores.candidates:.1f} candidates; median {scores.median_ms:.0f} ms, "
        f"p90 {scores.p90_ms:.0f} ms, {scores.rows_per_second:.1f} rows/s",
    ]
    if any(origin != "model" for origin in scores.found_by):
        shares = ", ".join(f"{origin} {share:.3f}" for origin, share in scores.found_by.items())
        lines.append(f"  exact@{n} by source: {shares}")
    if scores.citing:
        lines.append(
            f"  lemma@{min(n, 10)} {scores.lemma_at_10:.3f}   lemma@{n} {scores.lemma_at_n:.3f}   "
            f"of {scores.citing} rows that cite one"
        )
    if scores.shown:
        lines.append(
            f"  of {scores.shown} rows whose lemma is among their premises {scores.shown_at_n:.3f} "
            f"have it named within {n}"
        )
    exist = f"names exist {scores.names_exist:.3f}, " if scores.names_exist is not None else ""
    lines.append(f"  candidates: {exist}impossible {scores.impossible:.3f}")
    lines += [
        f"    {name:<24} {own.rows:>5} rows  exact@10 {own.exact_at_10:.3f}  exact@{n} "
        f"{own.exact_at_n:.3f}  lemma@10 {own.lemma_at_10:.3f}  lemma@{n} {own.lemma_at_n:.3f}  "
        f"of {own.citing}"
        for name, own in scores.sources.items()
    ]
    if scores.trimmed:
        lines.append(f"  {scores.trimmed} states were too long and were trimmed")
    failed = [row for row in result.rows if row.failure]
    if failed:
        lines.append(f"  the model failed on {len(failed)} rows:")
        lines += [f"    row {row.number}: {row.failure}" for row in failed[:5]]
    lines += [
        f"    {head.head:<14} {head.rows:>5}  exact {head.exact:.2f}  first word {head.headed:.2f}"
        for head in scores.heads
    ]
    return "\n".join(lines)
