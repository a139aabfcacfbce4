"""The names of a library, found by how they begin: in full, or their last component.

An index holds names in packed blocks, by the rows of its statements. Completion needs them in
order, so they are unpacked and sorted once, on a thread of their own; for Mathlib that takes some
seconds and 10 MB.
"""

from __future__ import annotations

import bisect
import itertools
import logging
import threading
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from llmstep.errors import LLMStepError
from llmstep.lean_text.late_pattern import late_pattern

if TYPE_CHECKING:
    from llmstep.sources.library_index import LibraryIndex

log = logging.getLogger(__name__)

# Above every byte of UTF-8.
_LAST = b"\xff"
_HEAD = late_pattern(r"[a-z_][\w'!?]*")
# What fewer steps begin with is a term, or a slip.
_FEWEST_USES = 3
_MOST_HEADS = 400


class NameTable:
    """The name of each row in order, and how many steps begin with each first word."""

    def __init__(self, names: Iterable[str], heads: Iterable[tuple[str, int]] = ()) -> None:
        listed = [name.encode() for name in names]
        self._rows = array("I", sorted(range(len(listed)), key=listed.__getitem__))
        self._by_ending = array(
            "I", sorted(range(len(listed)), key=lambda row: _ending(listed[row]))
        )
        self._blob = b"".join(listed)
        self._ends = array("I", itertools.accumulate(map(len, listed)))
        counted = [(head, count) for head, count in heads if count >= _FEWEST_USES]
        counted.sort(key=lambda item: (-item[1], item[0]))
        self.heads = dict(counted[:_MOST_HEADS])

    def __len__(self) -> int:
        return len(self._rows)

    def beginning_with(self, prefix: str) -> Sequence[int]:
        """The rows whose full names begin so."""
        return _between(self._rows, prefix.encode(), self._name)

    def ending_beginning_with(self, prefix: str) -> Sequence[int]:
        """The rows of whose names the last component begins so."""
        return _between(self._by_ending, prefix.encode(), lambda row: _ending(self._name(row)))

    def _name(self, row: int) -> bytes:
        return self._blob[self._ends[row - 1] if row else 0 : self._ends[row]]


def _ending(name: bytes) -> bytes:
    return name.rpartition(b".")[2]


def _between(rows: array[int], prefix: bytes, name: Callable[[int], bytes]) -> Sequence[int]:
    begin = bisect.bisect_left(rows, prefix, key=name)
    end = bisect.bisect_left(rows, prefix + _LAST, lo=begin, key=name)
    return rows[begin:end]


class NameTables:
    """The tables of opened indexes, made when they are first asked for. For any thread.

    A table goes with its index: that of a project is opened anew when its files change.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tables: WeakKeyDictionary[LibraryIndex, NameTable | None] = WeakKeyDictionary()

    def get(self, index: LibraryIndex) -> NameTable | None:
        """The table of an index; ``None`` while it is being made."""
        with self._lock:
            if index in self._tables:
                return self._tables[index]
            self._tables[index] = None
        threading.Thread(
            target=self._make, args=(index,), name="llmstep-names", daemon=True
        ).start()
        return None

    def _make(self, index: LibraryIndex) -> None:
        try:
            table = read_table(index)
        except LLMStepError as error:
            log.warning("no names from %s: %s", index.path, error.message)
            table = NameTable(())
        with self._lock:
            self._tables[index] = table


def read_table(index: LibraryIndex) -> NameTable:
    """All names of an index, and the words that its steps begin with."""
    heads: Counter[str] = Counter()
    for step, count in index.count_steps():
        if (found := _HEAD.match(step)) is not None:
            heads[found[0]] += count
    return NameTable(index.iter_names(), heads.items())
