"""ByT5-small's shape on the CPU in each number format: time of a suggestion, and of its two halves.

The formats take turns on one thread, so that what else the machine does meets all of them alike;
the ratios of the fastest rounds are what to read.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import get_args

from common import load_cases
from shapes import write_shape

from llmstep.backends.base import (
    BackendOptions,
    CancelToken,
    GenerationRequest,
    PromptPart,
    Sampling,
)
from llmstep.backends.transformers import TransformersBackend
from llmstep.config import Precision

FORMATS: tuple[Precision, ...] = tuple(
    p for p in get_args(Precision) if p not in ("auto", "float16")
)


def measure(backend: TransformersBackend, goal: str, n: int, tokens: int) -> tuple[float, float]:
    """Seconds until the goal is read, and until n candidates are written."""
    prompt = (PromptPart(goal),)
    begin = time.perf_counter()
    backend.prefill(prompt, CancelToken())
    read = time.perf_counter() - begin
    request = GenerationRequest(prompt, sampling=Sampling(n, tokens))
    begin = time.perf_counter()
    backend.generate(request, CancelToken(), lambda _: None)
    return read, time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--n", type=int, default=10)
    parser.add_argument("--tokens", type=int, default=32)
    options = parser.parse_args()
    goals = [goal for goal, _ in load_cases()]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "byt5-small"
        write_shape("byt5-small", folder)
        backends = {
            name: TransformersBackend(BackendOptions(path=folder, threads=1, precision=name))
            for name in FORMATS
        }
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in FORMATS}
        for round_ in range(options.rounds):
            # Another goal each time, or the encoder would not read it again.
            goal = f"h{round_} : p\n{max(goals, key=len)}"
            for name, backend in backends.items():
                times[name].append(measure(backend, goal, options.n, options.tokens))
    best = {name: tuple(map(min, zip(*rows, strict=True))) for name, rows in times.items()}
    reference = best["float32"]
    for name, (read, write) in best.items():
        whole = sum(reference) / (read + write)
        print(
            f"{name:9} read the goal {read:6.2f} s ({reference[0] / read:3.1f}x), write "
            f"{options.n} x {options.tokens} bytes {write:6.2f} s ({reference[1] / write:3.1f}x), "
            f"together {read + write:6.2f} s ({whole:3.1f}x)"
        )


if __name__ == "__main__":
    main()
