"""Write a library's index: steps by the goals they were taken on, statements by what they say."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from llmstep.errors import ModelFileError
from llmstep.lean_text.statements import Statement, pack_statement
from llmstep.prompts.goal import parse_goal
from llmstep.replacement import replacing
from llmstep.sources.features import goal_features, goal_roles, hash_feature
from llmstep.sources.library_index import FORMAT
from llmstep.sources.postings import Postings, as_arrays, invert
from llmstep.sources.statement_features import statement_features
from llmstep.sources.steps import (
    ProofStep,
    lemma_names,
    mark_namespaces,
    mark_step,
    short_names,
    words,
)
from llmstep.sources.text_store import TextPacker, TextStore

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# A feature of fewer rows says nothing about others; one of more says nothing at all. Hypotheses
# are many and their words common: bounded lower, they cost a third of the space and no accuracy.
FEWEST_ROWS = 3
MOST_ROWS = 8000
MOST_ROWS_HYPOTHESIS = 2000
# Of statements: a symbol of one is what finds it, one of many is what all have in common.
MOST_STATEMENTS = 6000
_DTYPES = {"uint8": "U8", "uint16": "U16", "uint32": "U32", "float32": "F32"}


def write_index(
    path: Path,
    steps: Iterable[ProofStep],
    statements: Iterable[Statement],
    *,
    source: str = "",
    licence: str = "",
    names: Collection[str] = (),
    fewest_rows: int = FEWEST_ROWS,
    parser: str = "",
) -> tuple[int, int]:
    """Write an index in one step at the end; the inputs are read once, one after the other.

    Source, licence and the version of the parser that read the text are kept in the file; `names`
    are full names of more declarations. Features of goals of fewer steps than `fewest_rows` are
    left out; lower it for a small collection.

    Returns:
        The numbers of steps and of statements.

    Raises:
        ModelFileError: The file cannot be written; an older one is whole.
    """
    declared = {hash_feature(name) for name in names}
    known: set[int] = set()
    taken = list(steps)
    uses: Counter[int] = Counter()
    arrays = _index_steps(taken, fewest_rows, declared, known, uses)
    count = len(taken)
    del taken
    more, written = _index_statements(statements, uses)
    arrays |= more
    keys = arrays["statement_keys"]
    declared.difference_update(keys.tolist())
    known.difference_update(declared, keys.tolist())
    arrays["names"] = _sorted(known)
    arrays["declared"] = _sorted(declared)
    metadata = {"licence": licence, "source": source, "format": FORMAT}
    _write(path, arrays, metadata | ({"parser": parser} if parser else {}))
    return count, written


def _index_steps(
    taken: list[ProofStep],
    fewest_rows: int,
    declared: set[int],
    known: set[int],
    uses: Counter[int],
) -> dict[str, npt.NDArray[np.generic]]:
    import numpy as np

    tactics: dict[str, int] = {}
    tactic_of_row = array("I")
    rows, of_hypotheses = _Rows(), set[int]()
    proved = {step.declaration for step in taken if step.declaration}
    declared.update(map(hash_feature, proved))
    for step in taken:
        goal = parse_goal(step.goal)
        marked = mark_step(step.tactic, goal_roles(goal))
        marked = mark_namespaces(marked, step.declaration, proved)
        tactic_of_row.append(tactics.setdefault(marked, len(tactics)))
        features = goal_features(goal)
        rows.add(map(hash_feature, features))
        of_hypotheses.update(hash_feature(f) for f in features if f[0] == "H")
        found = [*words(step.goal), *words(step.tactic)]
        found += [f"{namespace}.{name}" for namespace, name in short_names(marked)]
        known.update(map(hash_feature, found))
        uses.update(map(hash_feature, lemma_names(marked)))
    hypothesis = _sorted(of_hypotheses)
    total = max(len(taken), 1)

    def keep(
        hashes: npt.NDArray[np.uint32], counts: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        most = np.where(np.isin(hashes, hypothesis), MOST_ROWS_HYPOTHESIS, MOST_ROWS)
        return (counts >= fewest_rows) & (counts <= most)

    postings = rows.invert(lambda counts: np.log(total / counts) ** 2, keep)
    squares = _sums(postings, len(taken))
    norms = np.where(squares > 0, 1 / np.sqrt(np.maximum(squares, 1e-12)), 0.0)
    packer = TextPacker()
    for marked in tactics:
        packer.add(marked)
    return {
        **as_arrays(postings, "step_"),
        "step_norms": norms.astype(np.float32),
        "step_tactics": np.array(tactic_of_row, dtype=np.uint32),
        **_packed(packer.finish(), "tactic_"),
    }


def _index_statements(
    statements: Iterable[Statement], uses: Counter[int]
) -> tuple[dict[str, npt.NDArray[np.generic]], int]:
    import numpy as np

    rows, packer = _Rows(), TextPacker()
    modules: dict[str, int] = {}
    module_of_row, keys = array("I"), array("I")
    for statement in statements:
        rows.add(map(hash_feature, statement_features(statement.name, statement.conclusion)))
        packer.add(pack_statement(statement))
        module_of_row.append(modules.setdefault(statement.module, len(modules)))
        keys.append(hash_feature(statement.name))
    count = len(module_of_row)
    total = max(count, 1)
    postings = rows.invert(
        lambda counts: np.log(1 + total / counts),
        lambda _, counts: counts <= max(MOST_STATEMENTS, 1),
    )
    lengths = np.minimum(rows.lengths(), 255).astype(np.uint8)
    hashed = np.array(keys, dtype=np.uint32)
    order = np.argsort(hashed, kind="stable")
    names = TextPacker()
    for module in modules:
        names.add(module)
    arrays = {
        **as_arrays(postings, "statement_"),
        "statement_lengths": lengths,
        "statement_keys": hashed[order],
        "statement_order": order.astype(np.uint32),
        "statement_uses": np.array([min(uses[key], 255) for key in keys], dtype=np.uint8),
        "statement_modules": np.array(module_of_row, dtype=np.uint32).astype(
            np.uint16 if len(modules) <= 1 << 16 else np.uint32
        ),
        **_packed(packer.finish(), "statement_text_"),
        **_packed(names.finish(), "module_"),
    }
    return arrays, count


class _Rows:
    """Hashed features of rows, as they come."""

    def __init__(self) -> None:
        self._features = array("I")
        self._lengths = array("I")

    def add(self, hashes: Iterable[int]) -> None:
        distinct = set(hashes)
        self._features.extend(distinct)
        self._lengths.append(len(distinct))

    def lengths(self) -> npt.NDArray[np.uint32]:
        import numpy as np

        return np.array(self._lengths, dtype=np.uint32)

    def invert(
        self,
        weigh: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.float64]],
        keep: Callable[[npt.NDArray[np.uint32], npt.NDArray[np.int64]], npt.NDArray[np.bool_]],
    ) -> Postings:
        import numpy as np

        features = np.array(self._features, dtype=np.uint32)
        return invert(features, self.lengths(), weigh, keep)


def _sums(postings: Postings, count: int) -> npt.NDArray[np.float64]:
    """For each row the summed weights of its features."""
    import numpy as np

    sums = np.zeros(count)
    for place in range(len(postings.features)):
        sums[postings.rows(place)] += postings.weights[place]
    return sums


def _packed(store: TextStore, prefix: str) -> dict[str, npt.NDArray[np.generic]]:
    return {f"{prefix}ends": store.ends, f"{prefix}bytes": store.bytes}


def _sorted(hashes: Collection[int]) -> npt.NDArray[np.uint32]:
    import numpy as np

    return np.sort(np.fromiter(hashes, dtype=np.uint32, count=len(hashes)))


def _write(
    path: Path, arrays: Mapping[str, npt.NDArray[np.generic]], metadata: dict[str, str]
) -> None:
    header: dict[str, object] = {"__metadata__": metadata}
    end = 0
    # The widest numbers first: each array then starts at a multiple of its numbers' size.
    ordered = sorted(arrays.items(), key=lambda item: -item[1].itemsize)
    for name, values in ordered:
        begin, end = end, end + values.nbytes
        entry = {"dtype": _DTYPES[values.dtype.name], "shape": [len(values)]}
        header[name] = {**entry, "data_offsets": [begin, end]}
    head = json.dumps(header, ensure_ascii=False).encode()
    head += b" " * (-len(head) % 8)
    try:
        with replacing(path) as partial, partial.open("wb") as stream:
            stream.write(len(head).to_bytes(8, "little") + head)
            for _, values in ordered:
                stream.write(values.tobytes())
    except OSError as error:
        raise ModelFileError(
            f"{path}: the index cannot be written: {error}",
            hint="Free some disk space, or choose another place for it.",
        ) from error
