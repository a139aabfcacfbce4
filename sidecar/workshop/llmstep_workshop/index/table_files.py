"""Write the learned tables of ``models/``, each in one step."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from llmstep.sources.mixing import Mixing
from llmstep.sources.portfolio import Closer
from llmstep_workshop.data.records import write_text
from llmstep_workshop.index.mixing_fit import MixingScores


def write_portfolio(path: Path, closers: Sequence[Closer], rows: int) -> None:
    """Write ``portfolio.json``; read at every start, and JSON is read sooner than TOML.

    Raises:
        DataOutputError: It cannot be written; an older file is whole.
    """
    about = (
        f"Learned by `llmstep index portfolio` from {rows:,} proof steps: log-odds that an author "
        "used the tactic, as a sum over traits of the goal (sources/portfolio.py)."
    )
    values = {"about": about, "closers": [attrs.asdict(closer) for closer in closers]}
    write_text(path, json.dumps(values, ensure_ascii=False, indent=1) + "\n")


def write_mixing(path: Path, mixing: Mixing, scores: MixingScores, n: int) -> None:
    """Write ``mixing.toml``.

    Raises:
        DataOutputError: It cannot be written; an older file is whole.
    """

    def lines() -> Iterator[str]:
        yield f"# Fitted by `llmstep index fit` on {scores.rows:,} held-out proof steps: log-odds"
        yield "# that a tactic is of use (the author's step; in part if it names a lemma of that),"
        yield "# that its first word is the author's, that the author names a premise; each sums up"
        yield "# what the sources say (sources/evidence.py, sources/lemmas.py). Cross-validated:"
        yield f"# exact@1 {scores.exact_at_1:.3f}, exact@{n} {scores.exact_at_n:.3f}, first"
        yield f"# word@{n} {scores.head_at_n:.3f}, proposed by any source {scores.proposed:.3f}; on"
        yield f"# the {scores.citing:,} that name a lemma: lemma@{n} {scores.lemma_at_n:.3f}."
        yield "\n# What covering the right first word is worth, where the right step is 1."
        yield f"head_value = {mixing.head_value}"
        yield "# What naming a lemma that the author names is worth, likewise."
        yield f"lemma_value = {mixing.lemma_value}"
        yield "\n[weights]"
        yield from _entries(mixing.weights)
        yield "\n[head_weights]"
        yield from _entries(mixing.head_weights)
        yield "\n[lemma_weights]"
        yield from _entries(mixing.lemma_weights)

    write_text(path, "\n".join(lines()) + "\n")


def _entries(values: Mapping[str, float]) -> Iterator[str]:
    return (f"{name} = {value}" for name, value in values.items())
