"""Training rows with premises: what the sidecar would find for each, and the lemma it cites.

A model that is shown names has to learn to choose among them, to copy one, and to do without where
none helps. So the names come from the retrieval that serves users, and not from an ideal one; the
lemma that a step cites is put in where it is missing, but not always; and lemmas of the file at
hand, which no model can know, get other names.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence

import attrs

from llmstep.lean_text.scope import NameScope, outer_names
from llmstep.lean_text.statements import Statement
from llmstep.prompts.mention import MOST_MENTIONED, Mention
from llmstep.sources.evidence import Evidence
from llmstep.sources.library_index import LibraryIndex, Neighbour
from llmstep.sources.mixing import load_mixing
from llmstep.sources.premises import PremiseTable
from llmstep.sources.ranking import normal_form
from llmstep.sources.steps import lemma_names, plain
from llmstep_workshop.data.lemma_labels import NameList, cited_lemmas
from llmstep_workshop.data.records import Record
from llmstep_workshop.data.rows import Row, module_of

# A goal that is as near as this, with the same step taken, is the row itself in the index.
_ITSELF = 0.9
# Statements of the cited lemma's own namespace that take the last places.
_HARD_NEGATIVES = 2


@attrs.frozen
class PremisePlan:
    """How rows are given premises.

    Attributes:
        inserted: Share of the rows that cite a lemma in which it is put in if it is missing.
        without: Share of the rows that show no premises.
        renamed: Share of the rows in which the lemmas of the file at hand get other names.
    """

    inserted: float = 0.6
    without: float = 0.2
    renamed: float = 0.5


class PremiseWriter:
    """Gives rows their premises.

    Args:
        index: The library.
        statements: What the libraries that the rows come from state, each file's in its order.
        plan: How.
        seed: Of the random numbers.
    """

    def __init__(
        self,
        index: LibraryIndex,
        statements: Iterable[Statement],
        plan: PremisePlan | None = None,
        seed: int = 0,
    ) -> None:
        self._index = index
        self._plan = plan or PremisePlan()
        self._rng = random.Random(seed)
        self._by_name: dict[str, Statement] = {}
        self._by_module: dict[str, list[Statement]] = defaultdict(list)
        self._by_namespace: dict[str, list[str]] = defaultdict(list)
        for statement in statements:
            self._by_name.setdefault(statement.name, statement)
            self._by_module[statement.module].append(statement)
            self._by_namespace[statement.name.rpartition(".")[0]].append(statement.name)
        self._names = NameList(self._by_name)
        self._words = sorted({word for name in self._by_name for word in _split(name)})

    def write_file(self, records: Sequence[Record]) -> Iterable[Record]:
        """The rows of one file, with premises."""
        own = module_of(records[0].file)

        # One function for the whole file: the library remembers which modules it reaches.
        def reaches(module: str) -> bool:
            return not own or module != own

        rows = [Row(r.state, r.tactic, file=r.file, decl=r.decl) for r in records]
        cited = [self._cite(row) for row in rows]
        opened = frozenset(
            name.removesuffix(f".{word}")
            for found in cited
            for name, word in found.items()
            if name != word
        )
        for record, found in zip(records, cited, strict=True):
            yield self._write(record, own, found, opened, reaches)

    def _cite(self, row: Row) -> dict[str, str]:
        """The lemmas that a row's step names, by full names, each as it is written there."""
        words = lemma_names(row.tactic)
        return {
            name: next(
                (w for w in words if name == w or name.endswith(f".{w}")),
                name,
            )
            for name in cited_lemmas(row, self._names)
            if name in self._by_name and name != row.decl
        }

    def _write(
        self,
        record: Record,
        own: str,
        cited: dict[str, str],
        opened: frozenset[str],
        reaches: Callable[[str], bool],
    ) -> Record:
        rng, plan = self._rng, self._plan
        if rng.random() < plan.without:
            return record
        before = self._stated_before(record, own)
        evidence = Evidence(
            record.state,
            "",
            _WithoutRow(self._index, record.tactic),  # type: ignore[arg-type]
            False,
            None,
            load_mixing(),
            tables={"file": PremiseTable(before)} if before else {},
            reaches=reaches,
        )
        found = [name for name in evidence.premises() if name != record.decl][:MOST_MENTIONED]
        if cited and rng.random() < plan.inserted and not any(name in cited for name in found):
            found = self._insert(found, rng.choice(sorted(cited)))
        inside = tuple(outer_names(record.decl.rpartition(".")[0]))
        scope = NameScope(opened.union(inside), inside=inside)
        written = {
            name: cited.get(name) or scope.write(name, knows=self._index.has_name) for name in found
        }
        shown = [Mention(written[name], self._conclusion(name), name) for name in found]
        record = attrs.evolve(record, premises=tuple(shown))
        if before and rng.random() < plan.renamed:
            record = self._rename(record, {statement.name for statement in before})
        return record

    def _stated_before(self, record: Record, own: str) -> list[Statement]:
        before: list[Statement] = []
        for statement in self._by_module.get(own, ()) if own else ():
            if statement.name == record.decl:
                return before
            before.append(statement)
        return []  # where the theorem is not known, nor is what stands before it

    def _insert(self, found: list[str], cited: str) -> list[str]:
        """The cited lemma at a random place, some of its namespace at the end."""
        kin = [name for name in self._by_namespace[cited.rpartition(".")[0]] if name != cited]
        negatives = self._rng.sample(kin, min(_HARD_NEGATIVES, len(kin)))
        kept = [name for name in found if name not in negatives]
        chosen = [*kept[: MOST_MENTIONED - 1 - len(negatives)], *negatives]
        chosen.insert(self._rng.randrange(len(chosen) + 1), cited)
        return chosen

    def _conclusion(self, name: str) -> str:
        statement = self._by_name.get(name) or self._index.find_statement(name)
        return statement.conclusion if statement else ""

    def _rename(self, record: Record, own: Collection[str]) -> Record:
        """The lemmas of the file by other names, the same in premises, goal and step."""
        state, tactic = record.state, record.tactic
        shown: list[Mention] = []
        for mention in record.premises:
            name = mention.name
            if mention.full in own:
                namespace, dot, last = mention.name.rpartition(".")
                name = f"{namespace}{dot}{self._invent(last)}"
                # Not at a step's beginning: a tactic of that name is no lemma.
                word = re.compile(rf"(?<![\w.'✝])(?<!^){re.escape(mention.name)}(?![\w'✝])")
                state, tactic = (word.sub(lambda _, n=name: n, text) for text in (state, tactic))
            shown.append(Mention(name, mention.conclusion))
        return attrs.evolve(record, state=state, tactic=tactic, premises=tuple(shown))

    def _invent(self, last: str) -> str:
        """Another name of about the same length: some of its words are another's."""
        words = last.split("_")
        for place in range(len(words)):
            if len(words) == 1 or self._rng.random() < 0.5:
                words[place] = self._rng.choice(self._words)
        return "_".join(words)


def _split(name: str) -> list[str]:
    """The words of a lemma's last component that are plain enough to stand in another's."""
    words = name.rpartition(".")[2].split("_")
    return [word for word in words if 2 <= len(word) <= 12 and word.isidentifier()]


class _WithoutRow:
    """A library without the row that it is asked about: its own step is no neighbour of it."""

    def __init__(self, index: LibraryIndex, tactic: str) -> None:
        self._index = index
        self._step = normal_form(tactic)

    def __getattr__(self, name: str) -> object:
        return getattr(self._index, name)

    def nearest(self, features: Collection[str], count: int) -> list[Neighbour]:
        """The steps on the most similar goals, without the row's own."""
        return [
            neighbour
            for neighbour in self._index.nearest(features, count)
            if neighbour.similarity < _ITSELF or normal_form(plain(neighbour.step)) != self._step
        ]


def draw_middles(records: Sequence[Record], count: int, seed: int) -> list[Record]:
    """A sample in which later steps of a proof are twice as likely as its first.

    Users ask in the middle of proofs; of a library's rows most are first steps.

    Args:
        records: The rows, those of one proof together.
        count: How many; all of them, once each, if there are fewer.
        seed: Of the random numbers.
    """
    rng = random.Random(seed)
    keyed: list[tuple[float, int]] = []
    last = ""
    for place, record in enumerate(records):
        key = f"{record.file}:{record.decl}"
        weight = 2.0 if record.decl and key == last else 1.0
        last = key
        # Efraimidis and Spirakis (2006): the largest keys are a weighted sample.
        keyed.append((rng.random() ** (1.0 / weight), place))
    chosen = sorted(place for _, place in sorted(keyed, reverse=True)[:count])
    return [records[place] for place in chosen]
