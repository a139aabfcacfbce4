"""Lean files read for what others can use of them, and kept in an SQLite file.

It is written by the indexer's process alone; a file whose path, size and time of change are the
same is not read again, also after a kill in the middle.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from llmstep.lean_text.declarations import PROVED, Declaration
from llmstep.lean_text.document import LeanDocument
from llmstep.lean_text.heads import split_groups
from llmstep.lean_text.imports import read_header
from llmstep.lean_text.proofs import follow_proof
from llmstep.lean_text.statements import Statement
from llmstep.sources.lean_files import LeanFile
from llmstep.sources.module_reach import marked_imports
from llmstep.sources.steps import ProofStep
from llmstep.user_files import make_private_folder, open_private

# Another number for another parser: what an older one kept is read again.
PARSER_VERSION = 3
_LONGEST_STATEMENT = 2_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, module TEXT, imports TEXT, content BLOB
) WITHOUT ROWID
"""


@attrs.frozen
class ParsedFile:
    """What a file imports (see `module_reach.Graph`), what others can name of it, and its steps."""

    imports: tuple[str, ...]
    statements: tuple[Statement, ...]
    steps: tuple[ProofStep, ...]


def parse_file(text: str, *, steps: bool) -> ParsedFile:
    """Read a file's text, and the steps of its proofs if they are of use."""
    statements: list[Statement] = []
    taken: list[ProofStep] = []
    for declaration in LeanDocument(text).declarations(last=True):
        statements += (s for s in declaration.statements() if _is_of_use(s))
        if steps and declaration.keyword in PROVED and declaration.proof:
            taken += _taken_steps(declaration)
    imports = marked_imports(read_header(text))
    return ParsedFile(imports, tuple(statements), tuple(taken))


def _is_of_use(statement: Statement) -> bool:
    if statement.private or not statement.conclusion:
        return False
    return len(statement.binders) + len(statement.conclusion) <= _LONGEST_STATEMENT


def _taken_steps(declaration: Declaration) -> Iterator[ProofStep]:
    """The steps of a proof whose goals the text tells."""
    statement = declaration.statement
    groups = split_groups(statement.binders)
    name = "" if statement.private else statement.name
    for goal, step in follow_proof(groups, declaration.target, declaration.proof):
        yield ProofStep(str(goal), step, name)


class ParsedFiles:
    """An opened store.

    Raises:
        sqlite3.Error: The file cannot be opened, made or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        make_private_folder(path.parent)
        open_private(path, "ab").close()
        try:
            self._open()
        except sqlite3.DatabaseError:
            # Damaged, or of another version: it holds nothing that cannot be read again.
            self._database.close()
            path.unlink(missing_ok=True)
            open_private(path, "ab").close()
            self._open()

    def _open(self) -> None:
        self._database = sqlite3.connect(self.path, timeout=10)
        self._database.execute("PRAGMA synchronous = OFF")  # lost pages are read again
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version != PARSER_VERSION:
            self._database.execute("DROP TABLE IF EXISTS files")
            self._database.execute(f"PRAGMA user_version = {PARSER_VERSION}")
        self._database.execute(_SCHEMA)
        self._database.execute("SELECT path, content FROM files LIMIT 1").fetchone()

    def stamps(self) -> Mapping[str, tuple[int, int]]:
        """Size and time of change of each file that is kept."""
        rows = self._database.execute("SELECT path, size, mtime_ns FROM files")
        return {path: (size, mtime_ns) for path, size, mtime_ns in rows}

    def keep(self, parsed: Iterable[tuple[LeanFile, ParsedFile]]) -> None:
        """Keep files, in place of what is kept of them."""
        rows = [
            (
                *(str(file.path), file.size, file.mtime_ns, file.module),
                " ".join(content.imports),
                _pack(content),
            )
            for file, content in parsed
        ]
        with self._database:
            self._database.executemany("REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", rows)

    def forget(self, paths: Iterable[str]) -> None:
        """Forget files that there are no more."""
        with self._database:
            self._database.executemany("DELETE FROM files WHERE path = ?", ((p,) for p in paths))

    def imports(self) -> dict[str, tuple[str, ...]]:
        """What each module imports; see `module_reach.Graph`."""
        rows = self._database.execute("SELECT module, imports FROM files ORDER BY path")
        return {module: tuple(imports.split()) for module, imports in rows if module}

    def statements(self) -> Iterator[Statement]:
        """All statements, file by file."""
        for module, content in self._contents():
            for values in content["statements"]:
                name, kind, binders, conclusion, line, private, protected = values
                yield Statement(name, kind, binders, conclusion, module, line, private, protected)

    def steps(self) -> Iterator[ProofStep]:
        """All steps, file by file."""
        for _, content in self._contents():
            for values in content["steps"]:
                yield ProofStep(*values)

    def _contents(self) -> Iterator[tuple[str, dict[str, list[Any]]]]:
        rows = self._database.execute("SELECT module, content FROM files ORDER BY path")
        for module, content in rows:
            if module:
                yield module, json.loads(zlib.decompress(content))

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()


def _pack(content: ParsedFile) -> bytes:
    statements = [
        [s.name, s.kind, s.binders, s.conclusion, s.line, s.private, s.protected]
        for s in content.statements
    ]
    steps = [[s.goal, s.tactic, s.declaration] for s in content.steps]
    text = json.dumps({"statements": statements, "steps": steps}, ensure_ascii=False)
    return zlib.compress(text.encode("utf-8", "replace"), 1)
