"""A stand-in for `lake`: answers `lake env lean --json FILE` by what the file says.

What it does is scripted by words in the theorem: `slow` sleeps, `child` starts a process that would
outlive it, `silent` dies without a message.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path


def install(folder: Path) -> None:
    """Put an executable `lake` into a folder."""
    lake = folder / "lake"
    lake.write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} "$@"\n', encoding="utf-8")
    lake.chmod(lake.stat().st_mode | stat.S_IXUSR)


def say(severity: str, line: int, text: str) -> None:
    message = {"severity": severity, "pos": {"line": line, "column": 0}, "data": text}
    print(json.dumps(message), flush=True)


def line_of(text: str, part: str) -> int:
    return text.count("\n", 0, text.index(part)) + 1


def main() -> int:
    if sys.argv[1:4] != ["env", "lean", "--json"]:
        print("lake: unknown command", file=sys.stderr)
        return 2
    file = Path(sys.argv[4])
    text = file.read_text(encoding="utf-8")
    with Path("calls.txt").open("a", encoding="utf-8") as log:
        log.write(f"{file.name} {os.environ.get('LLMSTEP_MODEL')}\n")
    if text == "import LLMstep\n":
        if Path("unbuilt").exists():
            say("error", 1, "unknown module prefix 'LLMstep'")
            return 1
        return 0
    print("some tool's own output")
    if "silent" in text:
        print("lean died", file=sys.stderr)
        return 134
    if "child" in text:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        Path("child.pid").write_text(f"{os.getpid()} {child.pid}", encoding="utf-8")
    if "slow" in text:
        time.sleep(600)
    if "llmsearch" in text:
        return answer_search(text)
    if "llmprove" in text:
        return answer_proof(text)
    return answer_check(text)


def answer_search(text: str) -> int:
    line = line_of(text, "llmsearch\n")
    say("error", 1, "an error above the theorem")
    outcomes = {"exhausted": "exhausted", "used_up": "timeoutMs", "nodes": "maxNodes"}
    outcome = next((end for word, end in outcomes.items() if word in text), "proof")
    report = {"outcome": outcome, "expanded": 3, "checked": 9, "ms": 1500, "proof": None}
    if outcome == "proof":
        report["proof"] = "constructor\n· rfl\n· rfl"
    if "misspelt" in text:
        say("error", line - 1, "unknown identifier 'misspelt'")
        return 1
    before = "llmstep: no proof found\n" if outcome != "proof" else ""
    severity = "error" if outcome != "proof" else "information"
    say(severity, line, f"{before}llmsearch: {json.dumps(report)}")
    return 0 if outcome == "proof" else 1


def answer_proof(text: str) -> int:
    """A model that proves `third` with the third seed, and nothing that is called `never`."""
    line = line_of(text, "llmprove\n")
    seed = int(os.environ["LLMSTEP_SEED"])
    fails = "never" in text or ("third" in text and seed < 2)
    report = {
        "outcome": "rounds" if fails else "proof",
        "proof": None if fails else "constructor\n· rfl\n· rfl",
        "rounds": 3 if fails else 1,
        "tokens": 300 if fails else 100,
        "mended": not fails and "third" in text,
        "ms": 1500,
    }
    severity, before = ("error", "llmstep: no proof\n") if fails else ("information", "")
    say(severity, line, f"{before}llmprove: {json.dumps(report)}")
    return int(fails)


def answer_check(text: str) -> int:
    assert "  constructor\n  · rfl\n" in text
    assert "LLMstep" not in text
    line = line_of(text, "#print axioms")
    name = text.splitlines()[line - 1].removeprefix("#print axioms ")
    if "flaky" in text:
        say("error", line - 3, "tactic 'rfl' failed")
    if "unchecked" in text:
        return 1
    if "cheats" in text:
        say("information", line, f"'{name}' depends on axioms: [propext,\n sorryAx]")
    elif "classical" in text:
        say("information", line, f"'{name}' depends on axioms: [propext,\n Classical.choice]")
    else:
        say("information", line, f"'{name}' does not depend on any axioms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
