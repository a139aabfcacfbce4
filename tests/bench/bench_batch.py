"""Eight candidates as one batch against eight decodes one after the other, same engine and model.

First as served: the card's sampling, each candidate as long as the model makes it. Then with 32
tokens each, forced by a temperature so high that the end token hardly comes; there every token of
the vocabulary is in play at each step, which costs the batch's numpy part more than llama.cpp.
"""

from __future__ import annotations

import time

import attrs
from common import builtin_path, builtin_prompt, load_cases, median_ms

from llmstep.backends.base import (
    BackendOptions,
    CancelToken,
    GenerationRequest,
    PromptPart,
    Sampling,
)
from llmstep.backends.llama_cpp import LlamaCppBackend

ROUNDS = 5
SERVED = Sampling(n=8, max_tokens=64, temperature=0.8, top_p=0.95)
FORCED = Sampling(n=8, max_tokens=32, temperature=5.0, top_p=1.0)
OTHER = (PromptPart("⊢ something else"),)


def main() -> None:
    backend = LlamaCppBackend(BackendOptions(path=builtin_path()))
    print(f"built-in model, 8 candidates, 17 goals x {ROUNDS} rounds, medians")
    compare(backend, "as served", SERVED, "  [2.5x]")
    compare(backend, "32 tokens each", FORCED, "")


def compare(backend: LlamaCppBackend, title: str, sampling: Sampling, target: str) -> None:
    """Time the three ways on all goals and print them."""
    decoded = [0, 0, 0]
    times: list[list[float]] = [[], [], []]

    def decode(way: int, prompt: tuple[PromptPart, ...], sampling: Sampling) -> float:
        request = GenerationRequest(prompt, sampling=sampling)
        begin = time.perf_counter()
        stats = backend.generate(request, CancelToken(), lambda _: None)
        decoded[way] += stats.generated_tokens
        return time.perf_counter() - begin

    for round_ in range(ROUNDS):
        for goal, _ in load_cases():
            prompt = builtin_prompt(goal)
            singles = [attrs.evolve(sampling, n=1, seed=8 * round_ + seed) for seed in range(8)]
            backend.prefill(OTHER, CancelToken())
            batch = attrs.evolve(sampling, seed=round_)
            times[0].append(decode(0, prompt, batch))
            backend.prefill(OTHER, CancelToken())
            times[1].append(sum(decode(1, prompt, single) for single in singles))
            spent = 0.0
            for single in singles:
                backend.prefill(OTHER, CancelToken())
                spent += decode(2, prompt, single)
            times[2].append(spent)
    count = len(times[0])
    tokens = ", ".join(f"{number / count:.0f}" for number in decoded)
    print(f"{title}: {tokens} tokens decoded per goal")
    print(f"  one batch                            {median_ms(times[0]):8.1f} ms")
    names = ("eight decodes, prompt reused", "eight decodes, each with its prompt")
    for name, others, note in zip(names, times[1:], ("", target), strict=True):
        ratio = median_ms([b / a for a, b in zip(times[0], others, strict=True)]) / 1000
        print(f"  {name:<36} {median_ms(others):8.1f} ms   {ratio:.2f}x the batch{note}")


if __name__ == "__main__":
    main()
