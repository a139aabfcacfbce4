"""What lemmas cost: a warm suggestion with a document, and a library of growing size.

Usage: ``python tests/bench/bench_lemmas.py [latency] [library]``. Documents and libraries are made
of the statements in the shipped index, so that they are like real ones: documents of so many bytes,
libraries of half, one and two Mathlibs (the second one is the first under other names).
"""

from __future__ import annotations

import asyncio
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import psutil
from common import load_cases

from llmstep.config import Settings
from llmstep.lean_text.statements import Statement
from llmstep.prompts.goal import parse_goal
from llmstep.service.question import Document, SuggestRequest
from llmstep.service.suggest import SuggestService
from llmstep.sources.index_writer import write_index
from llmstep.sources.library_index import LibraryIndex
from llmstep.sources.sources import BUILTIN_LIBRARY, library_path
from llmstep.sources.statement_features import goal_query

CANDIDATES = 24
SIZES_KB = (0, 20, 60, 200)
ROUNDS = 3
PARTS = (0.5, 1.0, 2.0)


def all_statements(index: LibraryIndex) -> Iterator[Statement]:
    """The statements of an index, in the order of its rows."""
    found = map(index.find_statement, index.iter_names())
    return (statement for statement in found if statement is not None)


def make_document(statements: list[Statement], size: int) -> str:
    """A file that states so many bytes, each theorem proved in a line or two."""
    if not size:
        return ""
    text, total = ["import Mathlib\n\nnamespace Bench\n\n"], 0
    for statement in statements:
        name = statement.name.rpartition(".")[2]
        text.append(
            f"theorem {name} {statement.binders} :\n    {statement.conclusion} := by\n"
            f"  have := {statement.name}\n  simpa using this\n\n"
        )
        total += len(text[-1].encode())
        if total >= size:
            break
    return "".join(text)


def time_questions(sources: tuple[str, ...]) -> None:
    """Print seconds of the wall and of the processor for each size of document."""
    index = LibraryIndex(library_path(BUILTIN_LIBRARY))
    # Neighbours are of one file, as in a real one.
    statements = list(itertools.islice(all_statements(index), 40_000, 48_000))
    documents = {kb: make_document(statements, kb * 1000) for kb in SIZES_KB}
    goals = [goal for goal, _ in load_cases()]
    wall: dict[int, list[float]] = {kb: [] for kb in SIZES_KB}
    work: dict[int, list[float]] = {kb: [] for kb in SIZES_KB}
    with tempfile.TemporaryDirectory() as home, asyncio.Runner() as runner:
        os.environ["LLMSTEP_HOME"] = home
        service = SuggestService(attrs.evolve(Settings(), cache=False, sources=sources))

        def ask(goal: str, kb: int, number: int) -> None:
            text = documents[kb]
            # Between two questions something was written.
            text += f"example : {'p' * (number + 1)} := by\n  " if text else ""
            document = Document("file:///nowhere/bench.lean", text) if text else None
            runner.run(service.suggest(SuggestRequest((goal,), n=CANDIDATES, document=document)))

        for kb in SIZES_KB:
            ask(goals[0], kb, 0)
        for number, goal in itertools.product(range(ROUNDS), goals):
            for kb in SIZES_KB:
                begin, begun = time.perf_counter(), time.process_time()
                ask(goal, kb, number)
                wall[kb].append(time.perf_counter() - begin)
                work[kb].append(time.process_time() - begun)
        rss = psutil.Process().memory_info().rss / 1e6
        service.close()
    print(f"{', '.join(sources)}; {rss:.0f} MB resident")
    base = statistics.median(work[0])
    for kb in SIZES_KB:
        slow = sorted(wall[kb])[int(0.9 * len(wall[kb]))]
        print(
            f"  document of {kb:>3} kB: median {1e3 * statistics.median(wall[kb]):6.0f} ms, "
            f"p90 {1e3 * slow:6.0f} ms; processor {1e3 * statistics.median(work[kb]):6.0f} ms, "
            f"{statistics.median(work[kb]) / base:.2f} times that without"
        )


def grow(index: LibraryIndex, part: float) -> Iterator[Statement]:
    """So many times the statements of an index."""
    for number, statement in enumerate(all_statements(index)):
        if part >= 1 or number % round(1 / part) == 0:
            yield statement
    for copy in range(1, int(part)):
        for statement in all_statements(index):
            yield attrs.evolve(
                statement,
                name=f"{statement.name}_copy{copy}",
                module=f"Copy{copy}.{statement.module}",
            )


def processor_time(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def time_libraries() -> None:
    """Print what libraries of several sizes cost."""
    shipped = LibraryIndex(library_path(BUILTIN_LIBRARY))
    goals = [goal_query(parse_goal(goal)) for goal, _ in load_cases()]
    rows: list[tuple[int, float, float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        for part in PARTS:
            path = Path(folder) / f"{part}.tactics"
            statements = list(grow(shipped, part))
            build = processor_time(lambda: write_index(path, [], statements))  # noqa: B023
            index = LibraryIndex(path)
            index.premises(goals[0], 100)
            times = [
                processor_time(lambda goal=goal: index.premises(goal, 100))  # noqa: B023
                for _ in range(ROUNDS)
                for goal in goals
            ]
            size = path.stat().st_size / 1e6
            rows.append((len(statements), build, size, 1e3 * statistics.median(times)))
    print("statements   build (processor)   size        looking up (processor, median)")
    for count, build, size, lookup in rows:
        print(
            f"{count:>10,}   {build:6.1f} s ({build / rows[1][1]:4.2f})   "
            f"{size:5.1f} MB ({size / rows[1][2]:4.2f})   "
            f"{lookup:5.2f} ms ({lookup / rows[1][3]:4.2f})"
        )


def main() -> None:
    """Measure what is named, else all."""
    chosen = sys.argv[1:] or ["latency", "library"]
    print(f"load average {psutil.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    if "latency" in chosen:
        time_questions(("library", "file", "goal", "portfolio"))
        time_questions(("model", "library", "file", "goal", "portfolio"))
    if "library" in chosen:
        time_libraries()


if __name__ == "__main__":
    main()
