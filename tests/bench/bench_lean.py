"""Do the suggestions run? Elementary goals of held-out templates, each suggestion run by Lean.

Goals of propositional and first-order logic, of templates that no training row has, asked through
a sidecar, 8 suggestions each. Every suggestion is run by the Lean 4.35 front end of the test suite
(genuine parser, elaborator and kernel; no library, so `simp` knows no lemmas and `omega` does not
run: what only they can do counts as failed). `--model` compares models, `--sources` what they are
mixed with.
"""

from __future__ import annotations

import argparse
import math
import os
import sys

from common import HERE

from llmstep.config import SOURCES
from llmstep.handshake import SidecarClient
from llmstep_workshop.data.lean_check import Finding, Lean
from llmstep_workshop.data.records import Record
from llmstep_workshop.data.synthetic import generate
from llmstep_workshop.evaluation.intervals import wilson

ROOT = HERE.parents[1]
FAMILIES = ("propositional", "quantified")
HEADER = ROOT / "tests" / "unit" / "workshop" / "data" / "core_logic.lean"
WAIT_S = 120.0
COUNT = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--goals", type=int, default=200)
    parser.add_argument("--model", action="append", help="model id or path; again for more")
    parser.add_argument("--sources", action="append", help="as in LLMSTEP_SOURCES; again for more")
    parser.add_argument("--count", type=int, default=COUNT, help="suggestions asked for (8)")
    parser.add_argument("--scores", action="store_true", help="which scores run, for one model")
    options = parser.parse_args()
    rows = generate(options.goals, 99, FAMILIES, "valid")
    goals = list(dict.fromkeys(row.state for row in rows))
    lean = open_lean()
    if options.scores:
        compare_scores((options.model or ["builtin"])[0], goals, lean)
        return
    families = ", ".join(FAMILIES)
    print(f"{len(goals)} goals of held-out templates ({families}), {options.count} suggestions")
    for model in options.model or ["builtin"]:
        for sources in options.sources or ["model", "model,library,file,portfolio"]:
            answers = ask(model, sources, goals, options.count)
            compare(f"{model} [{sources}]", answers, lean)


def open_lean() -> Lean:
    """The front end, with the lemmas of core logic that its stand-in library lacks."""
    os.environ.setdefault("LEANBED_CACHE", str(ROOT / "build" / "leanbed"))
    front_end = (sys.executable, str(ROOT / "tests" / "lean" / "bed" / "leanbed.py"), "lean")
    header = HEADER.read_text(encoding="utf-8")
    return Lean((*front_end, "-Dinterpreter.prefer_native=false"), header=header)


def compare_scores(model: str, goals: list[str], lean: Lean) -> None:
    """Print how many of the suggestions with a score of so many nats run."""
    answers = ask(model, ",".join(SOURCES), goals, count=3 * COUNT)
    offered = [(goal, tactic, score) for goal, items in answers for tactic, score in items]
    good = find_good([Record(goal, tactic) for goal, tactic, _ in offered], lean)
    for nats in sorted({math.floor(score) for _, _, score in offered}, reverse=True):
        pairs = [(g, t) for g, t, score in offered if math.floor(score) == nats]
        ran = sum(pair in good for pair in pairs)
        print(f"  {nats:4} to {nats + 1:3}   {ran:4} of {len(pairs):4} run", flush=True)


def ask(
    model: str, sources: str, goals: list[str], count: int = COUNT
) -> list[tuple[str, list[tuple[str, float]]]]:
    """The suggestions for each goal, with their scores, in a file that imports no Mathlib."""
    command = [sys.executable, "-m", "llmstep", "serve", "--model", model]
    document = {"uri": "file:///A.lean", "textBefore": "import LLMstep\n\nexample : True := by\n  "}
    answers: list[tuple[str, list[tuple[str, float]]]] = []
    with SidecarClient(command, {"LLMSTEP_SOURCES": sources}) as sidecar:
        sidecar.initialize(WAIT_S)
        for goal in goals:
            params = {"goals": [goal], "prefix": "", "n": count, "document": document}
            answer = sidecar.request("llmstep/suggest", params, WAIT_S)
            found = [(item["tactic"], item["score"]) for item in answer["suggestions"]]
            answers.append((goal, found))
        sidecar.shut_down(WAIT_S)
    return answers


def compare(name: str, answers: list[tuple[str, list[tuple[str, float]]]], lean: Lean) -> None:
    """Run all suggestions and print how many run, and how many close their goal."""
    steps = [Record(goal, tactic) for goal, items in answers for tactic, _ in items]
    runs = find_good(steps, lean)
    closes = find_good([Record(step.state, f"({step.tactic}); done") for step in steps], lean)
    print(name)
    print(f"  suggestions that run           {share(len(runs), len(steps))}")
    print(f"  goals with one that runs       {share(count_goals(runs), len(answers))}")
    print(
        f"  goals that one of them closes  {share(count_goals(closes), len(answers))}", flush=True
    )


def count_goals(found: set[tuple[str, str]]) -> int:
    """How many goals are among the pairs."""
    return len({goal for goal, _ in found})


def find_good(steps: list[Record], lean: Lean) -> set[tuple[str, str]]:
    """The goals and tactics of the steps that Lean accepts."""
    findings: list[Finding] = lean.check(steps)
    pairs = zip(steps, findings, strict=True)
    return {(step.state, step.tactic) for step, finding in pairs if finding.verdict == "good"}


def share(count: int, total: int) -> str:
    """A share with its 95 % interval."""
    return f"{count / total:.3f} ({wilson(count, total)})"


if __name__ == "__main__":
    main()
