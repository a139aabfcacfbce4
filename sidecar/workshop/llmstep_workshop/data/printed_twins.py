"""Reconstructed states beside those that Lean printed for the same step of the same statement."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import attrs

from llmstep.prompts.goal import parse_goal
from llmstep_workshop.data.records import Record

_BRACKETS = re.compile(r"[()\s]+")


@attrs.frozen
class Twin:
    """A printed row and the reconstructed rows of the same tactic and conclusion."""

    printed: Record
    found: tuple[Record, ...]

    @property
    def same(self) -> bool:
        """Whether one of them has the state that Lean printed, white space apart."""
        state = _squeeze(self.printed.state)
        return any(_squeeze(record.state) == state for record in self.found)

    def difference(self) -> str:
        """In what the nearest state differs: hypotheses, case line, dagger or target."""
        if self.same:
            return ""
        parts = min((_differing(self.printed, record) for record in self.found), key=len)
        return ", ".join(parts) or "layout"


def find_twins(rows: Iterable[Record], printed: Sequence[Record]) -> list[Twin]:
    """The printed rows with the reconstructed rows that state and do the same.

    Two rows are twins if their tactics and conclusions are equal, brackets and white space apart.
    """
    known: Mapping[tuple[str, str], list[Record]] = defaultdict(list)
    for row in rows:
        known[_key(row)].append(row)
    return [Twin(row, tuple(known[_key(row)])) for row in printed if known.get(_key(row))]


def _key(row: Record) -> tuple[str, str]:
    conclusion = row.state.partition("⊢")[2]
    return _squeeze(row.tactic), _BRACKETS.sub("", conclusion)


def _squeeze(text: str) -> str:
    return " ".join(text.split())


def _differing(printed: Record, found: Record) -> list[str]:
    one, two = parse_goal(printed.state), parse_goal(found.state)
    parts = {
        "case line": one.case != two.case,
        "hypotheses": [_squeeze(h.text) for h in one.hypotheses]
        != [_squeeze(h.text) for h in two.hypotheses],
        "target": _squeeze(one.target) != _squeeze(two.target),
        "dagger": printed.state.count("✝") != found.state.count("✝"),
    }
    return [name for name, differs in parts.items() if differs]
