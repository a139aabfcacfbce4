"""Many theorems, some at a time, resumable; what was done is never lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from llmstep_workshop.evaluation.lean_project import LeanProject
from llmstep_workshop.evaluation.proof_search import ProofResult, SearchProtocol, prove
from llmstep_workshop.evaluation.results_file import ResultsFile
from llmstep_workshop.evaluation.theorems import Theorem

# How often the main thread looks up, so that Ctrl-C is heard on Windows, too.
_LOOK_SECONDS = 0.5


def search_all(
    theorems: Sequence[Theorem],
    project: LeanProject,
    protocol: SearchProtocol,
    environment: Mapping[str, str],
    results: ResultsFile,
    jobs: int = 1,
    on_result: Callable[[ProofResult, bool], object] = lambda result, known: None,
) -> list[ProofResult]:
    """Search for proofs; results stand in the file as soon as they are there.

    Args:
        theorems: What to prove.
        project: Where.
        protocol: The budget of each.
        environment: Of the Lean processes.
        results: Holds what an earlier run has done, and takes what this one does.
        jobs: Lean processes at a time; each has a sidecar, and so a model, of its own.
        on_result: Called with each result, and whether it was known before.

    Returns:
        The results, in the order of the theorems.

    Raises:
        LeanProjectError: lake cannot be started.
        ResultsFileError: A result cannot be written.
    """
    found: dict[int, ProofResult] = {}
    open_ones: list[int] = []
    for index, theorem in enumerate(theorems):
        known = results.get(theorem)
        if known is None:
            open_ones.append(index)
        else:
            found[index] = known
            on_result(known, True)
    with ThreadPoolExecutor(jobs, thread_name_prefix="llmstep-lean") as pool:
        running: dict[Future[ProofResult], int] = {
            pool.submit(prove, theorems[index], project, protocol, environment): index
            for index in open_ones
        }
        try:
            while running:
                done, _ = wait(running, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
                for future in done:
                    index = running.pop(future)
                    found[index] = future.result()
                    results.add(found[index])
                    on_result(found[index], False)
        except BaseException:
            for future in running:
                future.cancel()
            project.stop()
            raise
    return [found[index] for index in range(len(theorems))]
