"""``llmstep eval --lean``: how many theorems of a Lean project are proved within a budget."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from llmstep.config import Settings
    from llmstep_workshop.evaluation.proof_search import ProofResult, SearchProtocol
    from llmstep_workshop.evaluation.results_file import PassRate


def search_proofs(
    settings: Settings,
    folder: Path,
    files: tuple[Path, ...],
    split: str | None,
    protocol: SearchProtocol,
    output: Path | None,
    jobs: int,
    seconds: int | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """Prove what can be, tell of each theorem on stderr, and print the pass rate.

    Raises:
        LLMStepError: The theorems, the project, the model or the results file cannot be used.
    """
    import attrs
    import psutil

    from llmstep.errors import NoProofModeError
    from llmstep.service.catalog import find_model
    from llmstep.service.proofs import list_provers
    from llmstep_workshop.evaluation.exposure import warn_about
    from llmstep_workshop.evaluation.lean_project import LeanProject
    from llmstep_workshop.evaluation.proof_search import search_environment
    from llmstep_workshop.evaluation.results_file import ResultsFile, count_results
    from llmstep_workshop.evaluation.search_run import search_all
    from llmstep_workshop.evaluation.theorems import collect_theorems

    if seconds is not None:
        protocol = attrs.evolve(protocol, seconds=seconds)
    theorems = collect_theorems(files, split)[:limit]
    model = find_model(settings.model)  # a wrong name is told before Lean starts
    if protocol.tactic == "llmprove" and not (model.card.proof or settings.proof_prompt):
        raise NoProofModeError(model.id, list_provers())
    if warning := warn_about(model.id, theorems):
        click.echo(f"llmstep: {warning}", err=True)
    if jobs > 1 and not settings.threads:
        # Each sidecar would take all cores for its own.
        cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
        settings = attrs.evolve(settings, threads=max(1, cores // jobs))
    environment = search_environment(settings, protocol)
    project = LeanProject(folder)
    path = output or default_output(protocol.label, model.id)
    results = ResultsFile(path, protocol.label, environment["LLMSTEP_MODEL"])
    try:
        if any(results.get(theorem) is None for theorem in theorems):
            project.require_llmstep(environment)
        found = search_all(theorems, project, protocol, environment, results, jobs, tell)
    finally:
        results.close()
    rate = count_results(found, protocol.tries)
    if as_json:
        record = {"model": environment["LLMSTEP_MODEL"], "protocol": protocol.label}
        click.echo(json.dumps(record | attrs.asdict(rate), ensure_ascii=False))
        return
    click.echo(show_rate(rate, protocol, environment["LLMSTEP_MODEL"]))
    click.echo(f"  results: {path}")


def default_output(protocol: str, model: str) -> Path:
    """Where results go if nobody says where: one file for each protocol and model."""
    name = re.sub(r"[^\w.-]+", "-", f"{protocol}-{model}")
    return Path("runs") / "search" / f"{name}.jsonl"


def tell(result: ProofResult, known: bool) -> None:
    """One line for one theorem."""
    words = (result.proof or "").replace("\n", "; ") if result.status == "proved" else result.reason
    again = " (known)" if known else f" {result.seconds:.0f} s"
    click.echo(f"{result.status:<8}{again:>9}  {result.name}: {words[:120]}", err=True)


def show_rate(rate: PassRate, protocol: SearchProtocol, model: str) -> str:
    """The sum as text for a terminal."""
    low, high = 100 * rate.interval.low, 100 * rate.interval.high
    work = f"{rate.expansions:.1f} expansions on average"
    if protocol.tactic == "llmprove":
        work = (
            f"{rate.rounds:.1f} proofs asked for, {rate.tokens:.0f} tokens and "
            f"{rate.seconds:.1f} s per theorem"
        )
    lines = [
        f"{model}, {protocol.label}: {rate.proved} of {rate.theorems} proved, "
        f"{100 * rate.rate:.1f} % "
        f"(95 % interval {low:.1f} to {high:.1f})",
        f"  failed {rate.failed}, time up {rate.timeout}, errors {rate.error}; {work}",
    ]
    if protocol.tactic == "llmprove":
        shares = ", ".join(f"pass@{k} {100 * share:.1f} %" for k, share in rate.within.items())
        lines.append(f"  {shares}; {rate.mended} of the proofs were mended")
    if rate.proved:
        lines.append(f"  median time of what found a proof: {rate.median_seconds:.1f} s")
    return "\n".join(lines)
