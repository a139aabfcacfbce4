"""Names that begin as somebody has begun to write: tactics, and lemmas that can be named here.

No goal is needed. What the file states comes first, then the project, then the libraries; within
each what speaks of the same things as the statement that is being proved, and what proofs name
most.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import attrs

from llmstep.lean_text.document import LeanDocument
from llmstep.lean_text.late_pattern import late_pattern
from llmstep.lean_text.proofs import split_steps
from llmstep.lean_text.scope import NameScope
from llmstep.lean_text.statements import Statement
from llmstep.sources.library_index import LibraryIndex
from llmstep.sources.name_table import NameTable
from llmstep.sources.portfolio import MATHLIB_TACTICS
from llmstep.sources.ranking import Origin

# Shorter beginnings say nothing about a lemma; a dot does.
SHORTEST_NAME = 2
# Offered of each kind, tactics and lemmas.
MOST_NAMES = 50
_SHORTEST_ENDING = 3
# Statements of one library that are unpacked for one answer.
_MOST_UNPACKED = 40
_MOST_PROOFS = 300
_HEAD = late_pattern(r"[a-z_][\w'!?]*")
# What declares a tactic of the user's own.
_DECLARED_TACTIC = late_pattern(
    r'^[^\S\n]*(?:local |scoped )?(?:macro|syntax|elab)\b[^"\n]{0,120}"(\w[\w\'!?]*)[ "]',
    re.MULTILINE,
)
# Of Lean itself, the usual ones first.
_CORE_TACTICS: Sequence[str] = (
    "exact", "rw", "simp", "rfl", "have", "refine", "intro", "apply", "obtain", "constructor",
    "cases", "induction", "omega", "simp_all", "rcases", "rintro", "by_cases", "unfold", "exists",
    "left", "right", "exfalso", "contradiction", "trivial", "show", "let", "suffices", "split",
    "subst", "assumption", "decide", "ext", "funext", "congr", "change", "specialize",
    "generalize", "injection", "calc", "dsimp", "simpa", "rwa", "grind", "by_contra", "symm",
    "infer_instance", "native_decide", "revert", "clear", "rename_i", "case", "next", "all_goals",
    "any_goals", "repeat", "try", "first", "conv", "bv_decide", "ac_rfl", "exact_mod_cast",
    "norm_cast", "push_cast", "replace", "nofun", "match", "fun_induction", "fun_cases",
    "injections", "exacts",
)  # fmt: skip
_PER_ORIGIN: Mapping[Origin, float] = {"file": 3.0, "project": 2.0}
_SAID = 3.0
_WHOLE = 1.5
_PER_LETTER = 0.02


@attrs.frozen
class NameQuestion:
    """A place where a name has been begun: what is written, dots included, and the file above it.

    The rest says whether a tactic may stand there, or something stated.
    """

    word: str
    text_before: str
    uri: str = ""
    tactics: bool = False
    lemmas: bool = True


@attrs.frozen
class FoundName:
    """A name to offer.

    Attributes:
        text: What is written.
        typed: What of it is compared with the letters that are there already.
        kind: ``tactic``, ``local``, or the kind of the statement.
        origin: ``file``, ``project``, ``library``; for a tactic where it is used.
        statement: What it states; empty for a tactic.
        module: Where that stands; empty for the file at hand.
    """

    text: str
    typed: str
    kind: str
    origin: Origin
    statement: str = ""
    module: str = ""


@attrs.frozen
class FoundNames:
    """Tactics, then what is stated, each the likeliest first; and whether these are all."""

    names: tuple[FoundName, ...] = ()
    complete: bool = True


@attrs.frozen
class Shelf:
    """A library that names are looked for in, and whose it is.

    Its table is ``None`` as long as it is being sorted; `reaches` tells which of its modules can be
    used, all of them if ``None``.
    """

    index: LibraryIndex
    table: NameTable | None
    origin: Origin
    reaches: Callable[[str], bool] | None = None


class NameFinder:
    """Looks for names at one place.

    Args:
        word: What has been written of the name, dots included.
        names: How names are written at the place.
        knows: Whether a library declares something of that full name.
        said: Full names of statements that speak of what is being proved, the nearest first.
    """

    def __init__(
        self,
        word: str,
        names: NameScope,
        knows: Callable[[str], bool],
        said: Sequence[str] = (),
    ) -> None:
        self._word = word
        self._names = names
        self._knows = knows
        self._said = {name: rank for rank, name in enumerate(said)}
        self._found: dict[str, tuple[float, FoundName]] = {}

    def add_statements(self, statements: Iterable[Statement], origin: Origin) -> None:
        """Look among statements that are at hand as objects."""
        for statement in statements:
            if statement.name and self._may_be(statement.name):
                self._add(statement, origin, 0)

    def add_shelf(self, shelf: Shelf) -> None:
        """Look in a library."""
        table = shelf.table
        if table is None:
            return
        rows: set[int] = set(table.beginning_with(self._word))
        for namespace in self._names.opened:
            rows.update(table.beginning_with(f"{namespace}.{self._word}"))
        if "." not in self._word and len(self._word) >= _SHORTEST_ENDING:
            rows.update(table.ending_beginning_with(self._word))
        for statement, uses in shelf.index.likeliest(sorted(rows), _MOST_UNPACKED, shelf.reaches):
            if not statement.private:
                self._add(statement, shelf.origin, uses)
        # What speaks of the goal may be named seldom.
        for name in self._said:
            if name not in self._found and self._may_be(name):
                found = shelf.index.find_statement(name)
                if found is not None and (shelf.reaches is None or shelf.reaches(found.module)):
                    self._add(found, shelf.origin, shelf.index.uses(name))

    def best(self) -> list[FoundName]:
        """The names to offer, the likeliest first."""
        ranked = sorted(self._found.values(), key=lambda item: (-item[0], item[1].text))
        return [found for _, found in ranked[:MOST_NAMES]]

    def _may_be(self, name: str) -> bool:
        word = self._word
        if name.startswith(word):
            return True
        if "." not in word and name.rpartition(".")[2].startswith(word):
            return True
        return any(name.startswith(f"{namespace}.{word}") for namespace in self._names.opened)

    def _add(self, statement: Statement, origin: Origin, uses: int) -> None:
        name, word = statement.name, self._word
        written = self._names.write(name, protected=statement.protected, knows=self._knows)
        if name.startswith(word) and not written.startswith(word):
            written = name  # as it was begun
        whole = written.startswith(word)
        typed = written if whole else name.rpartition(".")[2]
        if not typed.startswith(word) or typed == word == written:
            return
        score = _PER_ORIGIN.get(origin, 0.0) + 0.5 * math.log1p(uses) - _PER_LETTER * len(written)
        score += _WHOLE if whole else 0.0
        if (rank := self._said.get(name)) is not None:
            score += _SAID * (1 - rank / len(self._said))
        said = f"{statement.binders} : {statement.conclusion}".lstrip()
        found = FoundName(written, typed, statement.kind, origin, said, statement.module)
        if score > self._found.get(name, (-math.inf, None))[0]:
            self._found[name] = score, found


def find_tactics(
    word: str,
    document: LeanDocument,
    shelves: Sequence[Shelf],
    *,
    core_only: bool,
) -> list[FoundName]:
    """Tactics whose names begin so, those that the file and then the project use first.

    With `core_only` those of Mathlib are left out.
    """
    found: dict[str, Origin] = {}
    own = Counter(_heads_of(document))
    for name in _DECLARED_TACTIC.findall(document.text):
        own[name] += 1
    ranked: list[tuple[Origin, Iterable[str]]] = [("file", (name for name, _ in own.most_common()))]
    tables = [(shelf.origin, shelf.table) for shelf in shelves if shelf.table is not None]
    for origin in ("project", "library"):
        heads: Counter[str] = Counter()
        for _, table in (item for item in tables if item[0] == origin):
            heads.update(table.heads)
        ranked.append((origin, (name for name, _ in heads.most_common())))
    ranked += [("library", _CORE_TACTICS), ("library", sorted(MATHLIB_TACTICS))]
    for origin, names in ranked:
        for name in names:
            usable = origin == "file" or not (core_only and name in MATHLIB_TACTICS)
            if name.startswith(word) and name != word and usable and _is_tactic(name):
                found.setdefault(name, origin)
    return [FoundName(name, name, "tactic", origin) for name, origin in found.items()][:MOST_NAMES]


def _heads_of(document: LeanDocument) -> Iterator[str]:
    """The first words of the steps in the file's finished proofs."""
    for declaration in document.declarations()[-_MOST_PROOFS:]:
        if declaration.proof.startswith("by"):
            for step in split_steps(declaration.proof):
                if (head := _HEAD.match(step)) is not None:
                    yield head[0]


def _is_tactic(name: str) -> bool:
    """Leaves out what would ask this program again, or searches for long."""
    return not name.startswith("llm") and not name.endswith("?") and name not in _NO_TACTICS


_NO_TACTICS = frozenset(("sorry", "admit", "fun", "this", "at", "with", "from", "using"))
