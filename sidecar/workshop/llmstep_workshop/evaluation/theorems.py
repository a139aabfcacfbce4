"""Theorems to prove, from Lean files and from JSON lines such as miniF2F's.

A theorem is kept as the text before it and its statement, up to its ``:=``. Its proof, if it has
one, and what follows it in the file are left out, so that a proof of its own or a later lemma
cannot help. Lean's grammar is extensible: statements are found lexically, at the start of a line.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs

from llmstep.lean_text.commands import split_commands
from llmstep.lean_text.heads import read_head
from llmstep.lean_text.imports import read_header
from llmstep_workshop.errors import TheoremFileError

_KEYWORDS = ("theorem", "lemma", "example")
# Names of the fields in the collections at hand, the commonest first.
_NAME_FIELDS = ("name", "problem_id", "full_name", "theorem_name", "id")
_HEADER_FIELDS = ("header", "preamble")
_STATEMENT_FIELDS = ("formal_statement", "statement")
# The natural number game's command. A theorem of the same length takes its place, so that the
# proof does not depend on the game's machinery, and offsets stay the same.
_GAME_STATEMENT = re.compile(r"^Statement\b", re.MULTILINE)
_GAME_THEOREM = "theorem".ljust(len("Statement"))
_PROTECTED = re.compile(r"\bprotected\s+")


@attrs.frozen
class Theorem:
    """A statement without its proof.

    Attributes:
        name: What it is called in results: by its record, else by its source.
        declared: The name in the source, or one made from the line for an ``example``.
        file: The file it comes from.
        line: Line of its first word in the file, from 1 on; the line of the record in JSON lines.
        before: All text before the statement: imports, ``open``, earlier declarations.
        statement: From its keyword (with the attributes in front) up to its ``:=``, without it.
    """

    name: str
    declared: str
    file: str
    line: int
    before: str
    statement: str

    @property
    def digest(self) -> str:
        """A checksum of what is to be proved, in its surroundings."""
        return hashlib.sha256(f"{self.before}\0{self.statement}".encode()).hexdigest()[:16]

    @property
    def key(self) -> str:
        """What the theorem is known by: file, name and checksum."""
        return f"{self.file}:{self.name}:{self.digest}"


def collect_theorems(places: Sequence[Path], split: str | None = None) -> list[Theorem]:
    """Read the theorems of files, and of all ``.lean`` files below folders, in order of name.

    Raises:
        TheoremFileError: As `read_theorems` says; a file below a folder may be without theorems.
    """
    found: list[Theorem] = []
    for place in places:
        if place.is_dir():
            for path in sorted(place.rglob("*.lean")):
                found += find_theorems(_read(path), _shown(path))
        else:
            found += read_theorems(place, split)
    if not found:
        raise TheoremFileError(f"{', '.join(map(str, places))}: no theorem below")
    return found


def read_theorems(path: Path, split: str | None = None) -> list[Theorem]:
    """Read the theorems of a ``.lean`` file, or of JSON lines.

    Args:
        path: The file.
        split: Of JSON lines, take those whose ``split`` is this.

    Raises:
        TheoremFileError: The file cannot be read, a line is malformed (names line and field), or
            there is no theorem in it.
    """
    text = _read(path)
    if path.suffix == ".lean":
        found = list(find_theorems(text, _shown(path)))
    else:
        found = list(_read_records(text, path, split))
    if not found:
        wanted = f" of the split {split!r}" if split else ""
        raise TheoremFileError(f"{path}: holds no theorem{wanted}")
    return found


def find_theorems(text: str, file: str) -> Iterator[Theorem]:
    """The theorems, lemmas and examples of a Lean file, in order.

    One without ``:=`` (a proof by pattern matching) has no place where a tactic could stand: it is
    left out.
    """
    text = _GAME_STATEMENT.sub(_GAME_THEOREM, text)
    for command in split_commands(text):
        if command.keyword not in _KEYWORDS:
            continue
        head = read_head(text, command)
        if head is None or head.opener != ":=":
            continue
        line = text.count("\n", 0, command.at) + 1
        # A protected name would have to be asked for in full, and an example has none.
        lead = _PROTECTED.sub("", text[command.start : command.at])
        name, keyword = head.name, ""
        rest = text[command.at : head.body]
        if not name:
            name = f"example_at_line_{line}"
            keyword, rest = f"theorem {name}", rest[len(command.keyword) :]
        statement = f"{lead}{keyword}{rest}".rstrip()
        yield Theorem(name, name, file, line, text[: command.start], statement)


def add_import(text: str, module: str) -> str:
    """The file with one more import, behind those it has."""
    end = read_header(text).end
    return f"{text[:end]}\nimport {module}{text[end:]}" if end else f"import {module}\n{text}"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise TheoremFileError(f"{path}: cannot be read: {error}") from error


def _shown(path: Path) -> str:
    """Folder and name: many a collection has a file of the same name in each folder."""
    return f"{path.resolve().parent.name}/{path.name}"


def _read_records(text: str, path: Path, split: str | None) -> Iterator[Theorem]:
    # Not splitlines: JSON may hold the line ends of other standards as they are.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise TheoremFileError(f"{where}: not JSON: {error}") from error
        if not isinstance(record, dict):
            raise TheoremFileError(f"{where}: a {type(record).__name__}, not a JSON object")
        if split is None or record.get("split") == split:
            yield _read_record(record, path, number, where)


def _read_record(record: dict[str, Any], path: Path, number: int, where: str) -> Theorem:
    statement = _text(record, _STATEMENT_FIELDS, where)
    if statement is None:
        raise TheoremFileError(f"{where}: field {_STATEMENT_FIELDS[0]!r}: missing")
    header = _text(record, _HEADER_FIELDS, where) or ""
    source = f"{header.rstrip()}\n\n{statement.strip()}\n".replace("\r\n", "\n")
    # A statement may stand there with its `:=`, with a proof or `sorry`, or bare.
    found = list(find_theorems(source, _shown(path))) or list(
        find_theorems(f"{source.rstrip()} := by\n", _shown(path))
    )
    if not found:
        raise TheoremFileError(
            f"{where}: field {_STATEMENT_FIELDS[0]!r}: there is no theorem in {statement[:60]!r}"
        )
    # Definitions and lemmas may come first; the last one is the problem.
    theorem = found[-1]
    name = _text(record, _NAME_FIELDS, where) or theorem.name
    return attrs.evolve(theorem, name=name, line=number)


def _text(record: dict[str, Any], fields: tuple[str, ...], where: str) -> str | None:
    for field in fields:
        value = record.get(field)
        if value is None:
            continue
        if not isinstance(value, str) or not value.strip():
            raise TheoremFileError(
                f"{where}: field {field!r}: expected a non-blank string, found {value!r:.40}"
            )
        return value
    return None
