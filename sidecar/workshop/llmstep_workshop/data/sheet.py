"""The data sheet: where rows come from, what was done to them, and what they look like."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from llmstep import __version__
from llmstep_workshop.data.records import Record

_QUANTILES = (50, 90, 99)
_HEADS = 25


@attrs.define
class Profile:
    """What a set of rows looks like, counted while the rows pass."""

    rows: int = 0
    heads: Counter[str] = attrs.field(factory=Counter)
    origins: dict[str, Counter[str]] = attrs.field(
        factory=lambda: {"kind": Counter(), "src": Counter(), "env": Counter()}
    )
    files: set[str] = attrs.field(factory=set)
    theorems: set[tuple[str, str]] = attrs.field(factory=set)
    state_lengths: Counter[int] = attrs.field(factory=Counter)
    tactic_lengths: Counter[int] = attrs.field(factory=Counter)

    def count(self, record: Record) -> None:
        """Take a row into account."""
        self.rows += 1
        self.heads[record.head] += 1
        for name, counter in self.origins.items():
            counter[getattr(record, name) or "not given"] += 1
        if record.file:
            self.files.add(record.file)
        if record.decl:
            self.theorems.add((record.file, record.decl))
        self.state_lengths[len(record.state)] += 1
        self.tactic_lengths[len(record.tactic)] += 1


# A heading, the names of two columns, and the rows.
Table = tuple[str, tuple[str, str], Mapping[str, object]]


@attrs.frozen
class Sheet:
    """A data sheet.

    Attributes:
        title: What the data is.
        command: The command that made it.
        sources: The files read.
        licence: The licence, in the user's words.
        profiles: What was written, by file name.
        tables: Further tables.
        notes: Sentences on how it was made.
    """

    title: str
    command: str
    sources: Sequence[Path]
    licence: str
    profiles: Mapping[str, Profile]
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()

    def render(self) -> str:
        """The sheet in Markdown."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield f"# {self.title}"
        yield ""
        yield f"Made by llmstep {__version__}: `{self.command}`"
        yield ""
        yield f"Licence: {self.licence or 'not given; ask the owner of each source'}"
        for note in self.notes:
            yield ""
            yield note
        if self.sources:
            yield from _table(
                "Sources",
                ("file", "bytes, SHA-256"),
                {path.name: f"{path.stat().st_size:,}, {_hash(path)}" for path in self.sources},
            )
        for heading, columns, rows in self.tables:
            yield from _table(heading, columns, rows)
        for name, profile in self.profiles.items():
            yield from _profile(name, profile)


def _profile(name: str, profile: Profile) -> Iterator[str]:
    facts: dict[str, object] = {
        "rows": profile.rows,
        "files": len(profile.files),
        "theorems": len(profile.theorems),
    }
    for what, lengths in (("state", profile.state_lengths), ("tactic", profile.tactic_lengths)):
        values = " / ".join(str(find_quantile(lengths, share)) for share in _QUANTILES)
        facts[f"{what} characters, p50 / p90 / p99"] = values
    for origin, counter in profile.origins.items():
        if set(counter) - {"not given"}:
            facts[origin] = ", ".join(f"{key} {n:,}" for key, n in counter.most_common(12))
    yield from _table(name, ("", ""), facts)
    yield from _table(
        f"First words of {name}", ("word", "rows"), dict(profile.heads.most_common(_HEADS))
    )


def _table(heading: str, columns: tuple[str, str], rows: Mapping[str, object]) -> Iterator[str]:
    yield ""
    yield f"## {heading}"
    yield ""
    yield f"| {columns[0]} | {columns[1]} |"
    yield "|---|---|"
    for key, value in rows.items():
        shown = f"{value:,}" if isinstance(value, int) else str(value)
        yield f"| {_cell(key)} | {_cell(shown)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def find_quantile(lengths: Counter[int], percent: int) -> int:
    """The smallest length that at least so many percent of the rows do not exceed; 0 for none."""
    left = sum(lengths.values()) * percent / 100
    for length in sorted(lengths):
        left -= lengths[length]
        if left <= 0:
            return length
    return 0


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
