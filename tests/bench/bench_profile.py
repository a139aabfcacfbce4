"""Where a warm suggestion's time goes: inside llama.cpp's decode calls, and in our own code.

On one thread and on all cores; with the card's sampling, and with 32 tokens for each candidate
drawn from the whole vocabulary (as in the second half of `batch`).
"""

from __future__ import annotations

import time

import psutil
from bench_batch import FORCED, OTHER, SERVED
from common import builtin_path, builtin_prompt, load_cases

from llmstep.backends.base import BackendOptions, CancelToken, GenerationRequest, Sampling
from llmstep.backends.llama_cpp import LlamaCppBackend
from llmstep.backends.llama_model import LlamaModel

ROUNDS = 3


def main() -> None:
    print(f"built-in model, 8 candidates, 17 goals x {ROUNDS} rounds, means per suggestion")
    for threads in sorted({1, psutil.cpu_count(logical=False) or 1}):
        for title, sampling in (("as served", SERVED), ("32 tokens each", FORCED)):
            measure(threads, title, sampling)


def measure(threads: int, title: str, sampling: Sampling) -> None:
    backend = LlamaCppBackend(BackendOptions(path=builtin_path(), threads=threads))
    decode = LlamaModel._decode
    inside: list[float] = []

    def timed(model: LlamaModel, count: int) -> None:
        begin = time.perf_counter()
        decode(model, count)
        inside.append(time.perf_counter() - begin)

    cases = load_cases()
    whole, calls, spent = 0.0, 0, 0.0
    LlamaModel._decode = timed
    try:
        for _ in range(ROUNDS):
            for goal, _ in cases:
                backend.prefill(OTHER, CancelToken())
                inside.clear()
                request = GenerationRequest(builtin_prompt(goal), sampling=sampling)
                begin = time.perf_counter()
                backend.generate(request, CancelToken(), lambda _: None)
                whole += time.perf_counter() - begin
                calls += len(inside)
                spent += sum(inside)
    finally:
        LlamaModel._decode = decode
        backend.close()
    count = ROUNDS * len(cases)
    print(
        f"threads {threads}, {title:<15} {whole / count * 1000:6.1f} ms, of it "
        f"{spent / count * 1000:6.1f} ms in {calls / count:.0f} decode calls"
    )


if __name__ == "__main__":
    main()
