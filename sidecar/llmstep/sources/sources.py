"""The sources of suggestions that are in use, and the files behind them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from llmstep import paths
from llmstep.backends.base import CancelToken
from llmstep.config import Settings
from llmstep.errors import LLMStepError
from llmstep.limits import explain_limit
from llmstep.prompts.goal import parse_goal
from llmstep.sources import mixing, portfolio
from llmstep.sources.evidence import Evidence
from llmstep.sources.goal_readers import GOAL_READERS
from llmstep.sources.libraries import (
    NOTHING,
    AnyLibrary,
    AtHand,
    Libraries,
    ProjectTable,
)
from llmstep.sources.library_index import LibraryIndex
from llmstep.sources.mixing import load_mixing
from llmstep.sources.name_table import NameTables
from llmstep.sources.portfolio import imports_core_only, is_core_module, load_portfolio
from llmstep.sources.premise_source import FoundLemmas, find_by_text, rank_premises
from llmstep.sources.premises import PremiseTable, Ranker
from llmstep.sources.ranking import Origin

# What reads Lean text is imported by the first question that brings some.
if TYPE_CHECKING:
    from llmstep.lean_text.document import LeanDocument
    from llmstep.sources.name_completion import FoundName, FoundNames, NameQuestion
    from llmstep.sources.projects import Projects, ProjectStatus

log = logging.getLogger(__name__)

BUILTIN_LIBRARY = "builtin"
BUILTIN_FILE = "llmstep-builtin.tactics"


def library_path(name: str) -> Path:
    """The file of a library: a path, or ``builtin``."""
    if name == BUILTIN_LIBRARY:
        return paths.models_dir() / BUILTIN_FILE
    return paths.expand(name)


class Sources:
    """Library, file and portfolio as the settings want them.

    A library that cannot be read is reported once in the log and done without: the other sources
    still answer.
    """

    def __init__(self, settings: Settings) -> None:
        self._wanted: Collection[str] = settings.sources
        self._library_path = library_path(settings.library)
        self._knows_names = settings.known_names and "model" in settings.sources
        self._index: LibraryIndex | None = None
        self._opening = threading.Lock()
        self._tried = False
        self._reads_projects = settings.project and self.others
        self._projects: Projects | None = None
        # Of the text before the declaration at hand, by its digest; of what is at hand besides, by
        # its version.
        self._file_table: tuple[str, PremiseTable] | None = None
        self._project_table: tuple[str, ProjectTable] | None = None
        self._name_tables = NameTables()
        self._last_said: tuple[tuple[str, ...], list[str]] | None = None

    @property
    def model(self) -> bool:
        """Whether the model is asked."""
        return "model" in self._wanted

    @property
    def others(self) -> bool:
        """Whether any source besides the model is in use."""
        return any(source != "model" for source in self._wanted)

    @property
    def searched(self) -> bool:
        """Whether lemmas are looked for anywhere."""
        return bool({"library", "file"}.intersection(self._wanted)) or self._reads_projects

    def prepare(self, text_before: str, uri: str = "") -> None:
        """Read what the first question would have to wait for."""
        self._at_hand(text_before, uri)
        if self.others:
            self._open()
            load_mixing()
        if "portfolio" in self._wanted:
            load_portfolio()
        if "file" in self._wanted and text_before:
            from llmstep.sources.file_proofs import read_proofs

            read_proofs(text_before)

    def prepare_names(self, cancel: CancelToken) -> None:
        """Read, or count for a second, the names that the question to the model needs."""
        if self.others and self._knows_names and (index := self._open()) is not None:
            index.prepare_names(lambda: not cancel.is_set())

    def gather(self, goal: str, text_before: str, prefix: str = "", uri: str = "") -> Evidence:
        """What these sources say about a printed goal, and about steps that start with the prefix.

        By the uri the file's project is found.
        """
        return self._gather(goal, text_before, prefix, self._at_hand(text_before, uri))

    def _gather(self, goal: str, text_before: str, prefix: str, at_hand: AtHand) -> Evidence:
        index = self._library(at_hand)
        return Evidence(
            goal,
            text_before,
            index,
            "file" in self._wanted,
            load_portfolio() if "portfolio" in self._wanted else None,
            load_mixing(),
            prefix,
            tables=self._tables(text_before, at_hand),
            readers={name: read for name, read in GOAL_READERS.items() if name in self._wanted},
            imported=at_hand.reaches,
        )

    def find_lemmas(
        self, *, goal: str, text: str, count: int, text_before: str = "", uri: str = ""
    ) -> FoundLemmas:
        """The statements of file, project and library that fit a goal, or a text.

        Args:
            goal: A printed goal; or empty, then `text` counts.
            text: A name or half of one, a formula, or words.
            count: How many at most.
            text_before: The file up to the question, or empty.
            uri: Name of the file, by which its project is found.
        """
        from llmstep.lean_text.document import read_document

        at_hand = self._at_hand(text_before, uri)
        if not text_before:
            # Nothing says what is imported: all of the project counts.
            at_hand = attrs.evolve(at_hand, reaches=None, version=f"{at_hand.version} whole")
        if goal:
            found = self._gather(goal, text_before, "", at_hand).find_lemmas(count)
        else:
            index = self._library(at_hand)
            names = read_document(text_before).names()
            knows = index.has_name if index is not None else lambda _: False
            found = find_by_text(
                text,
                index,
                self._tables(text_before, at_hand),
                count,
                reaches=self._reaches(text_before, at_hand),
                write=lambda s: names.write(s.name, protected=s.protected, knows=knows),
                namespaces=sorted(names.opened),
            )
        return FoundLemmas(tuple(found), at_hand.missing)

    def look_around(self, goal: str, text_before: str, prefix: str = "") -> Evidence:
        """What library and file say of a goal, where no other source than the model is asked.

        The setting `sources` says who proposes steps; this is for the question to the model: which
        premises it is shown, and which names exist.
        """
        tables: dict[Origin, Ranker] = {}
        if text_before:
            tables["file"] = self._read_table(text_before)
        index = self._read_index()
        mixing = load_mixing()
        return Evidence(goal, text_before, index, False, None, mixing, prefix, tables=tables)

    def complete_names(self, question: NameQuestion) -> FoundNames:
        """Tactics and lemmas that can be named at a place, by how their names begin."""
        from llmstep.lean_text.document import read_document
        from llmstep.sources.name_completion import (
            MOST_NAMES,
            SHORTEST_NAME,
            FoundNames,
            NameFinder,
            Shelf,
            find_tactics,
        )

        before, word = question.text_before, question.word
        at_hand = self._at_hand(before, question.uri)
        index = self._library(at_hand)
        reaches = self._reaches(before, at_hand)
        libraries = list(_shelves(index, reaches))
        shelves = [
            Shelf(library, self._name_tables.get(library), origin, usable)
            for library, origin, usable in libraries
        ]
        document = read_document(before)
        found: list[FoundName] = []
        if question.tactics:
            core_only = imports_core_only(before) or bool(
                at_hand.reaches and at_hand.reaches.without_mathlib
            )
            found += find_tactics(word, document, shelves, core_only=core_only)
        if question.lemmas and (len(word) >= SHORTEST_NAME or "." in word):
            knows = index.has_name if index is not None else lambda _: False
            said = self._said(document, index, at_hand, reaches)
            finder = NameFinder(word, document.names(), knows, said)
            for shelf in reversed(shelves):
                finder.add_shelf(shelf)
            finder.add_statements(at_hand.edited, "project")
            if "file" in self._wanted:
                finder.add_statements(document.statements(), "file")
            found += finder.best()
        ready = all(shelf.table is not None for shelf in shelves)
        return FoundNames(tuple(found), complete=ready and len(found) < MOST_NAMES)

    def _said(
        self,
        document: LeanDocument,
        index: AnyLibrary | None,
        at_hand: AtHand,
        reaches: Callable[[str], bool] | None,
    ) -> list[str]:
        """Statements that speak of what the last declaration states, the nearest first."""
        from llmstep.prompts.stated_goal import goal_of

        declared = document.declarations(last=True)[-1:]
        goal = goal_of(declared[0]) if declared else ""
        key = (goal, document.finished_digest(), at_hand.version)
        known = self._last_said
        if known is None or known[0] != key:
            tables = self._tables(document.text, at_hand)
            ranked = rank_premises(parse_goal(goal), index, tables, {}, reaches) if goal else []
            known = self._last_said = key, [premise.statement.name for premise in ranked]
        return known[1]

    def _reaches(self, text_before: str, at_hand: AtHand) -> Callable[[str], bool] | None:
        """Which modules of a library a file can use; ``None`` for all."""
        if at_hand.reaches is not None:
            return at_hand.reaches
        return is_core_module if imports_core_only(text_before) else None

    def note_document(self, uri: str, text: str | None) -> None:
        """A document was opened or changed in an editor; ``None`` when it was closed."""
        if (projects := self._share_projects()) is not None:
            projects.note_document(uri, text)

    def project_status(self) -> list[ProjectStatus]:
        """How far the projects that were asked about have been read."""
        return self._projects.status() if self._projects is not None else []

    def close(self) -> None:
        """Let go of the projects."""
        with self._opening:
            self._reads_projects = False
            projects, self._projects = self._projects, None
        if projects is not None:
            from llmstep.sources.projects import release_projects

            release_projects(projects)

    def _share_projects(self) -> Projects | None:
        if self._reads_projects and self._projects is None:
            from llmstep.sources.projects import share_projects

            with self._opening:
                if self._reads_projects and self._projects is None:
                    self._projects = share_projects()
        return self._projects

    def _library(self, at_hand: AtHand) -> AnyLibrary | None:
        """The library, with the indexes of the project where there are some."""
        index = self._open()
        if "library" in self._wanted and (at_hand.libraries or at_hand.reaches):
            return Libraries(index, at_hand)
        return index

    def _at_hand(self, text_before: str, uri: str) -> AtHand:
        projects = self._share_projects() if uri else None
        return projects.at_hand(uri, text_before) if projects is not None else NOTHING

    def _tables(self, text_before: str, at_hand: AtHand) -> dict[Origin, Ranker]:
        """What is stated at hand, by where it stands."""
        tables: dict[Origin, Ranker] = {}
        if at_hand.edited or any(library.project for library in at_hand.libraries):
            of_project = self._project_table  # another thread may ask about another file
            if of_project is None or of_project[0] != at_hand.version:
                of_project = self._project_table = at_hand.version, ProjectTable(at_hand)
            tables["project"] = of_project[1]
        if "file" in self._wanted and text_before:
            tables["file"] = self._read_table(text_before)
        return tables

    def _read_table(self, text_before: str) -> PremiseTable:
        from llmstep.lean_text.document import read_document

        document = read_document(text_before)
        digest = document.finished_digest()
        known = self._file_table
        if known is None or known[0] != digest:
            known = self._file_table = digest, PremiseTable(document.statements())
        return known[1]

    def fingerprint(
        self, text_before: str, uri: str = "", *, looks_around: bool = False
    ) -> dict[str, object]:
        """What an answer depends on besides the model, as plain values.

        With `looks_around` library and file count also if they are no sources.
        """
        if not self.others and not looks_around:
            return {"sources": sorted(self._wanted)}
        files = [paths.models_dir() / mixing.FILE_NAME, paths.models_dir() / portfolio.FILE_NAME]
        files += [self._library_path] if looks_around or "library" in self._wanted else []
        proofs = ""
        if text_before:
            from llmstep.lean_text.document import read_document

            # The declaration that the question stands in is not learned from.
            proofs = read_document(text_before).finished_digest()
        return {
            "sources": sorted(self._wanted),
            "files": [(str(path), _stamp(path)) for path in files],
            "proofs": proofs,
            "project": self._at_hand(text_before, uri).version,
        }

    def _open(self) -> LibraryIndex | None:
        return self._read_index() if "library" in self._wanted else None

    def _read_index(self) -> LibraryIndex | None:
        with self._opening:
            if not self._tried:
                self._tried = True
                try:
                    self._index = LibraryIndex(self._library_path)
                except LLMStepError as error:
                    log.warning("no suggestions from the library: %s %s", error.message, error.hint)
                except ImportError as error:
                    limit = explain_limit(error)
                    log.warning(
                        "no suggestions from the library: %s", limit.message if limit else error
                    )
            return self._index


def _shelves(
    index: AnyLibrary | None, reaches: Callable[[str], bool] | None
) -> Iterable[tuple[LibraryIndex, Origin, Callable[[str], bool] | None]]:
    """The indexes that a library is made of."""
    if isinstance(index, Libraries):
        return index.shelves(reaches)
    return [(index, "library", reaches)] if index is not None else []


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return status.st_mtime_ns, status.st_size
