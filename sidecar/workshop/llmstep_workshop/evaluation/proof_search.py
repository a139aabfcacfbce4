"""Proving theorems: what `llmsearch` or `llmprove` proves within a budget, each checked again.

The tactic works inside Lean (`LLMstep/Search.lean`, `LLMstep/Prove.lean`) and reports how it ended.
A proof it finds counts when it stands in a fresh file without llmstep: no error, and no axioms but
Lean's own.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import attrs

from llmstep.config import Settings
from llmstep_workshop.evaluation.lean_project import LeanProject
from llmstep_workshop.evaluation.theorems import Theorem, add_import
from llmstep_workshop.lean_runner import LeanRun

Status = Literal["proved", "failed", "timeout", "error"]

# Propositional extensionality, choice and quotients: what Mathlib itself stands on.
STANDARD_AXIOMS = frozenset({"propext", "Classical.choice", "Quot.sound"})
# Beyond the search's own time: lake, Lean, the imports, the file above the theorem.
STARTUP_SECONDS = 180
RECHECK_SECONDS = 300

_REPORT = re.compile(r"^(?:llmsearch|llmprove): (\{.*\})$", re.MULTILINE)
_AXIOMS = re.compile(r"depends on axioms:\s*\[([^\]]*)\]")
_BRIEF = 300

ROUNDS, GAPS = "llmstep.prove.rounds", "llmstep.prove.gapMs"


@attrs.frozen
class SearchProtocol:
    """A budget for one theorem.

    Attributes:
        name: What results are known by.
        about: One line for people.
        seconds: Time of one call of the tactic.
        options: Lean options besides the time, as ``set_option`` takes them.
        temperature: Of the candidates; ``None`` leaves the settings'.
        sources: Where suggestions come from; empty leaves the settings'.
        tactic: What proves.
        tries: How often it is called, with another seed each time, until one call succeeds.
    """

    name: str
    about: str
    seconds: int
    options: Mapping[str, str] = attrs.field(factory=dict)
    temperature: float | None = None
    sources: tuple[str, ...] = ()
    tactic: Literal["llmsearch", "llmprove"] = "llmsearch"
    tries: int = 1

    @property
    def label(self) -> str:
        """Name, time and whatever else says what a result is worth."""
        parts = [f"{self.name} {self.seconds} s"]
        if self.tactic == "llmprove":
            parts.append(f"{self.options[ROUNDS]} rounds")
            parts.append(f"{self.tries} tries")
            if self.options.get(GAPS) == "0":
                parts.append("gaps left open")
        return ", ".join(parts)

    @property
    def room(self) -> str:
        """Where its tactic's options lie."""
        return "llmstep." + self.tactic.removeprefix("llm")


# The options' own defaults (LLMstep/Options.lean): what a user who writes `llmsearch` gets.
LLMSEARCH = SearchProtocol(
    "llmsearch", "depth 8, width 8, 32 expansions, closers beside the model", 60
)
# python/benchmarking/proofsearch of the first llmstep: best first by the sum of the steps' mean
# log-probabilities, beam search of width 32, 100 expansions, 600 s, no other tactics than the
# model's.
ORIGINAL = SearchProtocol(
    "original",
    "best-first, width 32, 100 expansions, no closers, beam search",
    600,
    {
        "llmstep.search.depth": "0",
        "llmstep.search.width": "32",
        "llmstep.search.maxNodes": "100",
        "llmstep.search.maxHeartbeats": "0",
        "llmstep.search.closers": '""',
        "llmstep.search.structural": "false",
        "llmstep.search.perLength": "false",
    },
    temperature=0.0,
    sources=("model",),
)
# What a user who writes `llmprove` gets.
PROVE = SearchProtocol(
    "prove",
    "3 rounds of whole proofs by the model, mended between them",
    120,
    {ROUNDS: "3"},
    tactic="llmprove",
)
PROTOCOLS = {protocol.name: protocol for protocol in (LLMSEARCH, ORIGINAL, PROVE)}


def shape_protocol(
    protocol: SearchProtocol, tries: int | None, rounds: int | None, gaps: bool | None
) -> SearchProtocol:
    """The protocol of whole proofs with other numbers; ``None`` leaves its own."""
    options = dict(protocol.options)
    if rounds is not None:
        options[ROUNDS] = str(rounds)
    if gaps is False:
        options[GAPS] = "0"
    return attrs.evolve(protocol, options=options, tries=tries or protocol.tries)


@attrs.frozen
class ProofResult:
    """What came of one theorem: one line of the results file.

    Attributes:
        name: The theorem's name.
        file: The file it comes from.
        line: Its line there.
        digest: Checksum of what was to be proved.
        status: ``proved`` (and checked again), ``failed`` (the search ended without a proof),
            ``timeout`` (its time was up), or ``error`` (Lean, the file or the sidecar failed).
        reason: How the search ended: ``proof``, ``exhausted``, the limit that was reached, or a
            message.
        proof: The tactics, if there are any.
        seconds: Time of the whole process, imports included.
        search_seconds: Time of the search alone.
        expansions: States for which the model was asked.
        checked: Tactics that Lean ran.
        axioms: Axioms the proof stands on.
        tries: Calls of the tactic; the last one found the proof, if there is one.
        rounds: Proofs that the model was asked for, in all calls.
        tokens: What it generated for them, thoughts included.
        mended: Whether the proof is the model's after mending.
        protocol: Label of the protocol.
        model: Name of the model.
    """

    name: str
    file: str
    line: int
    digest: str
    status: Status
    reason: str = ""
    proof: str | None = None
    seconds: float = 0.0
    search_seconds: float = 0.0
    expansions: int = 0
    checked: int = 0
    axioms: tuple[str, ...] = ()
    tries: int = 1
    rounds: int = 0
    tokens: int = 0
    mended: bool = False
    protocol: str = ""
    model: str = ""


def prove(
    theorem: Theorem, project: LeanProject, protocol: SearchProtocol, environment: Mapping[str, str]
) -> ProofResult:
    """Try to prove one theorem, and check the proof again if there is one.

    Args:
        theorem: What to prove.
        project: Where to prove it.
        protocol: The budget.
        environment: Of the Lean process, see `search_environment`.

    Returns:
        The result of the last call; times, tokens and counts are those of all calls.

    Raises:
        LeanProjectError: lake cannot be started.
    """
    result = _call(theorem, project, protocol, environment)
    while result.status not in ("proved", "error") and result.tries < protocol.tries:
        seed = str(int(environment["LLMSTEP_SEED"]) + result.tries)
        again = _call(theorem, project, protocol, {**environment, "LLMSTEP_SEED": seed})
        result = attrs.evolve(
            again,
            seconds=result.seconds + again.seconds,
            search_seconds=result.search_seconds + again.search_seconds,
            expansions=result.expansions + again.expansions,
            checked=result.checked + again.checked,
            tries=result.tries + 1,
            rounds=result.rounds + again.rounds,
            tokens=result.tokens + again.tokens,
        )
    return result


def _call(
    theorem: Theorem, project: LeanProject, protocol: SearchProtocol, environment: Mapping[str, str]
) -> ProofResult:
    """What one call of the tactic comes to."""
    text, line = search_text(theorem, protocol)
    limit = protocol.seconds + STARTUP_SECONDS
    run = project.run(text, "Search", limit, environment)
    blank = ProofResult(
        theorem.name,
        theorem.file,
        theorem.line,
        theorem.digest,
        "error",
        seconds=run.seconds,
        protocol=protocol.label,
        model=environment["LLMSTEP_MODEL"],
    )
    report = _read_report(run)
    if report is None:
        if run.timed_out:
            return attrs.evolve(blank, status="timeout", reason=f"killed after {limit} s")
        why = run.first_error(line) or run.first_error() or run.output
        return attrs.evolve(blank, reason=_brief(why) or f"Lean ended with {run.code}")
    outcome = str(report.get("outcome"))
    result = attrs.evolve(
        blank,
        status="timeout" if outcome == "timeoutMs" else "failed",
        reason=outcome,
        proof=report.get("proof"),
        search_seconds=float(report.get("ms", 0)) / 1000,
        expansions=int(report.get("expanded", 0)),
        checked=int(report.get("checked", 0)),
        rounds=int(report.get("rounds", 0)),
        tokens=int(report.get("tokens", 0)),
        mended=bool(report.get("mended", False)),
    )
    if outcome != "proof" or result.proof is None:
        return result
    return recheck(theorem, result, project, environment)


def recheck(
    theorem: Theorem, result: ProofResult, project: LeanProject, environment: Mapping[str, str]
) -> ProofResult:
    """The result of a proof as it stands without llmstep: ``proved``, or why it does not count.

    Raises:
        LeanProjectError: lake cannot be started.
    """
    text, line = recheck_text(theorem, result.proof or "")
    run = project.run(text, "Recheck", RECHECK_SECONDS, environment)
    if run.timed_out:
        reason = f"the proof did not pass within {RECHECK_SECONDS} s"
        return attrs.evolve(result, status="failed", reason=reason)
    if error := run.first_error(line):
        return attrs.evolve(result, status="failed", reason=f"the proof fails: {_brief(error)}")
    told = [message.text for message in run.messages if "axioms" in message.text]
    if not told:
        reason = _brief(run.output) or f"Lean ended with {run.code}"
        return attrs.evolve(result, status="error", reason=f"the proof was not checked: {reason}")
    named = _AXIOMS.search(told[-1])
    axioms = tuple(part.strip() for part in named[1].split(",")) if named else ()
    foreign = [axiom for axiom in axioms if axiom not in STANDARD_AXIOMS]
    if foreign:
        reason = f"the proof stands on {', '.join(foreign)}"
        return attrs.evolve(result, status="failed", reason=reason, axioms=axioms)
    return attrs.evolve(result, status="proved", axioms=axioms)


def search_text(theorem: Theorem, protocol: SearchProtocol) -> tuple[str, int]:
    """The file that calls the tactic, and the line its theorem begins at."""
    options = {
        **protocol.options,
        f"{protocol.room}.timeoutMs": str(1000 * protocol.seconds),
        f"{protocol.room}.report": "true",
        "llmstep.batch": "true",
    }
    lines = [f"set_option {name} {value}" for name, value in options.items()]
    before = add_import(f"{_ended(theorem.before)}{chr(10).join(lines)}\n\n", "LLMstep")
    return f"{before}{theorem.statement} := by\n  {protocol.tactic}\n", before.count("\n") + 1


def recheck_text(theorem: Theorem, proof: str) -> tuple[str, int]:
    """The file that checks a proof, and the line its theorem begins at."""
    before = _ended(theorem.before)
    block = "\n".join(f"  {line}" if line.strip() else "" for line in proof.split("\n"))
    text = f"{before}{theorem.statement} := by\n{block}\n\n#print axioms {theorem.declared}\n"
    return text, before.count("\n") + 1


def search_environment(
    settings: Settings, protocol: SearchProtocol, inherited: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """The environment of a search: this Python's sidecar, the settings' model, fresh answers.

    Lean options from the environment would override those of the protocol: they are left out.
    """
    kept = {k: v for k, v in inherited.items() if not k.startswith("LLMSTEP_LEAN_")}
    path = Path(settings.model).expanduser()
    temperature = settings.temperature if protocol.temperature is None else protocol.temperature
    own: dict[str, Any] = {
        "LLMSTEP_COMMAND": f'"{sys.executable}" -m llmstep serve',
        # Lean runs in the project's folder: a relative path would mean another file there.
        "LLMSTEP_MODEL": str(path.resolve()) if path.exists() else settings.model,
        "LLMSTEP_PROMPT": settings.prompt,
        "LLMSTEP_LIBRARY": settings.library,
        "LLMSTEP_SOURCES": ",".join(protocol.sources or settings.sources),
        "LLMSTEP_SEED": settings.seed,
        "LLMSTEP_TEMPERATURE": temperature,
        "LLMSTEP_TOP_P": settings.top_p,
        "LLMSTEP_CONTEXT_TOKENS": settings.context_tokens,
        "LLMSTEP_THREADS": settings.threads,
        "LLMSTEP_CACHE": "false",
    }
    return kept | {name: str(value) for name, value in own.items() if value is not None}


def _read_report(run: LeanRun) -> dict[str, Any] | None:
    """The tactic's own account, the last one if there are several."""
    for message in reversed(run.messages):
        if found := _REPORT.search(message.text):
            try:
                report = json.loads(found[1])
            except ValueError:
                continue
            if isinstance(report, dict):
                return report
    return None


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _brief(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _BRIEF else line[: _BRIEF - 1] + "…"
