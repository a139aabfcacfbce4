"""Which lemmas a step cites, and which of the names in a suggestion exist."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import attrs

from llmstep.lean_text.document import read_document
from llmstep.lean_text.lexer import plain_name
from llmstep.lean_text.scope import NameScope
from llmstep.prompts.goal import parse_goal
from llmstep.sources.steps import lemma_names, words
from llmstep_workshop.data.rows import Row, scan_objects
from llmstep_workshop.errors import TrainingDataError

# Shorter words without a dot or an underscore are variables and hypotheses as a rule.
_SHORTEST_NAME = 5
# Names such as `hx_pos` are those of hypotheses; `or_comm` and its like are not.
_LIKE_A_LOCAL = re.compile(
    r"(?!(?:or|eq|of|id|ne|if|ge|gt|le|lt|by)_)[^\W_]{1,2}\d*[\u2080-\u2089]*_"
)
_BINDERS = re.compile(
    r"\b(?:fun|with|using|generalizing|∀|∃)\b[^=↦,;]*|[λ∀∃][^=↦,;]*|\b(?:have|let|set)\b[^:=]*"
)
_INTRODUCERS = frozenset(
    ("intro", "intros", "rintro", "obtain", "rename_i", "ext", "funext", "choose", "by_cases")
)


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

    def __contains__(self, name: str) -> bool:
        """Whether there is a declaration of this full name."""
        return name in self._names

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
    """Whether all that looks like a lemma's name in a suggestion is declared.

    A name counts as it would be found by Lean: in full, or in a namespace that the row's
    declaration is in or its file opens. Fields of what is declared (`add_comm.symm`), of
    hypotheses, and what the step introduces itself count, too.

    Args:
        tactic: The suggestion.
        row: Its row.
        names: Full names of all declarations of the library.
        knows: Whether other authors have written a name: lists of Mathlib's lack those of core
            Lean. What is the end of a listed name was short for that, and does not count.
    """
    scope = read_document(row.context).names() if row.context else NameScope()
    inside = row.decl.split(".")[:-1]
    opened = {".".join(inside[:depth]) for depth in range(1, len(inside) + 1)} | scope.opened
    own = scope.full | scope.declared | {row.decl}
    local = _local_names(row.state) | _introduced(tactic)
    seen = set(words(row.state))

    def is_declared(name: str) -> bool:
        if any(full in own or full in names for full in _meanings(name, opened)):
            return True
        return not names.has_ending(name) and not _LIKE_A_LOCAL.match(name) and knows(name)

    for word in lemma_names(tactic):
        name = plain_name(word)
        looks = "_" in name.strip("_") or "." in name or len(name) >= _SHORTEST_NAME
        if not looks or name.partition(".")[0] in local or name in seen:
            continue
        parts = name.split(".")
        heads = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
        # `Nat.made_up` is no field of `Nat`, which is a type.
        if not any(is_declared(head) for head in heads if head == name or not head[:1].isupper()):
            return False
    return True


def _meanings(name: str, opened: Iterable[str]) -> Iterator[str]:
    yield name
    for namespace in opened:
        yield f"{namespace}.{name}"


def _introduced(tactic: str) -> set[str]:
    """The names that a step gives to something new, as far as its form tells."""
    found: set[str] = set()
    for match in _BINDERS.finditer(tactic):
        found.update(words(match[0]))
    head, _, rest = tactic.strip().partition(" ")
    if head in _INTRODUCERS:
        found.update(words(rest.partition(":=")[0] if ":=" in rest else rest))
    return found


def _local_names(state: str) -> set[str]:
    return {name for hypothesis in parse_goal(state).hypotheses for name in hypothesis.names}
