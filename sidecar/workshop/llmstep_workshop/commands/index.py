"""``llmstep index``: what suggestions draw on besides the model, made from proof steps."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmstep.errors import BackendUnavailableError
from llmstep.paths import install_workshop_command

if TYPE_CHECKING:
    from llmstep_workshop.data.rows import Row

_ROWS = click.argument(
    "rows",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
_OUTPUT = click.option(
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write; an older one is replaced in one step.",
)


@click.group()
def index() -> None:
    """Build what suggestions draw on besides the model.

    All commands read JSONL files of proof steps ({"state": ..., "tactic": ...}).
    """


@index.command()
@_ROWS
@_OUTPUT
@click.option(
    "--statements",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Statements: JSON lines with `name`, `kind`, `file`, `binders`, `conclusion`.",
)
@click.option(
    "--names",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Full names of all declarations, one a line.",
)
@click.option("--licence", default="", help="Licence of the proofs, kept in the file.")
@click.option("--source", default="", help="Where the proofs come from, kept in the file.")
@click.option("--skip-file", multiple=True, help="Leave out rows whose `file` begins so.")
@click.option("--skip-kind", multiple=True, help="Leave out rows of this `kind`.")
@click.option(
    "--fewest-rows",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Ignore features of fewer rows; 1 suits a small project.",
)
def build(
    rows: tuple[Path, ...],
    output: Path,
    statements: Path | None,
    names: Path | None,
    licence: str,
    source: str,
    skip_file: tuple[str, ...],
    skip_kind: tuple[str, ...],
    fewest_rows: int,
) -> None:
    """Index the tactics of a library by the goals they were used on, and what it states.

    Use the result with the setting `library`.
    """
    from llmstep.sources.common_names import CommonNames
    from llmstep.sources.index_writer import write_index
    from llmstep.sources.library_index import LibraryIndex
    from llmstep.sources.steps import ProofStep
    from llmstep_workshop.data.statement_files import read_names, read_statements

    kept = (
        ProofStep(row.state, row.tactic, row.decl)
        for row in _read(rows)
        if row.kind not in skip_kind and not row.file.startswith(skip_file)
    )
    count, stated = write_index(
        output,
        kept,
        read_statements(statements) if statements else (),
        source=source,
        licence=licence,
        names=read_names(names) if names else (),
        fewest_rows=fewest_rows,
    )
    CommonNames(output, LibraryIndex(output).count_steps).write()
    size = output.stat().st_size / 1e6
    click.echo(f"{output}: {count:,} steps, {stated:,} statements, {size:.1f} MB")
    click.echo(f'Use it: LLMSTEP_LIBRARY="{output}", or library = "{output}" in config.toml.')


@index.command()
@_ROWS
@_OUTPUT
def portfolio(rows: tuple[Path, ...], output: Path) -> None:
    """Learn which closers (omega, simp, ...) fit which goals."""
    with _needing_extra():
        from llmstep_workshop.index.closers import learn_closers
        from llmstep_workshop.index.table_files import write_portfolio

        data = list(_read(rows))
        closers = learn_closers(data)
        write_portfolio(output, closers, len(data))
    click.echo(f"{output}: {len(closers)} closers from {len(data):,} steps")


@index.command()
@_ROWS
@_OUTPUT
@click.option("--model", default="builtin", show_default=True, help="Model id, or a path.")
@click.option("--library", default="builtin", show_default=True, help="Index of a library.")
@click.option("-n", type=click.IntRange(1, 64), default=8, show_default=True)
@click.option("--threads", type=click.IntRange(1), help="CPU threads of the model.")
def fit(
    rows: tuple[Path, ...], output: Path, model: str, library: str, n: int, threads: int | None
) -> None:
    """Fit the weights that mix model, library, file and portfolio.

    The rows must be new to the model and to the library; a row's `context` (the file's text
    before the step) is what the file's part is learned from.
    """
    with _needing_extra():
        from tqdm import tqdm

        from llmstep.config import resolve
        from llmstep.service.model_setup import find_setup
        from llmstep.sources.library_index import LibraryIndex
        from llmstep.sources.mixing import load_mixing
        from llmstep.sources.portfolio import load_portfolio
        from llmstep.sources.sources import library_path
        from llmstep_workshop.index.mixing_fit import fit_mixing
        from llmstep_workshop.index.mixing_rows import ModelCandidates, rate_rows
        from llmstep_workshop.index.table_files import write_mixing

        data = list(_read(rows))
        found = LibraryIndex(library_path(library))
        settings = resolve({"model": model, "n": n, "threads": threads}).settings
        source = ModelCandidates(find_setup(settings))
        try:
            with tqdm(total=len(data), unit="rows") as bar:
                rated = rate_rows(
                    data, source.ask, found, load_portfolio(), load_mixing(), bar.update
                )
        finally:
            source.close()
        mixing, scores = fit_mixing(rated, n, load_mixing())
        write_mixing(output, mixing, scores, n)
    click.echo(
        f"{output}: {scores.rows:,} rows, cross-validated: exact@1 {scores.exact_at_1:.3f}, "
        f"exact@{n} {scores.exact_at_n:.3f}, first word@{n} {scores.head_at_n:.3f}, "
        f"lemma@{n} {scores.lemma_at_n:.3f} of {scores.citing:,}, "
        f"proposed by any source {scores.proposed:.3f}"
    )


def _read(paths: tuple[Path, ...]) -> Iterator[Row]:
    from llmstep_workshop.data.rows import read_rows

    for path in paths:
        yield from read_rows(path)


@contextlib.contextmanager
def _needing_extra() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise BackendUnavailableError(
            f"this command needs a library that is not installed: {error.name}",
            hint=f"Install the extra: {install_workshop_command('train')}",
        ) from error
