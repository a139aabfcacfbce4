"""Reads an index of the format before statements came into it, as one without statements."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from llmstep.sources.postings import as_arrays, invert
from llmstep.sources.text_store import pack_texts

if TYPE_CHECKING:
    import numpy.typing as npt

OLD_FORMAT = "llmstep-tactics-2"
_BLOCK = 1 << 16


def convert(arrays: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an old file as those of a new one."""
    import numpy as np

    features, starts, rows = arrays["features"], arrays["starts"], arrays["rows"]
    norms, offsets = arrays["norms"], arrays["offsets"]
    sizes = np.diff(starts.astype(np.int64))
    block = np.repeat(np.arange(len(sizes)) // max(len(features), 1), sizes)
    feature = np.tile(features, -(-len(norms) // _BLOCK))
    row = rows.astype(np.int64) + block * _BLOCK
    order = np.argsort(row, kind="stable")
    lengths = np.bincount(row, minlength=len(norms)).astype(np.uint32)
    weights = arrays["weights"]
    postings = invert(
        np.repeat(feature, sizes)[order],
        lengths,
        lambda _: weights.astype(np.float64),
        lambda hashes, _: np.ones(len(hashes), dtype=np.bool_),
    )
    text = bytes(arrays["text"])
    ends = offsets.tolist()
    tactics = pack_texts(
        text[begin:end].decode("utf-8", "replace") for begin, end in itertools.pairwise(ends)
    )
    nothing = np.zeros(0, dtype=np.uint32)
    empty = {
        f"statement_{name}": nothing
        for name in ("features", "weights", "gaps", "lengths", "modules", "keys", "order", "uses")
    }
    return {
        **as_arrays(postings, "step_"),
        "step_norms": norms,
        "step_tactics": arrays["tactics"],
        "tactic_ends": tactics.ends,
        "tactic_bytes": tactics.bytes,
        **empty,
        "statement_starts": np.zeros(1, dtype=np.uint32),
        "statement_text_ends": nothing,
        "statement_text_bytes": nothing,
        "module_ends": nothing,
        "module_bytes": nothing,
        "names": arrays["names"],
        "declared": nothing,
    }
