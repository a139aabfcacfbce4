"""Training, validation and test rows that share no file, theorem or state."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Literal

import attrs

from llmstep_workshop.data.cleaning import fingerprint
from llmstep_workshop.data.records import Record
from llmstep_workshop.data.rows import module_of
from llmstep_workshop.errors import TrainingDataError

GroupKind = Literal["file", "theorem", "state"]
Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")


@attrs.frozen
class GroupSplitter:
    """Puts whole groups of rows into one of three splits, by a hash of the group's name.

    The place of a group does not depend on the other rows, so that more data moves no row from one
    split to another.

    Attributes:
        by: What a group is: a file, a theorem of a file, or a state.
        valid: Share of the groups that are for validation, 0 to 1.
        test: Share of the groups that are for testing, 0 to 1.
        seed: Another seed gives another split.
    """

    by: GroupKind
    valid: float
    test: float
    seed: int = 0

    def group(self, record: Record) -> str:
        """The name of a row's group.

        Raises:
            TrainingDataError: The row does not say which file or theorem it is from.
        """
        if self.by == "state":
            return fingerprint(record.state).hex()
        if self.by == "theorem":
            if not record.decl:
                raise _unknown(record, "decl")
            return f"{record.file}\0{record.decl}"
        if not record.file:
            raise _unknown(record, "file")
        return record.file

    def place(self, record: Record) -> Split:
        """The split a row belongs to."""
        share = hash_share(f"{self.seed}\0{self.group(record)}")
        if share < self.test:
            return "test"
        return "valid" if share < self.test + self.valid else "train"


class HeldOut:
    """Tells the rows of the files, and with the states, that an evaluation set was made from.

    Files are compared by module, so that it does not matter which folder a checkout was in.

    Args:
        records: The evaluation set.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self._modules: set[str] = set()
        self._states: set[bytes] = set()
        for record in records:
            self._modules.add(module_of(record.file))
            self._states.add(fingerprint(record.state))
        self._modules.discard("")

    def explain(self, record: Record) -> str:
        """Why a row is held out: ``file``, ``state``, or empty where it is not."""
        if module_of(record.file) in self._modules:
            return "file"
        return "state" if fingerprint(record.state) in self._states else ""


def hash_share(text: str) -> float:
    """A number from 0 to 1 (excluded) that depends on the text alone, evenly spread."""
    digest = hashlib.sha256(text.encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:7], "big") / (1 << 56)


def _unknown(record: Record, field: str) -> TrainingDataError:
    return TrainingDataError(
        f"{record.where}: field {field!r}: missing, and the split goes by it",
        hint="Split by what every row has: --by file, --by theorem or --by state.",
    )
