"""A folder of Lean files as rows: every step whose goal the text tells."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import attrs

from llmstep.lean_text.imports import read_header
from llmstep.sources.lean_files import decode, find_lean_files, read_regular
from llmstep_workshop.data.lean_environment import Environment
from llmstep_workshop.data.reconstruction.lean_blocks import split_texts
from llmstep_workshop.data.reconstruction.proof_walk import walk_proof
from llmstep_workshop.data.reconstruction.theorem_goals import scan_goals
from llmstep_workshop.data.records import Record
from llmstep_workshop.errors import TrainingDataError

_LAKEFILES = ("lakefile.toml", "lakefile.lean")
_AUTO_IMPLICIT_OFF = re.compile(r"autoImplicit\s*(?:=|,)\s*false")


@attrs.frozen
class Options:
    """How a folder is read.

    Attributes:
        src: Name of the corpus, kept in each row.
        env: What the rows import; told from each file's imports if it is not given.
        auto_bound: Whether Lean binds letters by itself; by default what the lakefile next above a
            file says of `autoImplicit`, and yes where none says so.
    """

    src: str = ""
    env: Environment | None = None
    auto_bound: bool | None = None


@attrs.frozen
class FileRows:
    """What came of one file.

    Attributes:
        path: The file.
        rows: Its steps.
        theorems: How many theorems had a goal that the text tells.
        fault: Why it could not be read; empty if it could.
    """

    path: Path
    rows: tuple[Record, ...]
    theorems: int = 0
    fault: str = ""


def reconstruct_folder(
    folder: Path, options: Options, jobs: int, note: Callable[[str], object]
) -> Iterator[FileRows]:
    """The rows of a folder, file by file, in order of path.

    Args:
        folder: The folder.
        options: How it is read.
        jobs: How many processes read files.
        note: Told what is left out, in words.

    Raises:
        TrainingDataError: There is no Lean file in it.
    """
    files = [file.path for file in find_lean_files(folder, (folder,), note)]
    if not files:
        raise TrainingDataError(
            f"{folder}: has no Lean files", hint="Give a folder with `.lean` files in it."
        )
    read = partial(reconstruct_file, folder=folder, options=options)
    if jobs < 2:
        yield from map(read, files)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(read, files, chunksize=8)


def reconstruct_file(path: Path, folder: Path, options: Options) -> FileRows:
    """The rows of one file."""
    try:
        text = decode(read_regular(path))
    except OSError as error:
        return FileRows(path, (), fault=error.strerror or str(error))
    auto_bound = options.auto_bound
    if auto_bound is None:
        auto_bound = not _turns_auto_bound_off(path, folder)
    env = options.env or _find_environment(text)
    rows: list[Record] = []
    theorems = 0
    name = path.relative_to(folder).as_posix()
    for part in split_texts(text):
        for theorem in scan_goals(part, auto_bound=auto_bound, mathlib=env == "mathlib"):
            theorems += 1
            declaration = theorem.declaration.statement.name or theorem.declaration.keyword
            for step in walk_proof(theorem.goal, theorem.declaration.proof):
                rows.append(
                    Record(step.state, step.tactic, step.kind, declaration, name, options.src, env)
                )
    return FileRows(path, tuple(rows), theorems)


def _find_environment(text: str) -> Environment:
    modules = read_header(text).modules
    return "mathlib" if any(name.split(".")[0] == "Mathlib" for name in modules) else "core"


def _turns_auto_bound_off(path: Path, folder: Path) -> bool:
    """Whether the lakefile next above a file, inside the folder, turns `autoImplicit` off."""
    for above in path.parents:
        for name in _LAKEFILES:
            lakefile = above / name
            if lakefile.is_file():
                return _AUTO_IMPLICIT_OFF.search(decode(read_regular(lakefile))) is not None
        if above == folder:
            break
    return False
