"""Read (tactic state, tactic) pairs from JSONL and draw the rows of one training pass.

A row is one JSON object per line with at least the strings ``state`` (one goal as Lean prints it)
and ``tactic``; ``file`` (for the per-file cap), ``kind``, ``context`` (the file's text before the
step), ``decl`` (the theorem's full name), ``lemmas`` (full names of the lemmas that the tactic
names) and ``premises`` (objects with ``name`` and ``conclusion``) are optional. Files ending in
``.gz`` are decompressed on the fly.
"""

from __future__ import annotations

import gzip
import json
import random
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import attrs

from llmstep.prompts.mention import Mention
from llmstep_workshop.errors import TrainingDataError


@attrs.frozen
class Row:
    """One supervised pair: one goal, and one tactic without blanks at either end.

    ``context`` is the text of the Lean file before the step, and ``decl`` the full name of the
    theorem, where they are known; ``lemmas`` are the lemmas that the tactic names, ``src`` is the
    corpus. ``premises`` are what a prompt shows that has a place for them.
    """

    state: str
    tactic: str
    file: str = ""
    kind: str = ""
    context: str = ""
    decl: str = ""
    lemmas: tuple[str, ...] = ()
    src: str = ""
    premises: tuple[Mention, ...] = ()

    @property
    def head(self) -> str:
        """The first word of the tactic, e.g. ``exact``."""
        words = self.tactic.split(None, 1)
        return words[0] if words else ""


@attrs.frozen
class Mix:
    """How often a row of a source is drawn in one pass.

    ``heads`` multiplies the weight by the tactic's first word, ``long_tactic`` applies to tactics
    of more than ``long_tactic_chars`` characters (they cost many tokens and are rarely reproduced
    by a small model), ``per_file`` bounds the rows of one source file so that no single file
    dominates, ``skip_kinds`` and ``skip_files`` (path prefixes) drop rows.
    """

    weight: float = 1.0
    per_file: int | None = None
    heads: Mapping[str, float] = attrs.field(factory=dict)
    long_tactic: float = 1.0
    long_tactic_chars: int = 80
    skip_kinds: tuple[str, ...] = ()
    skip_files: tuple[str, ...] = ()

    def expected_copies(self, row: Row) -> float:
        """How many copies of ``row`` one pass holds on average."""
        copies = self.weight * self.heads.get(row.head, 1.0)
        if len(row.tactic) > self.long_tactic_chars:
            copies *= self.long_tactic
        return copies


def open_text(path: Path) -> IO[str]:
    """Open a plain or gzip-compressed UTF-8 text file for reading."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig")
    return path.open(encoding="utf-8-sig")


def read_rows(path: Path, limit: int | None = None) -> list[Row]:
    """Read the rows of a JSONL file, or the first ``limit`` of them.

    Raises:
        TrainingDataError: A line is no JSON object, its ``state`` or ``tactic`` is missing, blank
            or no string (names line and field), or there is no row at all.
    """
    rows: list[Row] = []
    for where, record in scan_objects(path):
        rows.append(
            Row(
                state=require_text(record, "state", where),
                tactic=require_text(record, "tactic", where).strip(),
                file=str(record.get("file") or ""),
                kind=str(record.get("kind") or ""),
                context=str(record.get("context") or ""),
                decl=str(record.get("decl") or ""),
                lemmas=tuple(map(str, record.get("lemmas") or ())),
                src=str(record.get("src") or ""),
                premises=read_premises(record, where),
            )
        )
        if limit is not None and len(rows) >= limit:
            break
    if not rows:
        raise empty_data(path)
    return rows


def scan_objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the JSON objects of a JSONL file, one at a time, each with its ``path:line``.

    Blank lines are skipped.

    Raises:
        TrainingDataError: The file cannot be read, or a line is no JSON object.
    """
    number = 0
    try:
        with open_text(path) as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    where = f"{path}:{number}"
                    yield where, _parse_object(line, where)
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise TrainingDataError(
            f"{path}{f' behind line {number}' if number else ''}: cannot be read: {error}",
            hint="Check that the path is right and that the file is UTF-8 JSONL, plain or gzip.",
        ) from error


def require_text(record: Mapping[str, Any], field: str, where: str) -> str:
    """The string at ``field``; ``where`` names the object in the error.

    Raises:
        TrainingDataError: It is missing, blank or no string.
    """
    value = record.get(field)
    if isinstance(value, str) and value.strip():
        return value
    found = "missing" if field not in record else f"{value!r:.40}"
    raise TrainingDataError(
        f"{where}: field {field!r}: expected a non-blank string, found {found}",
        hint="Each row needs the strings 'state' and 'tactic'.",
    )


def read_premises(record: Mapping[str, Any], where: str) -> tuple[Mention, ...]:
    """The premises of a row; ``where`` names it in the error.

    Raises:
        TrainingDataError: They are no list of objects with a ``name``.
    """
    given = record.get("premises") or []
    if not isinstance(given, list) or not all(
        isinstance(entry, dict) and isinstance(entry.get("name"), str) for entry in given
    ):
        raise TrainingDataError(
            f"{where}: field 'premises': expected a list of objects with a `name`",
            hint='Write each as {"name": "Nat.add_comm", "conclusion": "n + m = m + n"}.',
        )
    return tuple(Mention(e["name"], str(e.get("conclusion") or "")) for e in given)


def empty_data(path: Path) -> TrainingDataError:
    """The error for a file without rows."""
    return TrainingDataError(
        f"{path}: holds no rows",
        hint='Each line must be an object such as {"state": "⊢ True", "tactic": "trivial"}.',
    )


def _parse_object(line: str, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except RecursionError:
        raise TrainingDataError(
            f"{where}: JSON that is nested too deeply", hint="Write one flat object per line."
        ) from None
    except ValueError as error:
        raise TrainingDataError(
            f"{where}: not JSON: {error}", hint="Write one JSON object per line."
        ) from error
    if not isinstance(record, dict):
        raise TrainingDataError(
            f"{where}: a {type(record).__name__}, not a JSON object",
            hint="Write one JSON object per line.",
        )
    return record


def module_of(file: str) -> str:
    """The module of a source file, such as ``Mathlib.Order.Basic``; empty if it is not known."""
    parts = file.removesuffix(".lean").split("/") if file.endswith(".lean") else []
    while parts and not parts[0][:1].isupper():
        parts.pop(0)  # the folder of a repository, not part of its modules' names
    return ".".join(parts)


def draw_pass(rows: Sequence[Row], mix: Mix, rng: random.Random) -> Iterator[Row]:
    """Yield the rows of one pass: at most ``per_file`` of each file, as often as the mix says.

    A weight of 0.4 keeps a row with probability 0.4; 2.5 gives two copies, and half of the time a
    third. The order is that of ``rows``; shuffling is the caller's.
    """
    kept = (
        row
        for row in rows
        if row.kind not in mix.skip_kinds and not row.file.startswith(mix.skip_files)
    )
    for row in _cap_files(kept, mix.per_file, rng):
        copies = mix.expected_copies(row)
        whole = int(copies)
        for _ in range(whole + (rng.random() < copies - whole)):
            yield row


def _cap_files(rows: Iterator[Row], cap: int | None, rng: random.Random) -> Iterator[Row]:
    if cap is None:
        yield from rows
        return
    by_file: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_file[row.file].append(row)
    for members in by_file.values():
        yield from members if len(members) <= cap else rng.sample(members, cap)
