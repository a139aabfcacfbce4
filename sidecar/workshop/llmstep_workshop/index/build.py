"""Build a tactic index from steps of proofs."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import attrs
import numpy as np
import numpy.typing as npt

from llmstep.errors import ModelFileError
from llmstep.prompts.goal import parse_goal
from llmstep.replacement import replacing
from llmstep.sources.features import goal_features, hash_feature
from llmstep.sources.hypothesis_roles import goal_roles
from llmstep.sources.steps import mark_namespaces, mark_step, short_names, words
from llmstep.sources.tactic_index import BLOCK, FORMAT

# A feature of fewer rows says nothing about others; one of more says nothing at all. Hypotheses
# are many and their words common: bounded lower, they cost a third of the space and no accuracy.
FEWEST_ROWS = 3
MOST_ROWS = 8000
MOST_ROWS_HYPOTHESIS = 2000
_DTYPES = {"uint8": "U8", "uint16": "U16", "uint32": "U32", "float32": "F32"}


@attrs.frozen
class TakenStep:
    """A step of a proof.

    Attributes:
        goal: The printed goal.
        tactic: The step.
        declaration: Full name of what is proved; empty if it is not known.
    """

    goal: str
    tactic: str
    declaration: str = ""


def build_index(
    taken: Iterable[TakenStep],
    path: Path,
    metadata: dict[str, str] | None = None,
    fewest_rows: int = FEWEST_ROWS,
) -> int:
    """Write the index of these steps, in one step at the end.

    Args:
        taken: The steps.
        path: The file to write.
        metadata: What the file says about itself (licence, source), beside its format.
        fewest_rows: Features of fewer rows are left out; lower it for a small collection.

    Returns:
        The number of steps.

    Raises:
        ModelFileError: The file cannot be written; an older one is whole.
    """
    tactics: dict[str, int] = {}
    tactic_of_row: list[int] = []
    rows: list[frozenset[str]] = []
    frequency: Counter[str] = Counter()
    taken = list(taken)
    known = {step.declaration for step in taken if step.declaration}
    names = set(map(hash_feature, known))
    for step in taken:
        goal = parse_goal(step.goal)
        marked = mark_step(step.tactic, goal_roles(goal))
        marked = mark_namespaces(marked, step.declaration, known)
        tactic_of_row.append(tactics.setdefault(marked, len(tactics)))
        features = goal_features(goal)
        frequency.update(features)
        rows.append(features)
        found = [*words(step.goal), *words(step.tactic)]
        found += [f"{namespace}.{name}" for namespace, name in short_names(marked)]
        names.update(map(hash_feature, found))
    arrays = _invert(rows, frequency, fewest_rows)
    texts = [marked.encode() for marked in tactics]
    arrays["names"] = np.array(sorted(names), dtype=np.uint32)
    arrays["tactics"] = np.array(tactic_of_row, dtype=np.uint32)
    arrays["offsets"] = np.cumsum([0, *map(len, texts)]).astype(np.uint32)
    arrays["text"] = np.frombuffer(b"".join(texts), dtype=np.uint8)
    _write(path, arrays, {**(metadata or {}), "format": FORMAT})
    return len(rows)


def _invert(
    rows: list[frozenset[str]], frequency: Counter[str], fewest_rows: int
) -> dict[str, npt.NDArray[np.generic]]:
    kept: dict[int, float] = {}
    for feature, count in frequency.items():
        most = MOST_ROWS_HYPOTHESIS if feature[0] == "H" else MOST_ROWS
        if fewest_rows <= count <= most:
            kept[hash_feature(feature)] = math.log(len(rows) / count) ** 2
    features = np.array(sorted(kept), dtype=np.uint32)
    place = {key: index for index, key in enumerate(features.tolist())}
    weights = np.array([kept[key] for key in features.tolist()], dtype=np.float32)
    norms = np.zeros(len(rows), dtype=np.float32)
    blocks = -(-len(rows) // BLOCK)
    postings: list[list[int]] = [[] for _ in range(blocks * len(features))]
    for row, found in enumerate(rows):
        places = sorted({p for f in found if (p := place.get(hash_feature(f))) is not None})
        length = math.sqrt(float(weights[places].sum())) if places else 0.0
        norms[row] = 1.0 / length if length > 0.0 else 0.0
        for at in places:
            postings[row // BLOCK * len(features) + at].append(row % BLOCK)
    return {
        "features": features,
        "weights": weights,
        "starts": np.cumsum([0, *map(len, postings)]).astype(np.uint32),
        "rows": np.array([row for posting in postings for row in posting], dtype=np.uint16),
        "norms": norms,
    }


def _write(
    path: Path, arrays: dict[str, npt.NDArray[np.generic]], metadata: dict[str, str]
) -> None:
    header: dict[str, object] = {"__metadata__": metadata}
    end = 0
    # The widest numbers first: each array then starts at a multiple of its numbers' size.
    ordered = sorted(arrays.items(), key=lambda item: -item[1].itemsize)
    for name, array in ordered:
        begin, end = end, end + array.nbytes
        entry = {"dtype": _DTYPES[array.dtype.name], "shape": [len(array)]}
        header[name] = {**entry, "data_offsets": [begin, end]}
    head = json.dumps(header, ensure_ascii=False).encode()
    head += b" " * (-len(head) % 8)
    try:
        with replacing(path) as partial, partial.open("wb") as stream:
            stream.write(len(head).to_bytes(8, "little") + head)
            for _, array in ordered:
                stream.write(array.tobytes())
    except OSError as error:
        raise ModelFileError(
            f"{path}: the tactic index cannot be written: {error}",
            hint="Free some disk space, or choose another --output.",
        ) from error
