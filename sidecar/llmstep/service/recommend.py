"""Which models suit this machine and this user: one for next steps, one for whole proofs.

What a model is worth its card says, with the source: shares of miniF2F, which alone are compared.
How long it takes is measured here, where it is on this machine, or follows from its card: it takes
about as many times longer than the built-in model as it has more weights, since a CPU spends its
time multiplying them, and never less than reading its file once per decode step takes.
"""

from __future__ import annotations

import importlib.util
import math
import re
from collections.abc import Iterable
from typing import Literal

import attrs

from llmstep.backends import LLAMA_CPP
from llmstep.errors import ConfigError, LLMStepError
from llmstep.prompts.proof_template import load_proof_template
from llmstep.service.card import ModelCard, Score, Task
from llmstep.service.catalog import is_shipped, locate, missing_backend, read_catalog
from llmstep.service.machine import CANDIDATES, Machine, Measurement, measure

# Scores of this benchmark are compared.
BENCHMARK = "miniF2F"
# Architectures of which `models convert` makes GGUF files, as cards name them.
CONVERTIBLE = ("llama", "mistral", "qwen2", "qwen3", "gpt_neox")

# Decode steps of a typical suggestion, the longest of its candidates; tokens of thought and proof,
# which is a convention: how long a model thinks depends on the theorem.
_STEPS, _PROOF_TOKENS = 24, 2000
# Bytes per weight: Q4_K_M has 4.85 bits (llama.cpp, tools/quantize), bfloat16 has 16.
_GGUF_BYTES, _HF_BYTES = 0.61, 2.0
# Beside the weights: KV cache and working memory, and the libraries themselves.
_OVERHEAD, _FIXED_BYTES = 1.15, 300e6
# An estimate may be off by this much: what is a little too slow by it is measured all the same.
_DOUBT = 2.0
_NOMINAL = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)b\b", re.IGNORECASE)

Basis = Literal["measured here", "by its card"]


@attrs.frozen
class Speed:
    """How fast this machine is.

    Attributes:
        bandwidth: Bytes per second that memory gives when read in order.
        measured: The built-in model; ``None`` where it could not be measured, and times are those
            of reading the weights alone.
    """

    bandwidth: float
    measured: Measurement | None = None


@attrs.frozen
class Forecast:
    """What a model would need here, for one kind of work.

    Attributes:
        memory_bytes: About the memory it takes; ``None`` if its size is unknown.
        seconds: About the time of one suggestion, or of a proof; ``None`` if its size is unknown.
        fits: Whether the memory that is free holds it.
        lacking: What must be installed first; empty if nothing.
        here: Whether its file is on this machine.
        basis: Where the time comes from.
        converted: Whether it is the GGUF file that `models convert` makes of it.
    """

    card: ModelCard
    task: Task
    memory_bytes: float | None
    seconds: float | None
    fits: bool
    lacking: str
    here: bool
    basis: Basis = "by its card"
    converted: bool = False

    @property
    def score(self) -> Score | None:
        """The score that is compared; ``None`` if there is none."""
        found = [s for s in self.card.scores if (s.task, s.benchmark) == (self.task, BENCHMARK)]
        return max(found, key=lambda score: score.percent, default=None)

    @property
    def worth(self) -> float:
        """The score as a number; 0 for a model of which nothing comparable is known."""
        return self.score.percent if self.score else 0.0

    @property
    def reason_against(self) -> str:
        """Why it cannot be recommended at all, however fast it is; empty if it can."""
        if self.seconds is None:
            return "its size is unknown"
        if not self.fits:
            return "does not fit into the free memory"
        if self.lacking:
            return self.lacking
        if is_shipped(self.card):
            return ""
        if not self.card.seen_lean:
            return "has not seen Lean, as far as its card says"
        return "" if self.score else f"no score on {BENCHMARK} is known"


def tasks_of(card: ModelCard) -> tuple[Task, ...]:
    """What a model is for; one that writes proofs is asked for steps if it was scored on them."""
    if not card.proof:
        return ("step",)
    return ("step", "proof") if any(s.task == "step" for s in card.scores) else ("proof",)


def estimate(card: ModelCard, task: Task, machine: Machine, speed: Speed) -> Forecast:
    """Estimate a model's memory and speed on this machine's CPU, in the form that serves best."""
    direct = _estimate(card, task, machine, speed, converted=False)
    if LLAMA_CPP in card.backends or card.architecture not in CONVERTIBLE:
        return direct
    converted = _estimate(card, task, machine, speed, converted=True)
    return converted if not converted.lacking else direct


def _estimate(
    card: ModelCard, task: Task, machine: Machine, speed: Speed, *, converted: bool
) -> Forecast:
    is_gguf = converted or LLAMA_CPP in card.backends
    per_weight = _GGUF_BYTES if is_gguf else _HF_BYTES
    place = locate(card)
    parameters = card.parameters or _nominal_parameters(card)
    weights: float | None = None if converted else card.size_bytes
    if weights is None and place is not None and place.is_file():
        weights = place.stat().st_size
    if weights is None and parameters is not None:
        weights = parameters * per_weight
    if parameters is None and weights is not None:
        parameters = weights / per_weight
    memory = seconds = None
    if weights is not None and parameters is not None:
        memory = weights * _OVERHEAD + _FIXED_BYTES
        seconds = _seconds(card, task, parameters, weights, speed)
    fits = memory is not None and memory <= machine.free_bytes
    lacking = _lacking_for_conversion(card) if converted else missing_backend(card)
    here = place is not None
    return Forecast(card, task, memory, seconds, fits, lacking, here, converted=converted)


def _seconds(card: ModelCard, task: Task, parameters: float, weights: float, speed: Speed) -> float:
    reading = weights / speed.bandwidth
    measured = speed.measured
    multiplying = measured.seconds * parameters / measured.parameters if measured else 0.0
    if task == "step":
        return max(multiplying, _STEPS * reading)
    # One answer, where a suggestion has several candidates side by side.
    return _proof_tokens(card) * max(multiplying / _STEPS / CANDIDATES, reading)


def _proof_tokens(card: ModelCard) -> int:
    """Tokens that are counted for a proof: no more than the model is allowed."""
    try:
        return min(_PROOF_TOKENS, load_proof_template(card.proof).most_tokens)
    except ConfigError:
        return _PROOF_TOKENS


def _lacking_for_conversion(card: ModelCard) -> str:
    lacking = missing_backend(attrs.evolve(card, backends=(LLAMA_CPP,)))
    if not lacking and importlib.util.find_spec("llmstep_workshop") is None:
        lacking = "needs `llmstep models convert` (docs/models.md)"
    return lacking


def estimate_all(machine: Machine, speed: Speed) -> list[Forecast]:
    """Estimates of all models in the catalog, the quickest first; unknown sizes last."""
    estimates = [
        estimate(card, task, machine, speed)
        for card in read_catalog().cards
        for task in tasks_of(card)
    ]
    if speed.measured is not None:
        estimates = [_with_time(e, speed.measured) for e in estimates]
    return sorted(estimates, key=lambda e: e.seconds if e.seconds is not None else math.inf)


def measure_likely(
    estimates: Iterable[Forecast], patience: float, seconds: float
) -> list[Forecast]:
    """The same, those measured that are on this machine and may be recommended for next steps.

    What is far beyond the user's patience (seconds) by its card is not tried.
    """
    told: list[Forecast] = []
    for one in estimates:
        likely = one.task == "step" and one.here and not one.converted and not one.reason_against
        within = one.seconds is not None and one.seconds <= _DOUBT * patience
        if not (likely and within and one.basis == "by its card"):
            told.append(one)
            continue
        try:
            told.append(_with_time(one, measure(one.card.id, seconds=seconds)))
        except LLMStepError as error:
            told.append(attrs.evolve(one, lacking=error.message))
    return told


def _with_time(one: Forecast, measured: Measurement) -> Forecast:
    if (one.card.id, one.task) != (measured.model, "step"):
        return one
    return attrs.evolve(one, seconds=measured.seconds, basis="measured here")


def _nominal_parameters(card: ModelCard) -> float | None:
    """The size a model is named by, such as 7e9 for ``llemma-7b``."""
    match = _NOMINAL.search(card.id) or _NOMINAL.search(card.name)
    return float(match[1]) * 1e9 if match else None


def choose(estimates: Iterable[Forecast], task: Task, patience: float) -> Forecast | None:
    """The model to take: the one worth most that answers in time; of equals the quickest."""
    able = [
        e
        for e in estimates
        if e.task == task
        and not e.reason_against
        and e.seconds is not None
        and e.seconds <= patience
    ]
    return max(able, key=lambda e: (e.worth, -(e.seconds or 0.0)), default=None)
