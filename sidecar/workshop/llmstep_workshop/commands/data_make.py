"""``llmstep data synth`` and ``check``: rows that are made, and rows that Lean has run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmstep_workshop.commands.data_options import (
    add_common_options,
    add_lean_options,
    rows_argument,
    share_option,
    write_sheet,
)

if TYPE_CHECKING:
    from llmstep_workshop.data.lean_check import Finding
    from llmstep_workshop.data.records import Record
    from llmstep_workshop.data.synthetic import TemplateSplit

_SHOWN_FAILURES = 40


@click.command()
@click.option("--rows", type=click.IntRange(1), required=True, help="How many rows to make.")
@click.option("--seed", default=0, show_default=True)
@click.option(
    "--families",
    default="all",
    show_default=True,
    help="`basic`, `extended`, `all`, or names of families, separated by commas.",
)
@click.option(
    "--split",
    type=click.Choice(["all", "train", "valid"]),
    default="all",
    show_default=True,
    help="`train` and `valid` share no template.",
)
@add_common_options
def synth(
    rows: int,
    seed: int,
    families: str,
    split: TemplateSplit,
    output: Path,
    sheet: Path | None,
    licence: str,
) -> None:
    """Make rows of elementary goals: logic, arithmetic, induction, lists, sets and more."""
    from llmstep_workshop.data.lean_environment import find_environment
    from llmstep_workshop.data.records import Record, RecordWriter
    from llmstep_workshop.data.sheet import Profile
    from llmstep_workshop.data.synthetic import generate

    names = [name.strip() for name in families.split(",") if name.strip()]
    profile = Profile()
    by_family: Counter[str] = Counter()
    with RecordWriter(output) as writer:
        for row in generate(rows, seed, names, split):
            env = find_environment(row.state, row.tactic)
            record = Record(row.state, row.tactic, row.kind, file=row.file, src="synth", env=env)
            by_family[row.file.partition(":")[2]] += 1
            profile.count(record)
            writer.write(record)
    write_sheet(
        output,
        sheet,
        (),
        licence or "that of llmstep (MIT)",
        {output.name: profile},
        tables=[("Families", ("family", "rows"), dict(by_family.most_common()))],
        notes=[
            "Generated; right by construction of the generator, and not run in Lean unless "
            "`llmstep data check` has."
        ],
    )


@click.command()
@rows_argument
@click.option("--import", "imports", multiple=True, help="Module to import, e.g. Mathlib.")
@click.option("--batch", type=click.IntRange(1), default=250, show_default=True)
@click.option("--keep-unreadable", is_flag=True, help="Keep rows whose state Lean cannot read.")
@click.option("--only-checked", is_flag=True, help="Drop rows that were not run.")
@add_lean_options
@add_common_options
def check(
    rows: tuple[Path, ...],
    command: str | None,
    project: Path | None,
    imports: tuple[str, ...],
    header: Path | None,
    batch: int,
    timeout: float,
    keep_unreadable: bool,
    only_checked: bool,
    output: Path,
    sheet: Path | None,
    licence: str,
) -> None:
    """Run ROWS in Lean, and drop those that fail.

    Without --import only the rows for core Lean are run; the others are kept as they are. A step
    that leaves goals counts as good. This runs the tactics: only check rows that you trust.
    """
    import sys

    from llmstep_workshop.data.lean_check import Lean, find_lean
    from llmstep_workshop.data.lean_environment import find_environment
    from llmstep_workshop.data.records import RecordWriter, scan_records
    from llmstep_workshop.data.sheet import Profile

    lean = Lean(
        find_lean(command, project),
        project,
        imports,
        header.read_text(encoding="utf-8") if header else "",
        timeout,
    )
    records = list(scan_records(rows))
    chosen = [
        record
        for record in records
        if imports or (record.env or find_environment(record.state, record.tactic)) == "core"
    ]
    with click.progressbar(length=len(chosen), label="Lean", file=sys.stderr) as bar:
        found = lean.check(chosen, batch, bar.update)
    findings = dict(zip(map(id, chosen), found, strict=True))
    profile = Profile()
    with RecordWriter(output) as writer:
        for record in records:
            finding = findings.get(id(record))
            verdict = finding.verdict if finding else "unchecked"
            kept = verdict == "good"
            kept = kept or (verdict == "unchecked" and not only_checked)
            kept = kept or (verdict == "unreadable" and keep_unreadable)
            if kept:
                profile.count(record)
                writer.write(record)
    rates = _count_rates(chosen, found)
    good = sum(finding.verdict == "good" for finding in found)
    summary = f"Lean ran {len(found):,} of {len(records):,} rows: {good:,} good"
    if found:
        summary += f" ({good / len(found):.1%})"
    click.echo(summary)
    write_sheet(
        output,
        sheet,
        rows,
        licence,
        {output.name: profile},
        tables=[
            ("What Lean says, by family", ("family", "verdicts"), rates),
            ("Failures", ("state and tactic", "Lean's first line"), _failures(chosen, found)),
        ],
        notes=[f"{summary}. The command that ran Lean: `{' '.join(lean.command)}`."],
    )


def _count_rates(records: list[Record], findings: list[Finding]) -> dict[str, str]:
    """For each family the share of good rows and the number of the others."""
    counts: dict[str, Counter[str]] = {}
    for record, finding in zip(records, findings, strict=True):
        family = record.file if record.file.startswith("synthetic:") else record.kind or record.src
        counts.setdefault(family or "rows", Counter())[finding.verdict] += 1
    rates: dict[str, str] = {}
    for family, counter in sorted(counts.items()):
        total = counter.total()
        others = ", ".join(f"{n} {name}" for name, n in counter.items() if name != "good")
        rates[family] = f"{counter['good'] / total:.1%} of {total:,} good"
        rates[family] += f"; {others}" if others else ""
    return rates


def _failures(records: list[Record], findings: list[Finding]) -> dict[str, str]:
    """The first failures, as a table."""
    shown: dict[str, str] = {}
    for record, finding in zip(records, findings, strict=True):
        if finding.verdict != "good" and len(shown) < _SHOWN_FAILURES:
            state = record.state.replace("\n", "; ")
            shown[f"`{state}` by `{record.tactic}`"] = f"{finding.verdict}: {finding.message}"
    return shown


@click.command()
@rows_argument
@click.option(
    "--statements",
    "libraries",
    multiple=True,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What the rows' library states: JSONL, each file's statements in order. Repeatable.",
)
@click.option("--library", default="builtin", show_default=True, help="Index to search.")
@click.option("--rows", "count", type=click.IntRange(1), help="Draw so many rows.")
@share_option(
    "--inserted",
    0.6,
    "Share of the rows that cite a lemma in which it is put in if it was not found.",
)
@share_option("--without", 0.2, "Share of the rows that show none.")
@share_option(
    "--renamed", 0.5, "Share of the rows in which the lemmas of the row's own file get other names."
)
@click.option("--seed", default=0, show_default=True)
@add_common_options
def premises(
    rows: tuple[Path, ...],
    libraries: tuple[Path, ...],
    library: str,
    count: int | None,
    inserted: float,
    without: float,
    renamed: float,
    seed: int,
    output: Path,
    sheet: Path | None,
    licence: str,
) -> None:
    """Give ROWS the premises that the sidecar would find for them.

    For prompts that show premises, such as `proofstep-premises`. Of a proof's steps the later ones
    are drawn twice as often as the first.
    """
    import sys
    from itertools import chain, groupby

    from llmstep.sources.library_index import LibraryIndex
    from llmstep.sources.sources import library_path
    from llmstep_workshop.data.premise_rows import PremisePlan, PremiseWriter, draw_middles
    from llmstep_workshop.data.records import RecordWriter, scan_records
    from llmstep_workshop.data.sheet import Profile
    from llmstep_workshop.data.statement_files import read_statements

    records = list(scan_records(rows))
    records = draw_middles(records, count or len(records), seed)
    records.sort(key=lambda record: record.file)
    maker = PremiseWriter(
        LibraryIndex(library_path(library)),
        chain.from_iterable(map(read_statements, libraries)),
        PremisePlan(inserted, without, renamed),
        seed,
    )
    profile, shown = Profile(), Counter[str]()
    with (
        RecordWriter(output) as writer,
        click.progressbar(length=len(records), label="rows", file=sys.stderr) as bar,
    ):
        for _, group in groupby(records, key=lambda record: record.file):
            for record in maker.write_file(list(group)):
                profile.count(record)
                shown[f"{len(record.premises)} premises"] += 1
                writer.write(record)
                bar.update(1)
    write_sheet(
        output,
        sheet,
        rows,
        licence,
        {output.name: profile},
        tables=[("Rows by premises shown", ("premises", "rows"), dict(sorted(shown.items())))],
        notes=[
            "Premises are those that the sidecar finds, without the row's own step and, of its own "
            "file, what is stated before."
        ],
    )
