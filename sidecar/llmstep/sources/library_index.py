"""A library on disk, memory-mapped: steps by their goals, statements by what they say.

The file has the layout of safetensors (8 bytes little-endian length, a JSON header with dtype,
shape and offsets of each array, then the arrays), so that nothing is read before it is needed and
several processes share one copy. It holds two kinds of rows, each with postings (see `postings`):

- R steps: ``step_features``, ``step_weights`` (inverse document frequencies, squared),
  ``step_starts``, ``step_gaps``; ``step_norms`` float32 (R,): one over the length of each row's
  vector; ``step_tactics`` uint32 (R,): the row's tactic, a number in the texts ``tactic_ends`` and
  ``tactic_bytes`` (see `text_store`), with marks (see `steps`).
- S statements: ``statement_features``, ``statement_weights``, ``statement_starts``,
  ``statement_gaps``; ``statement_lengths`` uint8 (S,): number of features; ``statement_modules``
  (S,): the module, a number in ``module_ends``, ``module_bytes``; texts ``statement_text_ends``,
  ``statement_text_bytes`` (see `pack_statement`).

``statement_keys`` uint32 (S,): hashed full names of the statements, ascending, with their rows in
``statement_order``; ``statement_uses`` uint8 (S,): how many of the steps name each, at most 255.
``declared`` uint32: those of other declarations, ascending; ``names`` uint32:
hashed words of all goals and tactics.
"""

from __future__ import annotations

import functools
import json
import math
import mmap
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from llmstep.errors import ModelFileError
from llmstep.lean_text.statements import Statement, packed_name, unpack_statement
from llmstep.limits import raise_limit
from llmstep.sources.common_names import CommonNames
from llmstep.sources.features import hash_feature
from llmstep.sources.postings import NAMES as POSTING_ARRAYS
from llmstep.sources.postings import Postings
from llmstep.sources.statement_features import Query
from llmstep.sources.text_store import TextStore
from llmstep.user_files import open_file

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_MOST_REMEMBERED = 200_000
_MOST_NAMES = 8192
FORMAT = "llmstep-library-3"
_DTYPES = {"U8": "u1", "U16": "<u2", "U32": "<u4", "F32": "<f4"}
_LONGEST_HEADER = 1 << 20
# BM25: how much a long statement counts less than a short one. Fitted on held-out steps.
_LENGTH = 0.6
# Rows looked at for one question: the common features of a large library are left out, so that the
# time of an answer does not grow with it.
_MOST_LOOKED_AT = 200_000


@attrs.frozen
class Neighbour:
    """A step taken on a similar goal, local names marked, and the goals' cosine, in (0, 1]."""

    step: str
    similarity: float


class LibraryIndex:
    """An opened index file. It may be asked from several threads.

    Raises:
        ModelFileError: The file is missing, cut short, or no index of this version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with open_file(path) as stream:
                memory = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:  # ValueError: an empty file
            raise_limit(error)
            raise _broken(path, f"cannot be read: {error}") from error
        arrays, self.metadata = _read_arrays(path, memory)
        try:
            self._steps = _postings(arrays, "step_")
            self._norms, self._tactics = arrays["step_norms"], arrays["step_tactics"]
            self._tactic_texts = TextStore(arrays["tactic_ends"], arrays["tactic_bytes"])
            self._statements = _postings(arrays, "statement_")
            self._lengths = arrays["statement_lengths"]
            self._module_of_row = arrays["statement_modules"]
            self._texts = TextStore(arrays["statement_text_ends"], arrays["statement_text_bytes"])
            self._modules = TextStore(arrays["module_ends"], arrays["module_bytes"])
            self._keys, self._order = arrays["statement_keys"], arrays["statement_order"]
            self._uses = arrays["statement_uses"]
            self._names, self._declared = arrays["names"], arrays["declared"]
        except KeyError as error:
            raise _broken(path, f"lacks the array {error}") from None
        rows = (self._lengths, self._module_of_row, self._keys, self._order, self._uses)
        if len(self._tactics) != len(self._norms) or len(set(map(len, rows))) > 1:
            raise _broken(path, "its arrays do not fit together")
        self._remembered: dict[str, float] = {}
        # Questions of one file ask for the same names again and again. What is kept here does not
        # refer to the index: that of a project is opened anew with each change of its files, and
        # the one before has to go at once, with the memory it is mapped to.
        rows_of = functools.partial(_find_rows, self._keys, self._order)
        self._find_rows = functools.lru_cache(_MOST_NAMES)(rows_of)
        known = self._names, self._keys, self._declared
        self.knows = functools.lru_cache(_MOST_NAMES)(functools.partial(_is_in_any, known))
        steps = functools.partial(_count_steps, path, self._tactic_texts, self._tactics)
        self._common = CommonNames(path, steps)
        self._row_norms: npt.NDArray[np.float32] | None = None
        self._reached: tuple[Callable[[str], bool], npt.NDArray[np.bool_]] | None = None

    def __len__(self) -> int:
        return len(self._norms)

    @property
    def statement_count(self) -> int:
        """How many statements there are."""
        return len(self._lengths)

    def weigh(self, features: Collection[str]) -> Mapping[str, float]:
        """The squared weight of (at least) each feature; one the library lacks weighs most."""
        import numpy as np

        remembered = self._remembered
        if len(remembered) > _MOST_REMEMBERED:
            remembered = self._remembered = {}
        names = [name for name in features if name not in remembered]
        if names:
            hashes = np.array([hash_feature(name) for name in names], dtype=np.uint32)
            places, known = self._steps.find(hashes)
            weights = np.full(len(names), math.log(max(len(self), 2)) ** 2)
            weights[known] = self._steps.weights[places[known]]
            remembered |= zip(names, weights.tolist(), strict=True)
        return remembered

    def has_name(self, name: str) -> bool:
        """Whether the library declares something of this full name."""
        return _is_in_any((self._keys, self._declared), name)

    def find_statement(self, name: str) -> Statement | None:
        """The statement of this full name, if there is one."""
        for row in self._find_rows(name):
            statement = self._statement(row)
            if statement.name == name:
                return statement
        return None

    def module_of(self, name: str) -> str | None:
        """The module of the statement of this full name, if there is one."""
        for row in self._find_rows(name):
            return self._module(row)
        return None

    def uses(self, name: str) -> int:
        """How many of the library's steps name a statement, at most 255; 0 if there is none."""
        return max((int(self._uses[row]) for row in self._find_rows(name)), default=0)

    def common_names(self) -> list[str]:
        """The names that the library's steps hold more than once; see `CommonNames`."""
        return self._common.get()

    def prepare_names(self, is_wanted: Callable[[], bool]) -> None:
        """Get `common_names` ready as long as that is wanted; asked every few milliseconds."""
        self._common.prepare(is_wanted)

    def nearest(self, features: Collection[str], count: int) -> list[Neighbour]:
        """The steps taken on the ``count`` most similar goals, the most similar first."""
        import numpy as np

        if not features or not len(self):
            return []
        hashes = np.array(sorted(map(hash_feature, features)), dtype=np.uint32)
        places, known = self._steps.find(hashes)
        unknown = int((~known).sum())
        places = places[known]
        weights = self._steps.weights[places]
        length = float(weights.sum()) + unknown * math.log(len(self)) ** 2
        scores = self._steps.add_up(places, weights, len(self))
        scores *= self._norms
        best = _largest(scores, count)
        numbers = self._tactics[best].tolist()
        # Many took the same step; and what lies together is unpacked together.
        told = {number: self._tactic(number) for number in sorted(set(numbers))}
        return [
            Neighbour(told[number], score / math.sqrt(length))
            for number, score in zip(numbers, scores[best].tolist(), strict=True)
        ]

    def premises(
        self, query: Query, count: int, reaches: Callable[[str], bool] | None = None
    ) -> list[tuple[Statement, float]]:
        """The ``count`` statements that most likely are what is asked for, the likeliest first.

        If `reaches` is given, it tells which modules can be used.

        Returns:
            Statements with their BM25 scores over symbols and words (above 0).
        """
        import numpy as np

        if not query or not self.statement_count:
            return []
        hashes = np.array([hash_feature(feature) for feature in query], dtype=np.uint32)
        places, known = self._statements.find(hashes)
        places = places[known]
        worth = np.array(list(query.values()), dtype=np.float32)[known]
        weights = self._statements.weights[places] * worth
        order = np.argsort(-weights, kind="stable")
        sizes = (self._statements.starts[places + 1] - self._statements.starts[places])[order]
        order = order[np.cumsum(sizes) <= _MOST_LOOKED_AT]
        scores = self._statements.add_up(places[order], weights[order], self.statement_count)
        scores *= self._statement_norms()
        if reaches is not None:
            scores[~self._reachable(reaches)[self._module_of_row]] = 0.0
        return [(self._statement(int(row)), float(scores[row])) for row in _largest(scores, count)]

    def iter_names(self) -> Iterator[str]:
        """The full names of the statements, in the order of their rows."""
        return map(packed_name, _read_all(self.path, self._texts))

    def count_steps(self) -> Iterator[tuple[str, int]]:
        """Every step's text, its local names marked, and on how many goals it was taken."""
        return _count_steps(self.path, self._tactic_texts, self._tactics)

    def likeliest(
        self, rows: Sequence[int], count: int, reaches: Callable[[str], bool] | None = None
    ) -> list[tuple[Statement, int]]:
        """Of these rows the ``count`` statements that steps name most, each with how often.

        If `reaches` is given, it tells which modules count.
        """
        import numpy as np

        chosen = np.asarray(rows, dtype=np.intp)
        if reaches is not None and len(chosen):
            chosen = chosen[self._reachable(reaches)[self._module_of_row[chosen]]]
        uses = self._uses[chosen].astype(np.int32)
        best = np.argsort(-uses, kind="stable")[:count]
        return [(self._statement(int(chosen[at])), int(uses[at])) for at in best]

    def _statement_norms(self) -> npt.NDArray[np.float32]:
        import numpy as np

        if self._row_norms is None:
            lengths = self._lengths.astype(np.float32)
            mean = max(float(lengths.mean()), 1.0)
            self._row_norms = (1.0 / (1 - _LENGTH + _LENGTH * lengths / mean)).astype(np.float32)
        return self._row_norms

    def _reachable(self, reaches: Callable[[str], bool]) -> npt.NDArray[np.bool_]:
        import numpy as np

        # A file's imports hardly ever change from one question to the next.
        reached = self._reached
        if reached is None or reached[0] != reaches:
            modules = int(self._module_of_row.max()) + 1
            known = [reaches(module) for module in self._module_names[:modules]]
            reached = self._reached = reaches, np.array(known, dtype=np.bool_)
        return reached[1]

    def _statement(self, row: int) -> Statement:
        try:
            return unpack_statement(self._texts[row], self._module(row))
        except ValueError as error:
            raise _broken(self.path, f"holds a damaged statement: {error}") from None

    @functools.cached_property
    def _module_names(self) -> list[str]:
        names = list(_read_all(self.path, self._modules))
        if len(self._module_of_row) and int(self._module_of_row.max()) >= len(names):
            raise _broken(self.path, "lacks the name of a module")
        return names

    def _module(self, row: int) -> str:
        return self._module_names[self._module_of_row[row]]

    def _tactic(self, number: int) -> str:
        try:
            return self._tactic_texts[number]
        except ValueError as error:
            raise _broken(self.path, f"holds a damaged text: {error}") from None


def _largest(scores: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.intp]:
    """The rows of the highest scores above 0, the highest first, ties by place."""
    import numpy as np

    # Half of the best score is seldom reached: it spares ordering all rows of the library.
    best = np.flatnonzero(scores > scores.max() / 2)
    if len(best) < count:
        best = np.flatnonzero(scores > 0)
        if len(best) > 4 * count:
            bound = np.partition(scores[best], -count)[-count]
            best = best[scores[best] >= bound]
    return best[np.lexsort((best, -scores[best]))][:count]


def _find_rows(
    keys: npt.NDArray[np.uint32], order: npt.NDArray[np.integer[Any]], name: str
) -> list[int]:
    """The rows whose name has the hash of this one: hardly ever more than one."""
    import numpy as np

    key = np.uint32(hash_feature(name))
    begin = end = int(keys.searchsorted(key))
    while end < len(keys) and keys[end] == key:
        end += 1
    return order[begin:end].tolist()


def _is_in_any(tables: Iterable[npt.NDArray[np.uint32]], name: str) -> bool:
    """Whether one of some tables of hashes, each in order, has that of a name."""
    import numpy as np

    key = np.uint32(hash_feature(name))
    for hashes in tables:
        place = int(hashes.searchsorted(key))
        if place < len(hashes) and hashes[place] == key:
            return True
    return False


def _count_steps(
    path: Path, texts: TextStore, taken: npt.NDArray[np.integer[Any]]
) -> Iterator[tuple[str, int]]:
    import numpy as np

    yield from zip(_read_all(path, texts), np.bincount(taken).tolist(), strict=False)


def _read_all(path: Path, texts: TextStore) -> Iterator[str]:
    try:
        yield from texts.read_all()
    except ValueError as error:
        raise _broken(path, f"holds a damaged text: {error}") from None


def _postings(arrays: Mapping[str, npt.NDArray[Any]], prefix: str) -> Postings:
    postings = Postings(*(arrays[prefix + name] for name in POSTING_ARRAYS))
    count = len(postings.features)
    if len(postings.weights) != count or len(postings.starts) != count + 1:
        raise KeyError(prefix)
    return postings


def _read_arrays(
    path: Path, memory: mmap.mmap
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
    import numpy as np

    size = int.from_bytes(memory[:8], "little")
    if not 2 <= size <= min(_LONGEST_HEADER, len(memory) - 8):
        raise _broken(path, "is no index")
    try:
        header = json.loads(memory[8 : 8 + size])
        metadata = dict(header.pop("__metadata__", {}))
        if metadata.get("format") != FORMAT:
            raise _broken(path, f"has the format {metadata.get('format')!r}, not {FORMAT!r}")
        arrays: dict[str, npt.NDArray[Any]] = {}
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            dtype = np.dtype(_DTYPES[entry["dtype"]])
            (count,) = entry["shape"]
            if end - begin != count * dtype.itemsize or 8 + size + end > len(memory):
                raise _broken(path, f"is cut short in its array {name!r}")
            arrays[name] = np.frombuffer(memory, dtype, count, 8 + size + begin)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _broken(path, f"has a damaged header: {error}") from error
    return arrays, metadata


def _broken(path: Path, what: str) -> ModelFileError:
    return ModelFileError(
        f"{path}: the library's index {what}",
        hint="Restore the file, build it anew with `llmstep index build`, or leave `library` out "
        "of the setting `sources`.",
    )
