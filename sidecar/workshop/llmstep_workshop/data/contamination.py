"""Finding rows that give away what a model is to be tested on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import attrs

from llmstep_workshop.data.normal_forms import read_goal, scan_statements
from llmstep_workshop.data.records import Record, find_data_files
from llmstep_workshop.data.rows import empty_data, scan_objects
from llmstep_workshop.errors import TrainingDataError

_GOAL_FIELDS = ("state", "goal", "state_before", "tactic_state")
_SOURCE_FIELDS = ("formal_statement", "theorem_statement", "statement", "lean4_code")
_NAME_FIELDS = ("decl", "full_name", "name", "theorem_name")


@attrs.define
class Benchmark:
    """The statements of evaluation sets, by normal form and by name.

    Attributes:
        statements: A digest of each normal form, and the name it is reported by.
        names: Names of theorems.
        unread: Objects in which no statement was found, as ``path:line``.
    """

    statements: dict[bytes, str] = attrs.field(factory=dict)
    names: set[str] = attrs.field(factory=set)
    unread: list[str] = attrs.field(factory=list)

    def find(self, record: Record, *, by_name: bool = True) -> str:
        """The name of the statement that a row's goal or theorem is; empty for none."""
        if by_name and record.decl in self.names:
            return record.decl
        return self.statements.get(_digest(read_goal(record.state).normal_form()), "")

    def add_goal(self, state: str, name: str) -> None:
        """Take in a goal as Lean prints it."""
        self.statements.setdefault(_digest(read_goal(state).normal_form()), name)

    def add_source(self, source: str, name: str = "") -> int:
        """Take in the theorems of a Lean text; returns how many there are."""
        count = 0
        for statement in scan_statements(source):
            shown = name or statement.name or "example"
            self.statements.setdefault(_digest(statement.normal_form()), shown)
            if statement.name:
                self.names.add(statement.name)
            count += 1
        return count


def read_benchmark(sources: Iterable[Path]) -> Benchmark:
    """Read evaluation sets.

    A source is a ``.lean`` file, a JSONL file whose objects have a goal (``state``, ``goal``) or a
    statement (``formal_statement``, ``statement``), or a folder of either.

    Raises:
        TrainingDataError: A source cannot be read, or no statement is found in it.
    """
    benchmark = Benchmark()
    for source in sources:
        found = 0
        for file in _find_files(source):
            if file.suffix == ".lean":
                found += benchmark.add_source(_read_text(file))
            else:
                found += _add_objects(benchmark, file)
        if not found:
            raise TrainingDataError(
                f"{source}: no statement found",
                hint="Give .lean files, or JSONL with a goal or a formal statement per line.",
            )
    return benchmark


@attrs.define
class Hits:
    """What was found in a set of rows.

    Attributes:
        rows: Where each such row stands, and the name of the statement it is.
        theorems: File and name of each theorem that such a row belongs to, and the statement.
    """

    rows: dict[str, str] = attrs.field(factory=dict)
    theorems: dict[tuple[str, str], str] = attrs.field(factory=dict)

    def explain(self, record: Record) -> str:
        """The statement that a row, or another row of its theorem, is; empty for none."""
        found = self.rows.get(record.where, "")
        return found or self.theorems.get((record.file, record.decl), "")


def find_contaminated(
    records: Iterable[Record], benchmark: Benchmark, *, by_name: bool = True
) -> Hits:
    """Look for rows whose goal is a statement of the benchmark.

    Args:
        records: The rows.
        benchmark: What must not occur.
        by_name: Also take rows whose theorem has the name of one in the benchmark.
    """
    hits = Hits()
    for record in records:
        name = benchmark.find(record, by_name=by_name)
        if name:
            hits.rows[record.where] = name
            if record.decl:
                hits.theorems.setdefault((record.file, record.decl), name)
    return hits


def _find_files(source: Path) -> list[Path]:
    if not source.is_dir():
        return [source]
    lean = sorted(source.rglob("*.lean"))
    return lean or find_data_files([source])


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingDataError(
            f"{path}: cannot be read: {error}", hint="Give UTF-8 Lean files."
        ) from error


def _add_objects(benchmark: Benchmark, path: Path) -> int:
    found = 0
    rows = 0
    for where, entry in scan_objects(path):
        rows += 1
        name = _first(entry, _NAME_FIELDS)
        goal, source = _first(entry, _GOAL_FIELDS), _first(entry, _SOURCE_FIELDS)
        # A row of steps says with `decl` which theorem it is from, and its goal may be a later one.
        if name and (not goal or name == entry.get("decl")):
            benchmark.names.add(name)
        if goal and "⊢" in goal:
            benchmark.add_goal(goal, name or where)
            found += 1
        if source and (count := benchmark.add_source(source, name)):
            found += count
        elif not (goal and "⊢" in goal):
            benchmark.unread.append(where)
    if not rows:
        raise empty_data(path)
    return found


def _first(entry: dict[str, object], fields: Iterable[str]) -> str:
    values = (entry.get(field) for field in fields)
    return next((value for value in values if isinstance(value, str) and value.strip()), "")


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()
