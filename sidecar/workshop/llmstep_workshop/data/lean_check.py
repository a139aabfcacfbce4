"""Running rows in Lean: is the goal what Lean understands, and does the tactic run on it?

Each row becomes an ``example`` whose proof is the tactic and ``all_goals sorry``, so that a step
that leaves goals counts as good and one that fails does not. Many examples stand in one file;
Lean's errors (``lean --json``) are told apart by their lines.

Running a tactic runs whatever program it contains: only check rows that you trust.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import attrs

from llmstep.prompts.goal import parse_goal
from llmstep_workshop.data.records import Record
from llmstep_workshop.errors import LeanCheckError, LeanRunError
from llmstep_workshop.lean_runner import LeanRunner

Verdict = Literal["good", "fails", "unreadable", "crashes"]

_OPTIONS = (
    "set_option autoImplicit false",
    "set_option relaxedAutoImplicit false",
    "set_option linter.all false",
)
# Without Mathlib nothing says ℕ; the goals are the same.
_CORE_NOTATION = ('local notation "ℕ" => Nat', 'local notation "ℤ" => Int')
# Stands first and last in each file: if Lean does not refuse both, it has not read the whole file.
_CANARY = ("example : False := by", "  exact True.intro")
_UNIVERSE = re.compile(r"\b(?:Type|Sort) ([a-z]\w*)|\b(u_\d+)\b")


@attrs.frozen
class Finding:
    """What Lean says of a row, with its first error."""

    verdict: Verdict
    message: str = ""


@attrs.frozen
class Lean:
    """A way to run Lean.

    Attributes:
        command: The command before its arguments, e.g. ``lake env lean``.
        folder: Where it runs: a Lean project, or ``None`` for here.
        imports: Modules to import.
        header: Lean text that stands before the examples.
        seconds: Longest time for one file.
    """

    command: tuple[str, ...]
    folder: Path | None = None
    imports: tuple[str, ...] = ()
    header: str = ""
    seconds: float = 600.0

    def check(
        self,
        records: Sequence[Record],
        batch: int = 250,
        on_rows: Callable[[int], object] = lambda rows: None,
    ) -> list[Finding]:
        """Run rows, so many to a file, and say of each what Lean says.

        A file that Lean does not get through is halved until the row that is to blame is alone.

        Args:
            records: The rows.
            batch: Most rows of one file.
            on_rows: Called after each file with the number of its rows.

        Raises:
            LeanCheckError: Lean cannot be started, refuses the header, or does not report errors
                as JSON.
        """
        self._try()
        findings: list[Finding] = []
        for start in range(0, len(records), batch):
            part = records[start : start + batch]
            findings += self._check_part(part)
            on_rows(len(part))
        return findings

    def _try(self) -> None:
        sheet = _Sheet((), self)
        errors = self._run(sheet)
        if isinstance(errors, str):
            raise LeanCheckError(f"`{shlex.join(self.command)}` {errors}")
        early = [error for error in errors if error[0] < sheet.first_canary]
        if early:
            raise LeanCheckError(
                f"Lean refuses what stands before the rows: {early[0][1]}",
                hint="Correct --import or --header, or run it in a --project that has the module.",
            )
        if not sheet.is_whole(errors):
            raise LeanCheckError(
                f"`{shlex.join(self.command)}` did not report an error that it must report",
                hint="It must be Lean 4, which takes `--json`.",
            )

    def _check_part(self, records: Sequence[Record]) -> list[Finding]:
        readable = [record for record in records if render_example(record) is not None]
        sheet = _Sheet(readable, self)
        errors = self._run(sheet) if readable else []
        if isinstance(errors, str) or (readable and not sheet.is_whole(errors)):
            if len(records) > 1:
                middle = len(records) // 2
                return self._check_part(records[:middle]) + self._check_part(records[middle:])
            reason = errors if isinstance(errors, str) else "swallows what stands after it"
            return [Finding("crashes", reason)]
        found = iter(sheet.judge(errors))
        unreadable = Finding("unreadable", "has a hypothesis that no `example` can state")
        return [next(found) if render_example(record) else unreadable for record in records]

    def _run(self, sheet: _Sheet) -> list[tuple[int, str]] | str:
        """Lean's errors as (line, text), or why there are none."""
        try:
            run = LeanRunner(self.command, self.folder).run(sheet.text, "Rows", self.seconds)
        except LeanRunError as error:
            raise LeanCheckError(error.message) from error
        if run.timed_out:
            return f"took more than {self.seconds:g} s"
        errors = run.errors()
        if run.code not in (0, 1) or (run.code == 1 and not errors):
            told = run.output.splitlines() or [message.text for message in run.messages]
            return f"ended with {run.code}: {told[-1] if told else 'no message'}"
        return errors


def find_lean(command: str | None, project: Path | None) -> tuple[str, ...]:
    """The command that runs Lean.

    The user's own; ``lake env lean`` in a project; else ``lean`` from the PATH or ``~/.elan/bin``.

    Raises:
        LeanCheckError: There is none.
    """
    if command:
        parts = shlex.split(command, posix=os.name != "nt")
        if parts and shutil.which(parts[0]):
            return tuple(parts)
        raise LeanCheckError(f"`{command}` is no command that can be run")
    tool = "lean" if project is None else "lake"
    path = shutil.which(tool) or shutil.which(tool, path=str(Path.home() / ".elan" / "bin"))
    if path is None:
        raise LeanCheckError(f"`{tool}` is neither on the PATH nor in ~/.elan/bin")
    return (path,) if project is None else (path, "env", "lean")


class _Sheet:
    """A Lean file of examples that remembers where each stands."""

    def __init__(self, records: Sequence[Record], lean: Lean) -> None:
        states = " ".join(record.state for record in records)
        universes = sorted({a or b for a, b in _UNIVERSE.findall(states)})
        lines = [f"import {module}" for module in lean.imports]
        lines += _OPTIONS
        lines += () if lean.imports else _CORE_NOTATION
        lines += [f"universe {' '.join(universes)}"] if universes else []
        lines += lean.header.splitlines()
        self.first_canary = len(lines) + 1
        lines += _CANARY
        self._starts: list[int] = []
        self._tactics: list[int] = []
        for record in records:
            example = render_example(record)
            assert example is not None
            statement, proof = example
            self._starts.append(len(lines) + 1)
            lines += statement
            self._tactics.append(len(lines) + 1)
            lines += proof
        self.last_canary = len(lines) + 1
        lines += _CANARY
        self.text = "\n".join(lines) + "\n"

    def is_whole(self, errors: Sequence[tuple[int, str]]) -> bool:
        """Whether Lean refused both canaries, and so has read the file from end to end."""
        lines = {line for line, _ in errors}
        canaries = (self.first_canary, self.last_canary)
        return all({start, start + 1} & lines for start in canaries)

    def judge(self, errors: Sequence[tuple[int, str]]) -> list[Finding]:
        """The finding of each row."""
        findings = [Finding("good")] * len(self._starts)
        for line, text in sorted(errors, reverse=True):
            row = bisect_right(self._starts, line) - 1
            if row < 0 or line >= self.last_canary:
                continue
            verdict: Verdict = "fails" if line >= self._tactics[row] else "unreadable"
            findings[row] = Finding(verdict, text.strip().split("\n")[0][:200])
        return findings


def render_example(record: Record) -> tuple[list[str], list[str]] | None:
    """The lines of a row's ``example``: its statement, and its proof.

    ``None`` if it has a local definition, or an entry whose names cannot be told.
    """
    goal = parse_goal(record.state)
    lines = ["example"]
    for hypothesis in goal.hypotheses:
        if not hypothesis.names or re.search(r":=", hypothesis.type):
            return None
        type_ = _indent(hypothesis.type.strip())
        if hypothesis.names[0].startswith("inst"):
            lines += [f"    [{type_}]" for _ in hypothesis.names]
        else:
            # An inaccessible name cannot be written; a hole can stand for it.
            names = " ".join("_" if "✝" in name else name for name in hypothesis.names)
            lines.append(f"    ({names} : {type_})")
    target = re.sub(r"\A(?:⊢|\|-)\s*", "", goal.target)
    lines.append(f"    : {_indent(target)}")
    # Lean reports goals that are left over at `by`.
    tactic = [f"  {line}" for line in record.tactic.split("\n")]
    proof = ["    := by", *tactic, "  all_goals sorry"]
    return [line for entry in lines for line in entry.split("\n")], proof


def _indent(text: str) -> str:
    return text.replace("Type*", "Type _").replace("\n", "\n      ")
