"""Results of a proof search on disk: one JSON line per theorem, written as each is done.

A run that was stopped goes on from there. A line torn by a kill is cut off; a theorem whose text
has changed since is searched again, and so is one that ended in an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import IO

import attrs
import cattrs

from llmstep_workshop.errors import ResultsFileError
from llmstep_workshop.evaluation.intervals import Interval, wilson
from llmstep_workshop.evaluation.proof_search import ProofResult
from llmstep_workshop.evaluation.theorems import Theorem

Key = tuple[str, str, str]


class ResultsFile:
    """Appends results, each at once and whole.

    Args:
        path: The file; it and its folder are made if they are missing.
        protocol: Label of the protocol all its results have.
        model: Name of the model all its results have.

    Raises:
        ResultsFileError: It cannot be read or written, a line is no result (named), or it holds
            results of another protocol or model, which one pass rate cannot mix.
    """

    def __init__(self, path: Path, protocol: str, model: str) -> None:
        self.path = path
        self._results: dict[Key, ProofResult] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            data = path.read_bytes() if path.exists() else b""
            for number, line in enumerate(_whole_lines(data), start=1):
                result = _parse(line, path, number)
                if (result.protocol, result.model) != (protocol, model):
                    raise ResultsFileError(
                        f"{path}:{number}: a result of {result.protocol!r} with the model "
                        f"{result.model!r}, not of {protocol!r} with {model!r}"
                    )
                self._results[_key(result)] = result
            self._stream: IO[bytes] = path.open("ab")
            self._stream.truncate(data.rfind(b"\n") + 1)
        except OSError as error:
            raise ResultsFileError(f"{path}: {error.strerror or error}") from error

    def get(self, theorem: Theorem) -> ProofResult | None:
        """The theorem's result, unless there is none or it was an error."""
        found = self._results.get((theorem.file, theorem.name, theorem.digest))
        return found if found is not None and found.status != "error" else None

    def add(self, result: ProofResult) -> None:
        """Write a result.

        Raises:
            ResultsFileError: The disk is full, or the file cannot be written any more.
        """
        line = json.dumps(attrs.asdict(result), ensure_ascii=False, allow_nan=False) + "\n"
        try:
            self._stream.write(line.encode("utf-8", "replace"))
            self._stream.flush()
        except OSError as error:
            raise ResultsFileError(
                f"{self.path}: {error.strerror or error}", hint="Make room, then run it again."
            ) from error
        self._results[_key(result)] = result

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


@attrs.frozen
class PassRate:
    """The sum of results.

    Attributes:
        theorems: Number of theorems.
        proved: How many were proved, each proof checked again.
        failed: Searches that ended without a proof that counts.
        timeout: Searches whose time was up.
        error: Theorems that could not be searched; they count as not proved.
        rate: Share proved.
        interval: Its 95 % interval (Wilson).
        median_seconds: Median time of the searches that found a proof; 0 if none did.
        expansions: Mean number of states for which the model was asked.
        seconds: Mean time of a theorem, all calls of the tactic and the imports included.
        tokens: Mean number of tokens that whole proofs of a theorem took.
        rounds: Mean number of whole proofs the model was asked for.
        mended: Proofs that were the model's only after mending.
        within: Share proved within 1, 2, 4, ... tries, and within all.
    """

    theorems: int
    proved: int
    failed: int
    timeout: int
    error: int
    rate: float
    interval: Interval
    median_seconds: float
    expansions: float
    seconds: float
    tokens: float
    rounds: float
    mended: int
    within: Mapping[int, float]


def count_results(results: Sequence[ProofResult], tries: int = 1) -> PassRate:
    """Sum up at least one result; ``tries`` is how many each theorem had at most."""
    count = {
        status: sum(result.status == status for result in results)
        for status in ("proved", "failed", "timeout", "error")
    }
    total = len(results)
    proved = [result for result in results if result.status == "proved"]
    times = [result.search_seconds for result in proved]
    steps = sorted({tries, *(1 << power for power in range(tries.bit_length()))})
    return PassRate(
        theorems=total,
        rate=count["proved"] / total,
        interval=wilson(count["proved"], total),
        median_seconds=median(times) if times else 0.0,
        expansions=sum(result.expansions for result in results) / total,
        seconds=sum(result.seconds for result in results) / total,
        tokens=sum(result.tokens for result in results) / total,
        rounds=sum(result.rounds for result in results) / total,
        mended=sum(result.mended for result in proved),
        within={k: sum(result.tries <= k for result in proved) / total for k in steps},
        **count,
    )


def _whole_lines(data: bytes) -> Iterable[bytes]:
    return data[: data.rfind(b"\n") + 1].splitlines()


def _key(result: ProofResult) -> Key:
    return result.file, result.name, result.digest


def _parse(line: bytes, path: Path, number: int) -> ProofResult:
    try:
        return cattrs.structure(json.loads(line), ProofResult)
    except Exception as error:  # cattrs raises groups of whatever its hooks raise
        raise ResultsFileError(f"{path}:{number}: no result of a proof search") from error
