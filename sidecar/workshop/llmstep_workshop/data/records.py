"""One proof step with what is known of its origin, and files of them.

The file format is JSONL, plain or gzip: ``state`` and ``tactic``, and, where known, ``kind``,
``decl`` (the theorem), ``file``, ``src`` (the corpus), ``env`` (``core`` or ``mathlib``: what must
be imported), ``context`` (the file's text before the step) and ``premises`` (what a prompt shows:
objects with ``name`` and ``conclusion``). Other keys are not kept.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import attrs

from llmstep.prompts.mention import Mention
from llmstep.replacement import replacing
from llmstep_workshop.data.rows import empty_data, read_premises, require_text, scan_objects
from llmstep_workshop.errors import DataOutputError, TrainingDataError

_ORIGIN = ("kind", "decl", "file", "src", "env", "context")
# JSON can spell them, UTF-8 cannot.
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


@attrs.frozen
class Record:
    """One (state, tactic) pair.

    Attributes:
        state: One goal as Lean prints it.
        tactic: One step, without blanks at either end.
        kind: What kind of row it is, e.g. ``synthetic``.
        decl: Full name of the theorem it was taken from.
        file: File it was taken from.
        src: Corpus it was taken from.
        env: ``core``, ``mathlib`` or empty: what a Lean file must import for it.
        context: The text of the file before the step.
        premises: Premises that the prompt shows, the likeliest first.
        where: Where it was read (``path:line``), for messages; not written.
    """

    state: str
    tactic: str
    kind: str = ""
    decl: str = ""
    file: str = ""
    src: str = ""
    env: str = ""
    context: str = ""
    premises: tuple[Mention, ...] = ()
    where: str = attrs.field(default="", eq=False)

    def __attrs_post_init__(self) -> None:
        for field in ("state", "tactic", *_ORIGIN):
            if _HALF_CHARACTER.search(getattr(self, field)):
                raise TrainingDataError(
                    f"{self.where}: field {field!r}: holds half a character (a lone surrogate)"
                )

    @property
    def head(self) -> str:
        """The first word of the tactic."""
        return self.tactic.split(None, 1)[0] if self.tactic.strip() else ""

    def as_json(self) -> str:
        """The row as one line of JSON, without empty fields."""
        fields = attrs.asdict(
            self, filter=lambda field, value: field.name not in ("where", "full") and bool(value)
        )
        return json.dumps(fields, ensure_ascii=False)


def parse_record(found: dict[str, Any], where: str) -> Record:
    """Build a record from a JSON object; ``where`` names the object in errors.

    Raises:
        TrainingDataError: ``state`` or ``tactic`` is missing, blank or no string.
    """
    origin = {name: str(found.get(name) or "") for name in _ORIGIN}
    return Record(
        state=require_text(found, "state", where).strip("\n"),
        tactic=require_text(found, "tactic", where).strip(),
        where=where,
        premises=read_premises(found, where),
        **origin,
    )


def scan_records(paths: Iterable[Path]) -> Iterator[Record]:
    """Yield the rows of several files, one at a time.

    Raises:
        TrainingDataError: A file cannot be read or holds no rows, or a line is no row.
    """
    for path in paths:
        number = 0
        for where, found in scan_objects(path):
            number += 1
            yield parse_record(found, where)
        if not number:
            raise empty_data(path)


class RecordWriter:
    """Writes rows beside a file and puts them in its place when all are written.

    A context manager; if its block fails, what stood there before stays. Names that end in
    ``.gz`` are compressed, without a time stamp, so that equal rows make equal files.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        self._partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        self._files: list[IO[bytes] | gzip.GzipFile] = []
        self._text: io.TextIOWrapper | None = None

    def __enter__(self) -> Self:
        with self._disk_errors():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            raw = self._partial.open("wb")
        self._files = [raw]
        if self.path.suffix == ".gz":
            self._files.append(gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0))
        self._text = io.TextIOWrapper(self._files[-1], encoding="utf-8", newline="\n")
        return self

    def write(self, record: Record) -> None:
        """Append a row."""
        with self._disk_errors():
            assert self._text is not None
            self._text.write(record.as_json() + "\n")
        self.rows += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._discard()
            return
        with self._disk_errors():
            assert self._text is not None
            self._text.detach()
            for file in reversed(self._files[1:]):
                file.close()
            raw = self._files[0]
            raw.flush()
            os.fsync(raw.fileno())
            raw.close()
            os.replace(self._partial, self.path)

    def _discard(self) -> None:
        for file in (self._text, *reversed(self._files)):
            with contextlib.suppress(OSError, ValueError):
                if file is not None:
                    file.close()
        with contextlib.suppress(OSError):
            self._partial.unlink()

    @contextlib.contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._discard()
            raise DataOutputError(f"{self.path}: could not be written: {error}") from error


def write_text(path: Path, text: str) -> None:
    """Write a small text file beside the old one, then replace that in a single step.

    Raises:
        DataOutputError: It cannot be written; the old one is whole.
    """
    try:
        with replacing(path) as partial:
            partial.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise DataOutputError(f"{path}: could not be written: {error}") from error


def find_data_files(sources: Sequence[Path]) -> list[Path]:
    """The files of the sources: a folder stands for the JSONL files in it, in order of name.

    Raises:
        TrainingDataError: A folder holds none.
    """
    files: list[Path] = []
    for source in sources:
        if not source.is_dir():
            files.append(source)
            continue
        found = sorted(p for p in source.rglob("*") if p.name.endswith((".jsonl", ".jsonl.gz")))
        if not found:
            raise empty_data(source)
        files += found
    return files
