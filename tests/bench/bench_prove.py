"""How many proofs with one fault are mended without asking the model again?

The proofs stand in `almost_right.toml`: right ones, spoiled in ten ways. Each is given to what
`llmprove` does between two rounds, in the Lean 4.35 front end of the test suite, where neither
`omega` nor `simp`'s lemmas nor Mathlib help. The last row gives the same goals no proof at all:
what the search alone finds says nothing about mending. A proof counts when the kernel has accepted
it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import tomllib
from pathlib import Path

import attrs
from bench_search import CLOSERS, HEADERS, Package
from common import HERE

PRELUDE = """
open Lean Elab Tactic LLMstep in
elab "mended " text:str : tactic => do
  let started ← IO.monoMsNow
  let mending ← mendingWith (started + 60000) {gap} (← limitsFromOptions)
  let found ← mend mending text.getString
  let closes := match found.checked?.map (·.outcome) with
    | some .closes => true
    | _ => false
  let json := Json.mkObj [
    ("closes", toJson closes), ("ms", toJson ((← IO.monoMsNow) - started)),
    ("proof", toJson ((found.checked?.map (·.tactic)).getD "")),
    ("faults", toJson (found.faults.map (·.text)))]
  logInfo s!"mended: {json.compress}"
  if closes then runBlock (← getMainGoal) ((found.checked?.map (·.tactic)).getD "")
"""


@attrs.frozen
class Spoiled:
    """A statement and a proof of it with a fault of this kind."""

    kind: str
    statement: str
    proof: str


@attrs.frozen
class Outcome:
    """Whether it was mended, in how many milliseconds, to what."""

    closed: bool
    ms: int
    proof: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gap", type=int, default=3000, help="milliseconds for each gap")
    parser.add_argument("--show", action="store_true", help="what is not mended")
    options = parser.parse_args()
    proofs = read_proofs(HERE / "almost_right.toml")
    whole = [Spoiled("right", p.statement, "") for p in proofs if p.kind == "wrong name"]
    with tempfile.TemporaryDirectory(prefix="llmstep-prove-") as folder:
        package = Package(Path(folder) / "package", None)
        outcomes = run(package, proofs, options.gap)
        for kind in dict.fromkeys(proof.kind for proof in proofs):
            print_row(kind, [o for p, o in zip(proofs, outcomes, strict=True) if p.kind == kind])
        print_row("all", outcomes)
        alone = run(package, whole, options.gap)
        print_row("no proof given, search alone", alone)
        hard = {w.statement for w, o in zip(whole, alone, strict=True) if not o.closed}
        pairs = zip(proofs, outcomes, strict=True)
        if beyond := [o for p, o in pairs if p.statement in hard]:
            print_row("all of goals that the search alone does not prove", beyond)
        if options.show:
            for proof, outcome in zip(proofs, outcomes, strict=True):
                if not outcome.closed:
                    print(
                        f"--- {proof.kind}: {proof.statement}\n{proof.proof}\n>>>\n{outcome.proof}"
                    )


def read_proofs(file: Path) -> list[Spoiled]:
    """The spoiled proofs of a file, in its order."""
    spoiled = []
    for theorem in tomllib.loads(file.read_text(encoding="utf-8"))["theorem"]:
        right = theorem["proof"].strip("\n") + "\n"
        for kind, (old, new) in theorem["faults"].items():
            if old not in right:
                raise ValueError(f"{kind}: {old!r} is not in the proof")
            proof = right.replace(old, new, 1).rstrip("\n")
            spoiled.append(Spoiled(kind, theorem["statement"], proof))
    return spoiled


def print_row(name: str, outcomes: list[Outcome]) -> None:
    """One line of the table."""
    closed = sum(outcome.closed for outcome in outcomes)
    median = statistics.median([outcome.ms for outcome in outcomes])
    print(
        f"{name}: {closed}/{len(outcomes)} = {closed / len(outcomes):.2f}; median {median:.0f} ms"
    )


def run(package: Package, proofs: list[Spoiled], gap: int) -> list[Outcome]:
    """Give each proof to Lean."""
    header = "".join(file.read_text(encoding="utf-8") for file in HEADERS)
    prelude = PRELUDE.replace("{gap}", str(gap))
    lines = ["import LLMstep", *header.splitlines(), *prelude.splitlines()]
    lines.append(f'set_option llmstep.search.closers "{CLOSERS}"')
    numbers: dict[int, int] = {}
    for number, proof in enumerate(proofs):
        numbers[len(lines) + 1] = number
        text = json.dumps(proof.proof, ensure_ascii=False)
        lines.append(f"theorem goal{number} {proof.statement} := by mended {text}")
    messages = package.check("\n".join(lines) + "\n")
    found: dict[int, dict[str, object]] = {}
    refused: set[int] = set()
    for message in messages:
        number = numbers.get(message["pos"]["line"])
        if number is None:
            continue
        if message["data"].startswith("mended: "):
            found[number] = json.loads(message["data"].removeprefix("mended: "))
        elif message["severity"] == "error":
            refused.add(number)
    outcomes = []
    for number in range(len(proofs)):
        row = found.get(number, {})
        closed = row.get("closes") is True and number not in refused
        shown = f"{row.get('proof', '')}\n{row.get('faults', '')}"
        outcomes.append(Outcome(closed, int(str(row.get("ms", 0))), shown))
    return outcomes


if __name__ == "__main__":
    main()
