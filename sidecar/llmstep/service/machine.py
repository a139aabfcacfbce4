"""What this machine has for a model: memory, cores, a GPU, and how fast it is."""

from __future__ import annotations

import math
import platform
import shutil
import statistics
import subprocess
import time

import attrs
import numpy as np
import psutil

from llmstep.backends import open_backend
from llmstep.backends.base import BackendOptions, CancelToken, GenerationRequest, Sampling
from llmstep.backends.machine_memory import free_memory, whole_memory
from llmstep.errors import GenerationError
from llmstep.prompts.template import build_prompts, load_template
from llmstep.service.catalog import find_model

CANDIDATES = 8

_GOAL = "a b c : ℕ\nh₁ : a ≤ b\nh₂ : b ≤ c\n⊢ a + 1 ≤ c + 1"
_ARRAY_BYTES = 128 << 20


@attrs.frozen
class Machine:
    """What a model can use here: memory in all and free now, physical CPU cores.

    ``gpu`` is the name of a GPU that helps; empty if none was found.
    """

    memory_bytes: int
    free_bytes: int
    cores: int
    gpu: str


@attrs.frozen
class Measurement:
    """How fast a model is here: median seconds of one suggestion of 8 candidates."""

    model: str
    parameters: int
    seconds: float
    rounds: int


def look_at_machine() -> Machine:
    """Ask the operating system; takes up to a few seconds where a GPU driver is slow."""
    process = psutil.Process()
    allowed = len(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else math.inf
    cores = min(psutil.cpu_count(logical=False) or 1, allowed)
    return Machine(whole_memory(), free_memory(), int(cores), find_gpu())


def find_gpu() -> str:
    """Name and memory of the first GPU, as its own tool tells it; empty if there is none."""
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return "Apple GPU (shares the memory)"
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ""
    command = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.partition("\n")[0].strip()


def measure(name: str = "builtin", *, seconds: float) -> Measurement:
    """Let a model suggest steps for some seconds, at least once; what has begun is finished.

    Raises:
        LLMStepError: It is not here or cannot run; `llmstep doctor` says why.
    """
    model = find_model(name)
    card = model.card
    backend = open_backend(model.backend, BackendOptions(path=model.path))
    try:
        sampling = Sampling(CANDIDATES, card.sampling.max_tokens)
        budget = backend.info.context_tokens - sampling.max_tokens
        template = load_template(card.prompt)
        prompt = build_prompts(
            template, (_GOAL,), "", budget=budget, count_tokens=backend.count_tokens
        )[0]
        times: list[float] = []
        end = time.monotonic() + seconds
        while not times or time.monotonic() < end:
            # A goal of its own each time, or the KV cache would answer for the prompt.
            goal = f"x{len(times)}"
            parts = tuple(
                part if part.special else attrs.evolve(part, text=part.text.replace("a", goal))
                for part in prompt.parts
            )
            found: list[object] = []
            begin = time.monotonic()
            request = GenerationRequest(parts, sampling=attrs.evolve(sampling, seed=len(times)))
            backend.generate(request, CancelToken(), found.append)
            times.append(time.monotonic() - begin)
            if not found:
                raise GenerationError(f"the model {card.id} gave no answer")
        parameters = card.parameters or backend.info.parameters
    finally:
        backend.close()
    if not parameters:
        raise GenerationError(f"the model {card.id} does not tell its size")
    return Measurement(card.id, parameters, statistics.median(times), len(times))


def measure_bandwidth() -> float:
    """Bytes per second of reading memory in order, with one thread: the lower bound of it."""
    data = np.ones(_ARRAY_BYTES // 8)
    best = math.inf
    for _ in range(4):
        begin = time.perf_counter()
        data.sum()
        best = min(best, time.perf_counter() - begin)
    return data.nbytes / best
