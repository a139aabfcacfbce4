"""``llmstep data reconstruct``, ``twins`` and ``print``: states from Lean text, and from Lean."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmstep_workshop.commands.data_options import (
    add_common_options,
    add_lean_options,
    rows_argument,
    write_sheet,
)

if TYPE_CHECKING:
    from llmstep_workshop.data.lean_environment import Environment

_SHOWN_FAULTS = 40


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--source-name", default="", help="Name of the corpus, kept in each row as `src`.")
@click.option(
    "--env",
    type=click.Choice(["core", "mathlib"]),
    help="What the rows import (default: told from each file's imports).",
)
@click.option(
    "--auto-implicit/--no-auto-implicit",
    default=None,
    help="Whether Lean binds letters by itself (default: as the folder's lakefiles say).",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=lambda: max((os.cpu_count() or 2) - 1, 1),
    show_default="all cores but one",
    help="Files read at once.",
)
@add_common_options
def reconstruct(
    folder: Path,
    source_name: str,
    env: Environment | None,
    auto_implicit: bool | None,
    jobs: int,
    output: Path,
    sheet: Path | None,
    licence: str,
) -> None:
    """Make rows from the Lean files of FOLDER, without Lean.

    The goal of each theorem is told from its text, and followed through the proof as far as the
    text tells what a step does. Nothing is run. `twins` measures how near to Lean this comes.
    """
    from llmstep_workshop.data.cleaning import Cleaner
    from llmstep_workshop.data.reconstruction.folders import Options, reconstruct_folder
    from llmstep_workshop.data.records import RecordWriter
    from llmstep_workshop.data.rows import empty_data
    from llmstep_workshop.data.sheet import Profile

    cleaner, profile = Cleaner(), Profile()
    files = theorems = cased = hidden = 0
    faults: dict[str, str] = {}
    options = Options(source_name or folder.resolve().name, env, auto_implicit)
    with RecordWriter(output) as writer:
        for found in reconstruct_folder(folder, options, jobs, lambda n: click.echo(n, err=True)):
            files, theorems = files + 1, theorems + found.theorems
            if found.fault:
                faults[str(found.path.relative_to(folder))] = found.fault
            for record in cleaner.clean(found.rows):
                cased += record.state.startswith("case ")
                hidden += "✝" in record.state.replace("inst✝", "")
                profile.count(record)
                writer.write(record)
        if not writer.rows:
            raise empty_data(folder)
    dropped = {name: cleaner.dropped[name] for name in cleaner.rules()}
    write_sheet(
        output,
        sheet,
        (),
        licence,
        {output.name: profile},
        tables=[
            ("Rows left out", ("rule", "rows"), dropped),
            ("Files that could not be read", ("file", "why"), _first(faults)),
        ],
        notes=[
            f"Reconstructed from the text of {files:,} Lean files ({theorems:,} theorems whose "
            "goal the text tells); Lean has neither read the files nor printed the states.",
            f"A `case` line stands in {cased / profile.rows:.1%} of the rows, a name with a "
            f"dagger (instances apart) in {hidden / profile.rows:.1%}.",
        ],
    )


def _first(faults: dict[str, str]) -> dict[str, str]:
    return dict(list(faults.items())[:_SHOWN_FAULTS])


@click.command()
@rows_argument
@click.option(
    "--printed",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Rows whose states Lean printed.",
)
@click.option("--show", default=0, show_default=True, help="Show so many pairs that differ.")
def twins(rows: tuple[Path, ...], printed: Path, show: int) -> None:
    """Measure how many states of ROWS are what Lean prints.

    A row of --printed and one of ROWS are twins if tactic and conclusion are the same, brackets
    and white space apart; of those it is counted how many states are the same altogether.
    """
    from llmstep_workshop.data.printed_twins import find_twins
    from llmstep_workshop.data.records import scan_records

    found = find_twins(scan_records(rows), list(scan_records((printed,))))
    same = sum(twin.same for twin in found)
    click.echo(f"twins: {len(found):,}")
    share = f" ({same / len(found):.1%})" if found else ""
    click.echo(f"same state: {same:,}{share}")
    differences = Counter(difference for twin in found if (difference := twin.difference()))
    for difference, number in differences.most_common():
        click.echo(f"differ in {difference}: {number:,}")
    for twin in [twin for twin in found if not twin.same][:show]:
        nearest = twin.found[0]
        click.echo(f"\n{twin.printed.tactic}\n--- printed\n{twin.printed.state}")
        click.echo(f"--- {nearest.file or nearest.src}: {nearest.decl}\n{nearest.state}")


@click.command("print")
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--elementary",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Elementary theorems to make besides, proofs included.",
)
@click.option("--seed", default=0, show_default=True, help="Of the elementary theorems.")
@click.option("--source-name", default="printed", show_default=True, help="Kept as `src`.")
@click.option("--batch", type=click.IntRange(1), default=100, show_default=True)
@add_lean_options
@add_common_options
def print_(
    files: tuple[Path, ...],
    elementary: int,
    seed: int,
    source_name: str,
    command: str | None,
    project: Path | None,
    header: Path | None,
    batch: int,
    timeout: float,
    output: Path,
    sheet: Path | None,
    licence: str,
) -> None:
    """Run the Lean FILES, and write each step of their proofs with the goal that Lean prints.

    The rows have the kind `printed`. A theorem that Lean refuses gives none. This runs the files:
    only print what you trust.
    """
    from llmstep_workshop.data.cleaning import Cleaner
    from llmstep_workshop.data.lean_check import find_lean
    from llmstep_workshop.data.records import Record, RecordWriter
    from llmstep_workshop.data.rows import empty_data
    from llmstep_workshop.data.sheet import Profile
    from llmstep_workshop.data.state_printing import print_states, write_elementary
    from llmstep_workshop.lean_runner import LeanRunner

    if not files and not elementary:
        raise click.UsageError("give Lean files, or --elementary with a number")
    runner = LeanRunner(find_lean(command, project), project)
    front = header.read_text(encoding="utf-8") if header else ""
    texts = [(path.name, path.read_text(encoding="utf-8")) for path in files]
    theorems = write_elementary(elementary, seed) if elementary else []
    for start in range(0, len(theorems), batch):
        part = theorems[start : start + batch]
        texts.append((f"elementary:{seed}:{start // batch}", "\n".join(part)))
    rows: list[Record] = []
    given: dict[str, str] = {}
    for name, text in texts:
        found = print_states(text, name, source_name, runner, timeout, front)
        given[name] = f"{len(found):,} of {len({row.decl for row in found}):,} theorems"
        rows += found
    cleaner, profile = Cleaner(), Profile()
    with RecordWriter(output) as writer:
        for record in cleaner.clean(rows):
            profile.count(record)
            writer.write(record)
        if not writer.rows:
            raise empty_data(files[0] if files else output)
    write_sheet(
        output,
        sheet,
        files,
        licence,
        {output.name: profile},
        tables=[("Rows by file", ("file", "rows"), given)],
        notes=[f"The states were printed by Lean: `{' '.join(runner.command)}`."],
    )
