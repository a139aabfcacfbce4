"""Public data sets as rows: LeanDojo Benchmark, ntp-toolkit, plain JSONL.

LeanDojo Benchmark 4 (``train.json``, ``val.json``, ``test.json``) is one JSON array of theorems:
``file_path``, ``full_name`` and ``traced_tactics``, each with ``tactic``, ``state_before`` and
``state_after`` (lean-dojo/LeanDojo, ``scripts/generate-benchmark-lean4.ipynb``).

ntp-toolkit (cmu-l3/ntp-toolkit) writes JSONL in two shapes: ``lake exe training_data`` gives
``state``, ``nextTactic``, ``declId``, ``declUpToTactic`` and more (``scripts/training_data.lean``);
``instruction_tuning.py`` gives ``prompt`` with the state in ``[STATE]...[/STATE]``, ``completion``
with the tactic before ``[/TAC]``, and ``metadata`` (the data sets l3lab/ntp-mathlib-instruct-*).
"""

from __future__ import annotations

import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import attrs

from llmstep.prompts.goal import split_goals
from llmstep_workshop.data.arrays import scan_array
from llmstep_workshop.data.records import Record, parse_record
from llmstep_workshop.data.rows import open_text, require_text, scan_objects
from llmstep_workshop.errors import TrainingDataError

Format = Literal["leandojo", "ntp", "jsonl"]
FORMATS: tuple[Format, ...] = ("leandojo", "ntp", "jsonl")

_STATE = re.compile(r"\[STATE\]\n(.*)\n\[/STATE\]\n\[TAC\]\s*\Z", re.DOTALL)
_CONTEXT = re.compile(r"\[CTX\]\n(.*)\n\[/CTX\]\n\[STATE\]", re.DOTALL)
# `{module}.{line}_{column}.{hash}`: makeElabDeclId of training_data.lean.
_DECLARATION_ID = re.compile(r"(.+)\.\d+_\d+\.\w+\Z")


@attrs.define
class Reader:
    """Reads one format.

    Attributes:
        format: The name of the format.
        context: Most characters of the file's text before the step to keep, where it is given.
        skipped: How many steps or theorems were left out, by reason; grows while rows are read.
        reduced: How many states had several goals, of which the first was kept.
    """

    format: Format
    context: int = 0
    skipped: Counter[str] = attrs.field(factory=Counter)
    reduced: int = 0

    def read(self, path: Path) -> Iterator[Record]:
        """Yield the rows of a file, one at a time.

        Raises:
            TrainingDataError: The file cannot be read, or something in it has another form;
                names the file, the line or the theorem, and the field.
        """
        if self.format == "leandojo":
            return self._read_leandojo(path)
        if self.format == "ntp":
            return self._read_ntp(path)
        return (parse_record(found, where) for where, found in scan_objects(path))

    def _read_leandojo(self, path: Path) -> Iterator[Record]:
        for index, theorem in scan_array(path):
            where = f"{path}: theorem {index}"
            if not isinstance(theorem, dict):
                raise _wrong(where, "", "an object", theorem)
            name = str(theorem.get("full_name") or "")
            where += f" ({name})" if name else ""
            tactics = theorem.get("traced_tactics")
            if not isinstance(tactics, list):
                raise _wrong(where, "traced_tactics", "a list", tactics)
            if not tactics:
                self.skipped["theorem without tactics"] += 1
            for number, step in enumerate(tactics):
                place = f"{where}: traced_tactics[{number}]"
                if not isinstance(step, dict):
                    raise _wrong(place, "", "an object", step)
                yield from self._step(
                    require_text(step, "state_before", place),
                    require_text(step, "tactic", place),
                    decl=name,
                    file=str(theorem.get("file_path") or ""),
                    where=place,
                )

    def _read_ntp(self, path: Path) -> Iterator[Record]:
        for where, found in scan_objects(path):
            if "nextTactic" in found:
                declaration = str(found.get("declId") or "")
                module = _DECLARATION_ID.match(declaration)
                yield from self._step(
                    require_text(found, "state", where),
                    require_text(found, "nextTactic", where),
                    decl=str(found.get("declName") or declaration),
                    file=module[1] if module else "",
                    context=str(found.get("srcUpToTactic") or ""),
                    where=where,
                )
            else:
                yield from self._instruction(found, where)

    def _instruction(self, found: dict[str, Any], where: str) -> Iterator[Record]:
        prompt = require_text(found, "prompt", where)
        completion = require_text(found, "completion", where)
        # The last one: a file's text that stands before it may hold the same marks.
        state = _STATE.search(prompt, max(prompt.rfind("[STATE]\n"), 0))
        tactic, mark, _ = completion.partition("\n[/TAC]")
        if state is None or not mark:
            self.skipped["not a state and a tactic"] += 1
            return
        context = _CONTEXT.search(prompt)
        metadata = found.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        yield from self._step(
            state[1],
            tactic,
            decl=str(metadata.get("declId") or ""),
            file=Path(str(metadata.get("file") or "")).name.removesuffix(".jsonl"),
            context=context[1] if context else "",
            where=where,
        )

    def _step(
        self, state: str, tactic: str, *, decl: str, file: str, where: str, context: str = ""
    ) -> Iterator[Record]:
        if "⊢" not in state:
            self.skipped["no goal before the tactic"] += 1
        elif not tactic.strip():
            self.skipped["empty tactic"] += 1
        else:
            goal = first_goal(state)
            self.reduced += state.count("⊢") > goal.count("⊢")
            kept = context[-self.context :] if self.context else ""
            yield Record(goal, tactic.strip(), decl=decl, file=file, context=kept, where=where)


def first_goal(state: str) -> str:
    """The first goal of a printed tactic state.

    Lean separates goals by a blank line; ntp-toolkit joins them with a single line break, so a
    line after the target that is not indented begins another goal.
    """
    lines = split_goals(state)[0].split("\n")
    target = next((i for i, line in enumerate(lines) if line.startswith("⊢")), len(lines))
    end = target + 1
    later = any(line.startswith("⊢") for line in lines[end:])
    while end < len(lines) and not (later and lines[end][:1].strip()):
        end += 1
    return "\n".join(lines[:end]).rstrip()


def detect_format(path: Path) -> Format:
    """Tell a file's format from its beginning.

    Raises:
        TrainingDataError: It cannot be read, or is none of the formats.
    """
    if _begins_array(path):
        return "leandojo"
    for where, found in scan_objects(path):
        if "nextTactic" in found or {"prompt", "completion"} <= found.keys():
            return "ntp"
        if {"state", "tactic"} <= found.keys():
            return "jsonl"
        keys = ", ".join(sorted(map(json.dumps, found))) or "none"
        raise TrainingDataError(
            f"{where}: of no known format (its keys: {keys})",
            hint="Expected LeanDojo's train.json, ntp-toolkit's JSONL, or {state, tactic} lines.",
        )
    raise TrainingDataError(f"{path}: is empty", hint="Give a file with proof steps.")


def _begins_array(path: Path) -> bool:
    try:
        with open_text(path) as stream:
            return stream.read(4096).lstrip().startswith("[")
    except (OSError, EOFError, UnicodeDecodeError, zlib.error):
        return False  # the reader of lines meets it again and says what is wrong


def _wrong(where: str, field: str, wanted: str, found: object) -> TrainingDataError:
    place = f"{where}: field {field!r}" if field else where
    return TrainingDataError(
        f"{place}: expected {wanted}, found {found!r:.40}",
        hint="Expected a JSON array of theorems as in LeanDojo Benchmark 4.",
    )
