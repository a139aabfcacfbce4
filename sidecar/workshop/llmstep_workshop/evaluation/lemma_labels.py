"""Which lemmas a step cites, and which of the names in a suggestion exist."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import attrs

from llmstep.lean_text.lexer import plain_name
from llmstep.prompts.goal import parse_goal
from llmstep.sources.steps import lemma_names, words
from llmstep_workshop.data.rows import Row, scan_objects
from llmstep_workshop.errors import TrainingDataError

# Shorter words without a dot or an underscore are variables and hypotheses as a rule.
_SHORTEST_NAME = 5


class NameList:
    """Full names of declarations, found by what is written of them.

    Args:
        names: The names.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = set(names)
        self._endings: dict[str, list[str]] = defaultdict(list)
        for name in self._names:
            parts = name.split(".")
            for begin in range(1, len(parts)):
                self._endings[".".join(parts[begin:])].append(name)

    def resolve(self, written: str, declaration: str = "") -> str | None:
        """The full name that is meant: by the namespaces of a declaration, else by its ending.

        Args:
            written: What is written.
            declaration: Full name of the theorem that is proved there.

        Returns:
            The name; ``None`` if there is none, or several end so.
        """
        inside = declaration.split(".")[:-1]
        for depth in range(len(inside), -1, -1):
            name = ".".join([*inside[:depth], written])
            if name in self._names:
                return name
        ending = self._endings.get(written, [])
        return ending[0] if len(ending) == 1 else None

    def has_ending(self, written: str) -> bool:
        """Whether some declaration can be written so where the right namespaces are open."""
        return written in self._names or written in self._endings


def cited_lemmas(row: Row, names: NameList) -> tuple[str, ...]:
    """The declarations that a row's tactic names, in order of the text."""
    local = _local_names(row.state)
    found: dict[str, None] = {}
    possible = lemma_names(row.tactic)
    for word in words(row.tactic):
        if word in possible and word.partition(".")[0] not in local:
            name = names.resolve(plain_name(word), row.decl)
            if name is not None:
                found[name] = None
    return tuple(found)


def read_labels(path: Path) -> dict[int, tuple[str, ...]]:
    """Labels of a file: JSON lines with ``row`` (from 0 on) and ``lemmas``.

    Raises:
        TrainingDataError: A line is no such object.
    """
    labels: dict[int, tuple[str, ...]] = {}
    for where, record in scan_objects(path):
        row, lemmas = record.get("row"), record.get("lemmas")
        if not isinstance(row, int) or not isinstance(lemmas, list):
            raise TrainingDataError(
                f"{where}: expected an integer `row` and a list `lemmas`",
                hint="Count the rows from 0 on.",
            )
        labels[row] = tuple(map(str, lemmas))
    return labels


def label_rows(
    rows: Sequence[tuple[int, Row]],
    labels: dict[int, tuple[str, ...]] | None,
    names: NameList | None,
) -> tuple[tuple[int, Row], ...]:
    """Numbered rows (from 1 on) with the lemmas they cite.

    What a file of labels says goes before what a row says itself, and that before the names in its
    tactic. With a file of labels a row that is not in it cites nothing.
    """

    def label(number: int, row: Row) -> Row:
        if labels is not None:
            return attrs.evolve(row, lemmas=labels.get(number - 1, ()))
        if row.lemmas or names is None:
            return row
        return attrs.evolve(row, lemmas=cited_lemmas(row, names))

    return tuple((number, label(number, row)) for number, row in rows)


def names_one_of(tactic: str, lemmas: Iterable[str], state: str) -> bool:
    """Whether a suggestion names one of the lemmas, in full or by the end of its name.

    ``h.trans`` names ``LT.lt.trans``, and ``inter_comm`` names ``Set.inter_comm``.
    """
    local = _local_names(state)
    written: set[str] = set()
    for word in words(tactic)[1:]:
        base, _, rest = plain_name(word).partition(".")
        written.add(rest if base in local else plain_name(word))
    return any(
        lemma == word or lemma.endswith(f".{word}") for lemma in lemmas for word in written if word
    )


def all_names_exist(
    tactic: str, row: Row, names: NameList, knows: Callable[[str], bool] = lambda _: False
) -> bool:
    """Whether all that looks like a lemma's name in a suggestion is one.

    Args:
        tactic: The suggestion.
        row: Its row: what the goal or the file mentions exists.
        names: All names there are.
        knows: Whether a name is known besides, such as those of core Lean.
    """
    local = _local_names(row.state)
    seen = set(words(row.state))
    for word in lemma_names(tactic):
        name = plain_name(word)
        looks = "_" in name.strip("_") or "." in name or len(name) >= _SHORTEST_NAME
        if not looks or name.partition(".")[0] in local or name in seen:
            continue
        if not (names.has_ending(name) or knows(name) or name in row.context):
            return False
    return True


def _local_names(state: str) -> set[str]:
    return {name for hypothesis in parse_goal(state).hypotheses for name in hypothesis.names}
