"""How many goals does `llmsearch` prove? Logic and small arithmetic, before and after.

The goals stand in `search_goals.txt`. Each is put to the closers alone, to the search of an earlier
commit, to the search without a model, and to the search with the built-in model, one after the
other, in the Lean 4.35 front end of the test suite. That front end has no library: `omega`, `grind`
and `exact?` do not run there, nor do Mathlib's tactics, and `simp_all` knows no lemmas, so the
table says what the search adds, not what a real project would see. A goal counts as proved when
the kernel has accepted it and it rests on no `sorry`.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
from common import HERE

from llmstep_workshop.evaluation.intervals import wilson

ROOT = HERE.parents[1]

BEFORE = "1784ce2"
HEADERS = (
    *ROOT.glob("tests/unit/**/core_logic.lean"),
    HERE / "search_header.lean",
)
# What runs in this front end, of the defaults.
CLOSERS = "rfl | assumption | contradiction | trivial | decide | simp_all"
CHUNK = 40


@attrs.frozen
class Goal:
    """A statement: binders and what is claimed, with its kind."""

    kind: str
    statement: str


@attrs.frozen
class Result:
    """Whether a goal was proved, in how many milliseconds, how."""

    proved: bool
    ms: int
    proof: str


@attrs.frozen
class Way:
    """A way to prove: a package and the options it runs under."""

    name: str
    commit: str | None
    options: dict[str, str]


WAYS = (
    Way("closers alone", None, {"structural": "false", "maxNodes": "0"}),
    Way(f"llmsearch at {BEFORE}", BEFORE, {}),
    Way("llmsearch, no model", None, {"maxNodes": "0"}),
    Way("llmsearch", None, {}),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--kind", help="goals of this kind only")
    parser.add_argument("--way", action="append", type=int, help="1 to 4; again for more")
    parser.add_argument("--every", type=int, default=1, help="each n-th goal only")
    parser.add_argument("--show", action="store_true", help="each proof, and what is not proved")
    options = parser.parse_args()
    goals = read_goals(HERE / "search_goals.txt", options.kind)[:: options.every]
    with tempfile.TemporaryDirectory(prefix="llmstep-search-") as folder:
        for number, way in enumerate(WAYS, 1):
            if options.way and number not in options.way:
                continue
            package = Package(Path(folder) / f"package{number}", way.commit)
            results = package.prove(goals, way, options.seconds, options.model)
            print_row(way.name, goals, results)
            if options.show:
                for goal, result in zip(goals, results, strict=True):
                    shown = result.proof.replace("\n", "\n        ")
                    mark = "ok" if result.proved else "--"
                    print(f"    {mark} {result.ms:6d} ms  {goal.statement}\n        {shown}")


def read_goals(file: Path, kind: str | None) -> list[Goal]:
    """The goals of a file, in its order."""
    lines = file.read_text(encoding="utf-8").splitlines()
    rows = [line.split(" | ", 1) for line in lines if line and not line.startswith("#")]
    return [Goal(k.strip(), text.strip()) for k, text in rows if kind in (None, k.strip())]


def print_row(name: str, goals: list[Goal], results: list[Result]) -> None:
    """One line of the table: all goals and each kind, the median time of what was proved."""
    cells = []
    for kind in dict.fromkeys(["all", *(goal.kind for goal in goals)]):
        proved = [r.proved for g, r in zip(goals, results, strict=True) if kind in ("all", g.kind)]
        cells.append(f"{kind} {sum(proved)}/{len(proved)} = {sum(proved) / len(proved):.3f}")
    times = [result.ms for result in results if result.proved] or [0]
    share = wilson(sum(r.proved for r in results), len(results))
    print(
        f"{name}: {'; '.join(cells)}; {share}; median {statistics.median(times):.0f} ms", flush=True
    )


def load_bed() -> ModuleType:
    """The front end of the test suite; its cache is kept inside the checkout."""
    os.environ.setdefault("LEANBED_CACHE", str(ROOT / "build" / "leanbed"))
    file = ROOT / "tests" / "lean" / "bed" / "leanbed.py"
    spec = importlib.util.spec_from_file_location("leanbed", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Package:
    """The Lean package of a commit, or of this checkout, compiled."""

    def __init__(self, folder: Path, commit: str | None) -> None:
        self.bed = load_bed()
        self.library = Path(self.bed.build())
        self.objects = folder / "objects"
        self.root = ROOT
        if commit:
            self.root = folder / "source"
            archive = subprocess.run(
                ["git", "archive", commit, "LLMstep", "LLMstep.lean"],
                cwd=ROOT,
                capture_output=True,
                check=True,
            )
            with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
                tar.extractall(self.root, filter="data")
        self._done: set[str] = set()
        self._compile("LLMstep")

    def _compile(self, module: str) -> None:
        if module in self._done:
            return
        self._done.add(module)
        relative = module.replace(".", "/")
        source = self.root / f"{relative}.lean"
        for name in self.bed.imports(source):
            if (self.root / (name.replace(".", "/") + ".lean")).is_file():
                self._compile(name)
        target = self.objects / f"{relative}.olean"
        target.parent.mkdir(parents=True, exist_ok=True)
        words = [f"--root={self.root}", "-o", str(target), "-i", str(target.with_suffix(".ilean"))]
        self._lean([*words, str(source)]).check_returncode()

    def _lean(self, arguments: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.bed.lean_cmd(), *self.bed.OPTS, "--json", *arguments],
            cwd=ROOT,
            env={
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
                "LEAN_PATH": f"{self.objects}{os.pathsep}{self.library}",
                **variables,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def check(self, text: str, **variables: str) -> list[dict[str, Any]]:
        """What Lean says about a file, one declaration after the other."""
        with tempfile.NamedTemporaryFile("w", suffix=".lean", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            run = self._lean(["-DElab.async=false", file.name], **variables)
        return [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]

    def prove(self, goals: list[Goal], way: Way, seconds: int, model: str) -> list[Result]:
        """Put the goals to `llmsearch`, one after the other."""
        results: list[Result] = []
        for start in range(0, len(goals), CHUNK):
            results += self._prove_some(goals[start : start + CHUNK], way, seconds, model)
        return results

    def _prove_some(self, goals: list[Goal], way: Way, seconds: int, model: str) -> list[Result]:
        header = "".join(file.read_text(encoding="utf-8") for file in HEADERS)
        # The kernel's verdict, and what the proof rests on, stand below each theorem.
        lines = ["import LLMstep", *header.splitlines()]
        lines.append(f'set_option llmstep.command "llmstep serve --model {model}"')
        settings = {"closers": f'"{CLOSERS}"', "timeoutMs": str(1000 * seconds), "report": "true"}
        lines += [
            f"set_option llmstep.search.{k} {v}" for k, v in {**settings, **way.options}.items()
        ]
        # The model is loaded before the first goal's clock runs.
        lines.append("theorem warm (p : Prop) (h : p) : p ∧ p ∧ p := by llmsearch")
        first: dict[int, int] = {}
        for number, goal in enumerate(goals):
            first[len(lines) + 1] = number
            binders, _, claim = _split(goal.statement)
            lines.append(f"theorem goal{number} {binders} : {claim} := by llmsearch")
            lines.append(f"#print axioms goal{number}")
        text = "\n".join(lines) + "\n"
        messages = self.check(text, LLMSTEP_LEAN_BATCH="true", LLMSTEP_CACHE="false")
        return _read(messages, goals, first)


def _split(statement: str) -> tuple[str, str, str]:
    depth = 0
    for index, letter in enumerate(statement):
        depth += (letter in "({[") - (letter in ")}]")
        if letter == ":" and not depth:
            return statement[:index], ":", statement[index + 1 :].strip()
    raise ValueError(statement)


def _read(messages: list[dict[str, Any]], goals: list[Goal], first: dict[int, int]) -> list[Result]:
    reports: dict[int, dict[str, object]] = {}
    bad: set[int] = set()
    sound: set[int] = set()
    for message in messages:
        where, text = message["pos"]["line"], message["data"]
        number = first.get(where, first.get(where - 1))
        if number is None:
            continue
        for part in text.split("\n"):
            if part.startswith("llmsearch: {"):
                reports[number] = json.loads(part.removeprefix("llmsearch: "))
        if message["severity"] == "error":
            bad.add(number)
        tells = "depends on axioms" in text or "does not depend on any axioms" in text
        if tells and "sorryAx" not in text and "bedSorry" not in text:
            sound.add(number)
    results = []
    for number in range(len(goals)):
        report = reports.get(number, {})
        proved = report.get("outcome") == "proof" and number in sound and number not in bad
        proof = str(report.get("proof") or report.get("outcome") or "error")
        results.append(Result(proved, int(str(report.get("ms", 0))), proof))
    return results


if __name__ == "__main__":
    main()
