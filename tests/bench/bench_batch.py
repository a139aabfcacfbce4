"""Eight candidates as one batch against eight decodes one after the other, same engine and model.

Every candidate has exactly 32 tokens: the temperature is so high that the end token hardly comes.
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
LENGTH = 32
SAMPLING = Sampling(n=8, max_tokens=LENGTH, temperature=5.0, top_p=1.0)


def main() -> None:
    backend = LlamaCppBackend(BackendOptions(path=builtin_path()))
    other = (PromptPart("⊢ something else"),)
    batched: list[float] = []
    reusing: list[float] = []
    independent: list[float] = []
    decoded = [0, 0, 0]
    for round_ in range(ROUNDS):
        for goal, _ in load_cases():
            request = GenerationRequest(builtin_prompt(goal), sampling=SAMPLING)

            def decode(request: GenerationRequest) -> int:
                return backend.generate(request, CancelToken(), lambda _: None).generated_tokens

            def single(seed: int, request: GenerationRequest = request) -> GenerationRequest:
                return attrs.evolve(request, sampling=attrs.evolve(SAMPLING, n=1, seed=seed))

            backend.prefill(other, CancelToken())
            begin = time.perf_counter()
            decoded[0] += decode(request)
            batched.append(time.perf_counter() - begin)

            backend.prefill(other, CancelToken())
            begin = time.perf_counter()
            for seed in range(8):
                decoded[1] += decode(single(8 * round_ + seed))
            reusing.append(time.perf_counter() - begin)

            spent = 0.0
            for seed in range(8):
                backend.prefill(other, CancelToken())
                begin = time.perf_counter()
                decoded[2] += decode(single(8 * round_ + seed))
                spent += time.perf_counter() - begin
            independent.append(spent)
    rounds = len(batched)
    print(f"built-in model, 8 candidates x {LENGTH} tokens, 17 goals x {ROUNDS} rounds, medians")
    print(f"tokens decoded per goal: {', '.join(f'{count / rounds:.0f}' for count in decoded)}")
    print(f"one batch                            {median_ms(batched):8.1f} ms")
    for name, times in (
        ("eight decodes, prompt reused", reusing),
        ("eight decodes, each with its prompt", independent),
    ):
        ratio = median_ms([b / a for a, b in zip(batched, times, strict=True)]) / 1000
        print(f"{name:<36} {median_ms(times):8.1f} ms   {ratio:.2f}x the batch")


if __name__ == "__main__":
    main()
