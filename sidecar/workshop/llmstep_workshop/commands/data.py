"""``llmstep data``: from public data sets to rows that a model can be trained on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmstep_workshop.commands.data_make import check, premises, synth
from llmstep_workshop.commands.data_options import (
    add_common_options,
    rows_argument,
    write_sheet,
)
from llmstep_workshop.commands.data_states import print_, reconstruct, twins

if TYPE_CHECKING:
    from llmstep_workshop.data.splitting import GroupKind


@click.group(commands=[synth, check, reconstruct, twins, print_, premises])
def data() -> None:
    """Import, reconstruct, generate, clean, split, print and check proof steps.

    Each command reads JSONL, plain or .gz, writes its output in one step, and a data sheet beside.
    """


@data.command("import")
@click.argument("sources", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["auto", "leandojo", "ntp", "jsonl"]),
    default="auto",
    show_default=True,
    help="LeanDojo's theorems, ntp-toolkit's JSONL, or {state, tactic} lines.",
)
@click.option("--source-name", default="", help="Name of the corpus, kept in each row as `src`.")
@click.option(
    "--env",
    type=click.Choice(["core", "mathlib"]),
    help="What the rows import, kept in each row as `env`.",
)
@click.option(
    "--context",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Keep so many characters of the file before the step (ntp-toolkit only).",
)
@add_common_options
def import_(
    sources: tuple[Path, ...],
    format_name: str,
    source_name: str,
    env: str | None,
    context: int,
    output: Path,
    sheet: Path | None,
    licence: str,
) -> None:
    """Turn SOURCES into rows; a folder stands for the JSONL files in it.

    Of a state with several goals the first is kept. A row is {"state", "tactic"} with "decl",
    "file", "src", "env" and "kind" where known.
    """
    import attrs

    from llmstep_workshop.data.readers import FORMATS, Reader, detect_format
    from llmstep_workshop.data.records import RecordWriter, find_data_files
    from llmstep_workshop.data.rows import empty_data
    from llmstep_workshop.data.sheet import Profile

    files = find_data_files(sources)
    names = {"leandojo": "leandojo", "ntp": "ntp-toolkit", "jsonl": ""}
    profile = Profile()
    readers = {name: Reader(name, context) for name in FORMATS}
    with RecordWriter(output) as writer:
        for file in files:
            format_ = next((name for name in FORMATS if name == format_name), None)
            reader = readers[format_ or detect_format(file)]
            for record in reader.read(file):
                src = source_name or record.src or names[reader.format]
                row = attrs.evolve(record, src=src, env=env or record.env)
                profile.count(row)
                writer.write(row)
        if not writer.rows:
            raise empty_data(files[0])
    skipped = sum((reader.skipped for reader in readers.values()), Counter[str]())
    skipped["(kept) first of several goals"] = sum(r.reduced for r in readers.values())
    write_sheet(
        output,
        sheet,
        files,
        licence,
        {output.name: profile},
        tables=[("Steps left out", ("reason", "steps"), skipped)],
    )


@data.command()
@rows_argument
@click.option("--max-tactic", default=140, show_default=True, help="Most characters of a tactic.")
@click.option("--max-state", default=1500, show_default=True, help="Most characters of a state.")
@click.option("--multi-line", is_flag=True, help="Keep tactics of several lines.")
@click.option("--no-bindings", is_flag=True, help="Drop goals with let, have or match in them.")
@click.option("--duplicates", is_flag=True, help="Keep rows that were there before.")
@add_common_options
def clean(
    rows: tuple[Path, ...],
    max_tactic: int,
    max_state: int,
    multi_line: bool,
    no_bindings: bool,
    duplicates: bool,
    output: Path,
    sheet: Path | None,
    licence: str,
) -> None:
    """Drop the rows of ROWS that are not worth learning from, and say how many by which rule."""
    from llmstep_workshop.data.cleaning import Cleaner
    from llmstep_workshop.data.records import RecordWriter, scan_records
    from llmstep_workshop.data.sheet import Profile

    cleaner = Cleaner(
        max_tactic=max_tactic,
        max_state=max_state,
        multi_line=multi_line,
        bindings=not no_bindings,
        duplicates=duplicates,
    )
    profile = Profile()
    with RecordWriter(output) as writer:
        for record in cleaner.clean(scan_records(rows)):
            profile.count(record)
            writer.write(record)
    dropped = {
        f"{name}: {meaning}": cleaner.dropped[name] for name, meaning in cleaner.rules().items()
    }
    for name, number in cleaner.dropped.most_common():
        click.echo(f"dropped {number:,} by {name}", err=True)
    write_sheet(
        output,
        sheet,
        rows,
        licence,
        {output.name: profile},
        tables=[("Rules, in the order they are tried", ("rule", "rows dropped"), dropped)],
    )


@data.command()
@rows_argument
@click.option(
    "--by",
    type=click.Choice(["file", "theorem", "state"]),
    default="file",
    show_default=True,
    help="What must not be torn apart.",
)
@click.option("--valid", type=click.FloatRange(0, 1), default=0.02, show_default=True)
@click.option("--test", type=click.FloatRange(0, 1), default=0.02, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--keep-shared", is_flag=True, help="Keep training rows whose state is held out.")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for train.jsonl.gz, valid.jsonl.gz and test.jsonl.gz.",
)
@click.option("--sheet", type=click.Path(dir_okay=False, path_type=Path), help="The data sheet.")
@click.option("--licence", default="", help="Licence of the data, for the sheet.")
def split(
    rows: tuple[Path, ...],
    by: GroupKind,
    valid: float,
    test: float,
    seed: int,
    keep_shared: bool,
    output: Path,
    sheet: Path | None,
    licence: str,
) -> None:
    """Split ROWS into training, validation and test rows, by a hash of file or theorem.

    The same group always goes the same way, whatever other rows there are. Training rows whose
    state also occurs in validation or test are dropped.
    """
    from contextlib import ExitStack

    from llmstep_workshop.data.cleaning import fingerprint
    from llmstep_workshop.data.records import RecordWriter, scan_records
    from llmstep_workshop.data.sheet import Profile
    from llmstep_workshop.data.splitting import SPLITS, GroupSplitter

    if valid + test >= 1:
        raise click.UsageError("--valid and --test leave no rows to train on")
    splitter = GroupSplitter(by, valid, test, seed)
    held_out: set[bytes] = set()
    if not keep_shared:
        for record in scan_records(rows):
            if splitter.place(record) != "train":
                held_out.add(fingerprint(record.state))
    shared = 0
    profiles = {name: Profile() for name in SPLITS}
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(RecordWriter(output / f"{name}.jsonl.gz")) for name in SPLITS
        }
        for record in scan_records(rows):
            name = splitter.place(record)
            if name == "train" and fingerprint(record.state) in held_out:
                shared += 1
                continue
            profiles[name].count(record)
            writers[name].write(record)
    for name, profile in profiles.items():
        click.echo(f"{output / name}.jsonl.gz: {profile.rows:,} rows")
    write_sheet(
        output / "data",
        sheet,
        rows,
        licence,
        {f"{name}.jsonl.gz": profile for name, profile in profiles.items()},
        tables=[
            (
                "Rows left out",
                ("reason", "rows"),
                {"the state occurs in validation or test": shared},
            )
        ],
        notes=[f"Split by {by}; no {by} is in two of the files."],
        title=f"{output.name}: train, valid, test",
    )


@data.command()
@rows_argument
@click.option(
    "--against",
    "benchmarks",
    multiple=True,
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="Evaluation set: .lean files, JSONL with goals or statements, or a folder. Repeatable.",
)
@click.option("--ignore-names", is_flag=True, help="Do not drop theorems for their name alone.")
@click.option(
    "--held-out",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Rows kept apart before: those of their files, or with their states, go. Repeatable.",
)
@add_common_options
def decontaminate(
    rows: tuple[Path, ...],
    benchmarks: tuple[Path, ...],
    ignore_names: bool,
    held_out: tuple[Path, ...],
    output: Path,
    sheet: Path | None,
    licence: str,
) -> None:
    """Drop the theorems of ROWS that an evaluation set asks for.

    Statements are compared without regard to names of variables and hypotheses, white space,
    brackets, and the spellings of number types. If one row of a theorem is found, all of its rows
    go.
    """
    from llmstep_workshop.data.contamination import find_contaminated, read_benchmark
    from llmstep_workshop.data.records import RecordWriter, scan_records
    from llmstep_workshop.data.sheet import Profile
    from llmstep_workshop.data.splitting import HeldOut

    apart = HeldOut(scan_records(held_out))
    apart_found: Counter[str] = Counter()
    benchmark = read_benchmark(benchmarks)
    for where in benchmark.unread:
        click.echo(f"{where}: no statement found in it", err=True)
    hits = find_contaminated(scan_records(rows), benchmark, by_name=not ignore_names)
    found: Counter[str] = Counter()
    profile = Profile()
    with RecordWriter(output) as writer:
        for record in scan_records(rows):
            name = hits.explain(record)
            if name:
                found[name] += 1
                continue
            if reason := apart.explain(record):
                apart_found[f"its {reason} is held out"] += 1
                continue
            profile.count(record)
            writer.write(record)
    for name, number in found.most_common():
        click.echo(f"{name}: {number} rows", err=True)
    write_sheet(
        output,
        sheet,
        [*rows, *(path for path in benchmarks if path.is_file()), *held_out],
        licence,
        {output.name: profile},
        tables=[
            ("Dropped", ("statement of the evaluation set", "rows"), found),
            ("Held out", ("reason", "rows"), apart_found),
        ],
        notes=[
            f"Compared with {len(benchmark.statements):,} statements: "
            f"{sum(found.values()):,} rows of {len(found):,} statements dropped."
        ],
    )
