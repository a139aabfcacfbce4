"""Which model suits this machine: memory, cores, GPU, and a few seconds of measurement.

The built-in model answers one typical question over and over; another model takes about as many
times longer as it has more weights, since a CPU spends its time multiplying them, and never less
than reading its file once per decode step takes.
"""

from __future__ import annotations

import math
import platform
import re
import shutil
import statistics
import subprocess
import time

import attrs
import numpy as np
import psutil

from llmstep.backends import LLAMA_CPP, open_backend
from llmstep.backends.base import BackendOptions, CancelToken, GenerationRequest, Sampling
from llmstep.errors import GenerationError
from llmstep.prompts.template import build_prompts, load_template
from llmstep.service.card import ModelCard
from llmstep.service.catalog import find_model, locate, missing_backend, read_catalog

MEASURE_SECONDS = 5.0

_GOAL = "a b c : ℕ\nh₁ : a ≤ b\nh₂ : b ≤ c\n⊢ a + 1 ≤ c + 1"
_CANDIDATES = 8
# Decode steps of a typical suggestion, the longest of its candidates.
_STEPS = 24
# Bytes per weight: Q4_K_M has 4.85 bits (llama.cpp, tools/quantize), bfloat16 has 16.
_GGUF_BYTES, _HF_BYTES = 0.61, 2.0
# Beside the weights: KV cache and working memory, and the libraries themselves.
_OVERHEAD, _FIXED_BYTES = 1.15, 300e6
# Nobody waits longer for a next step while writing a proof.
_PATIENCE_SECONDS = 10.0
_ARRAY_BYTES = 128 << 20
_NOMINAL = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)b\b", re.IGNORECASE)


@attrs.frozen
class Machine:
    """What a model can use here.

    Attributes:
        memory_bytes: Memory in all.
        free_bytes: Memory that is free now.
        cores: Physical CPU cores this process may use.
        gpu: Name of a GPU that helps; empty if none was found.
    """

    memory_bytes: int
    free_bytes: int
    cores: int
    gpu: str


@attrs.frozen
class Measurement:
    """How fast this machine is.

    Attributes:
        model: The model that was measured.
        parameters: Its weights.
        seconds: Median time of one suggestion (8 candidates).
        rounds: How many were measured.
        bandwidth: Bytes per second that memory gives when read in order.
    """

    model: str
    parameters: int
    seconds: float
    rounds: int
    bandwidth: float


@attrs.frozen
class Estimate:
    """What a model would need here.

    Attributes:
        card: The model.
        memory_bytes: About the memory it takes; ``None`` if its size is unknown.
        seconds: About the time of one suggestion; ``None`` if its size is unknown.
        fits: Whether the memory that is free holds it.
        lacking: What must be installed first; empty if nothing.
        here: Whether its file is on this machine.
    """

    card: ModelCard
    memory_bytes: float | None
    seconds: float | None
    fits: bool
    lacking: str
    here: bool


def look_at_machine() -> Machine:
    """Ask the operating system; takes up to a few seconds where a GPU driver is slow."""
    memory = psutil.virtual_memory()
    process = psutil.Process()
    allowed = len(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else math.inf
    cores = min(psutil.cpu_count(logical=False) or 1, allowed)
    return Machine(memory.total, memory.available, int(cores), find_gpu())


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


def measure(seconds: float = MEASURE_SECONDS, threads: int = 0) -> Measurement:
    """Let the built-in model answer for some seconds.

    Raises:
        LLMStepError: The built-in model cannot run; `llmstep doctor` says why.
    """
    model = find_model("builtin")
    card = model.card
    backend = open_backend(model.backend, BackendOptions(path=model.path, threads=threads))
    try:
        sampling = Sampling(_CANDIDATES, card.sampling.max_tokens)
        budget = backend.info.context_tokens - sampling.max_tokens
        template = load_template(card.prompt)
        prompt = build_prompts(
            template, (_GOAL,), "", budget=budget, count_tokens=backend.count_tokens
        )[0]
        times: list[float] = []
        end = time.monotonic() + seconds
        while not times or time.monotonic() < end:
            # A goal of its own each time, or the KV cache would answer for the prompt.
            name = f"x{len(times)}"
            parts = tuple(
                attrs.evolve(
                    part, text=part.text.replace("a", name) if not part.special else part.text
                )
                for part in prompt.parts
            )
            found: list[object] = []
            begin = time.monotonic()
            request = GenerationRequest(parts, sampling=attrs.evolve(sampling, seed=len(times)))
            backend.generate(request, CancelToken(), found.append)
            times.append(time.monotonic() - begin)
            if not found:
                raise GenerationError("the built-in model gave no answer")
        parameters = card.parameters or backend.info.parameters
    finally:
        backend.close()
    if not parameters:
        raise GenerationError("the built-in model does not tell its size")
    return Measurement(
        card.id, parameters, statistics.median(times), len(times), measure_bandwidth()
    )


def measure_bandwidth() -> float:
    """Bytes per second of reading memory in order, with one thread: the lower bound of it."""
    data = np.ones(_ARRAY_BYTES // 8)
    best = math.inf
    for _ in range(4):
        begin = time.perf_counter()
        data.sum()
        best = min(best, time.perf_counter() - begin)
    return data.nbytes / best


def estimate(card: ModelCard, machine: Machine, measured: Measurement) -> Estimate:
    """Estimate a model's memory and speed on this machine's CPU."""
    per_weight = _GGUF_BYTES if LLAMA_CPP in card.backends else _HF_BYTES
    place = locate(card)
    parameters = card.parameters or _nominal_parameters(card)
    weights: float | None = card.size_bytes
    if weights is None and place is not None and place.is_file():
        weights = place.stat().st_size
    if weights is None and parameters is not None:
        weights = parameters * per_weight
    if parameters is None and weights is not None:
        parameters = weights / per_weight
    memory = seconds = None
    if weights is not None and parameters is not None:
        memory = weights * _OVERHEAD + _FIXED_BYTES
        scaled = measured.seconds * parameters / measured.parameters
        seconds = max(scaled, _STEPS * weights / measured.bandwidth)
    return Estimate(
        card,
        memory,
        seconds,
        memory is not None and memory <= machine.free_bytes,
        missing_backend(card),
        place is not None,
    )


def estimate_all(machine: Machine, measured: Measurement) -> list[Estimate]:
    """Estimates of all models in the catalog, the smallest first; unknown sizes last."""
    estimates = [estimate(card, machine, measured) for card in read_catalog().cards]
    return sorted(estimates, key=lambda e: e.seconds if e.seconds is not None else math.inf)


def _nominal_parameters(card: ModelCard) -> float | None:
    """The size a model is named by, such as 7e9 for ``llemma-7b``."""
    match = _NOMINAL.search(card.id) or _NOMINAL.search(card.name)
    return float(match[1]) * 1e9 if match else None


def choose(estimates: list[Estimate]) -> Estimate | None:
    """The model to take: the largest that fits, runs with what is installed and answers in time."""
    able = [
        e
        for e in estimates
        if e.fits and not e.lacking and e.seconds is not None and e.seconds <= _PATIENCE_SECONDS
    ]
    return max(able, key=lambda e: e.seconds or 0.0, default=None)
