from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from llmstep import paths
from llmstep.backends import machine_memory
from llmstep.doctor import check_machine
from llmstep.errors import GenerationError
from llmstep.service import machine as machine_room
from llmstep.service import recommend
from llmstep.service.card import ModelCard, Score
from llmstep.service.catalog import read_catalog
from llmstep.service.machine import Machine, Measurement, find_gpu
from llmstep.service.recommend import (
    CONVERTIBLE,
    Forecast,
    Speed,
    choose,
    estimate,
    estimate_all,
    measure_likely,
    tasks_of,
)

MACHINE = Machine(16_000_000_000, 8_000_000_000, 4, "")
MEASURED = Measurement("builtin", 10_000_000, 0.1, 50)
SPEED = Speed(10e9, MEASURED)


def card(name: str, **facts: Any) -> ModelCard:
    return ModelCard(id=name, name=name, **{"backends": ("llama_cpp",), **facts})


def score(percent: float, task: Any = "step", benchmark: str = "miniF2F") -> tuple[Score, ...]:
    return (Score(task, benchmark, percent, "https://example.org"),)


def prover(name: str, seconds: float, percent: float | None, **changes: Any) -> Forecast:
    """A model that has seen Lean; without a score if ``percent`` is ``None``."""
    scores = () if percent is None else score(percent)
    facts = {"seen_lean": True, "scores": scores, **changes.pop("facts", {})}
    known = {"fits": True, "lacking": "", "here": False, **changes}
    return Forecast(card(name, **facts), "step", 1e9, seconds, **known)


@pytest.fixture(autouse=True)
def everything_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recommend, "missing_backend", lambda _: "")


# Memory and time


def test_time_grows_with_the_weights() -> None:
    found = estimate(card("m", parameters=1_000_000_000), "step", MACHINE, SPEED)
    assert found.seconds == pytest.approx(10.0)
    assert found.memory_bytes == pytest.approx(1e9 * 0.61 * 1.15 + 300e6)


def test_reading_the_file_is_the_least_time() -> None:
    slow = Speed(1e9, Measurement("builtin", 10_000_000, 0.0001, 50))
    found = estimate(card("m", size_bytes=1_000_000_000), "step", MACHINE, slow)
    assert found.seconds == pytest.approx(24.0)


def test_without_a_measurement_the_weights_are_still_read() -> None:
    found = estimate(card("m", size_bytes=1_000_000_000), "step", MACHINE, Speed(1e9))
    assert (found.seconds, found.basis) == (pytest.approx(24.0), "by its card")


def test_a_proof_is_counted_in_tokens_and_never_more_than_its_template_allows() -> None:
    proof = {"proof": "kimina", "size_bytes": 1_000_000_000}
    found = estimate(card("m", **proof), "proof", MACHINE, Speed(1e9))
    assert found.seconds == pytest.approx(2000.0)
    short = estimate(card("m", **proof | {"proof": "deepseek-v1.5"}), "proof", MACHINE, Speed(1e9))
    assert short.seconds == pytest.approx(1024.0)


@pytest.mark.parametrize(
    ("name", "billions"), [("llemma-7b", 7), ("pythia-2.8b-lean", 2.8), ("qwen2.5-coder-1.5b", 1.5)]
)
def test_a_size_in_the_name_counts(name: str, billions: float) -> None:
    found = estimate(card(name), "step", MACHINE, SPEED)
    assert found.seconds == pytest.approx(billions * 10)


def test_the_cards_own_count_goes_before_the_size_in_its_name() -> None:
    for known in read_catalog().cards:
        assert known.parameters is not None
        found = estimate(known, "step", MACHINE, SPEED)
        assert found.seconds is not None
        assert found.seconds > 0.999 * known.parameters / MEASURED.parameters * MEASURED.seconds
    found = estimate(card("m-7b", parameters=6_738_546_688), "step", MACHINE, SPEED)
    assert found.seconds == pytest.approx(67.38546688)


def test_a_model_of_unknown_size_is_not_guessed_at() -> None:
    found = estimate(card("v1.5-rl", seen_lean=True, scores=score(90)), "step", MACHINE, SPEED)
    assert (found.seconds, found.memory_bytes, found.fits) == (None, None, False)
    assert found.reason_against == "its size is unknown"
    assert choose([found], "step", 1e9) is None


def test_what_is_larger_than_memory_does_not_fit() -> None:
    found = estimate(card("m-20b", backends=("transformers",)), "step", MACHINE, SPEED)
    assert found.memory_bytes is not None
    assert found.memory_bytes > 40e9
    assert not found.fits


def test_a_folder_that_can_be_converted_is_counted_as_a_gguf_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = card("m", backends=("transformers",), architecture="qwen3", parameters=1_000_000_000)
    found = estimate(folder, "step", MACHINE, SPEED)
    assert found.converted
    assert found.memory_bytes == pytest.approx(1e9 * 0.61 * 1.15 + 300e6)
    # Where it cannot be converted it is counted as it is.
    monkeypatch.setattr(recommend, "_lacking_for_conversion", lambda _: "needs a workshop")
    found = estimate(folder, "step", MACHINE, SPEED)
    assert not found.converted
    assert found.memory_bytes == pytest.approx(1e9 * 2.0 * 1.15 + 300e6)
    assert "t5" not in CONVERTIBLE


# What is chosen


def test_the_worthiest_that_answers_in_time_is_chosen() -> None:
    models = [
        prover("quick", 0.1, 20),
        prover("good", 2.9, 30),
        prover("best", 3.1, 80),
        prover("large", 2, 70, fits=False),
        prover("missing", 2, 70, lacking="needs torch"),
        prover("unscored", 2, None),
    ]
    for patience, expected in ((3, "good"), (1, "quick"), (60, "best")):
        chosen = choose(models, "step", patience)
        assert chosen is not None
        assert chosen.card.id == expected
    assert choose(models, "step", 0.01) is None
    assert choose(models, "proof", 60) is None


def test_of_equals_the_quicker_is_chosen() -> None:
    chosen = choose([prover("slow", 2, 30), prover("quick", 1, 30)], "step", 3)
    assert chosen is not None
    assert chosen.card.id == "quick"


def test_scores_of_other_benchmarks_and_tasks_are_not_compared() -> None:
    other = prover("other", 1, None, facts={"scores": score(99, benchmark="its own")})
    proofs = prover("proofs", 1, None, facts={"scores": score(99, task="proof")})
    assert other.score is proofs.score is None
    assert choose([other, proofs], "step", 3) is None


def shipped_estimates(machine: Machine = MACHINE, speed: Speed = SPEED) -> list[Forecast]:
    return estimate_all(machine, speed)


def chosen_id(estimates: list[Forecast], task: Any = "step", patience: float = 1e6) -> str | None:
    chosen = choose(estimates, task, patience)
    return chosen.card.id if chosen else None


def test_a_model_that_has_not_seen_lean_is_never_put_over_the_built_in() -> None:
    estimates = shipped_estimates()
    coder = next(e for e in estimates if e.card.id == "qwen2.5-coder-1.5b")
    assert "not seen Lean" in coder.reason_against
    known = [e for e in estimates if e.card.id in ("builtin", "qwen2.5-coder-1.5b", "llemma-7b")]
    assert chosen_id(known) == "builtin"
    imported = prover("mine", 0.01, 95, facts={"seen_lean": False})
    assert chosen_id([*known, imported]) == "builtin"


def test_steps_and_proofs_are_told_apart() -> None:
    estimates = shipped_estimates()
    assert chosen_id(estimates, "step") == "bfs-prover-v2-7b"
    assert chosen_id(estimates, "proof") == "goedel-prover-v2-8b"
    assert chosen_id(estimates, "proof", 900) in ("kimina-prover-rl-1.7b", "kimina-prover-rl-0.6b")
    builtin = next(e for e in estimates if e.card.id == "builtin")
    assert tasks_of(builtin.card) == ("step",)
    both = card("both", proof="kimina", scores=score(10))
    assert tasks_of(both) == ("step", "proof")


def test_with_little_memory_the_built_in_model_remains_or_nothing() -> None:
    small = Machine(1_000_000_000, 400_000_000, 2, "")
    estimates = shipped_estimates(small)
    assert chosen_id(estimates) == "builtin"
    assert chosen_id(estimates, "proof") is None
    assert chosen_id(shipped_estimates(Machine(10**8, 10**8, 1, ""))) is None


def test_nothing_is_asked_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert chosen_id(shipped_estimates(), patience=1) == "builtin"


def test_every_scored_card_says_where_the_score_is_from() -> None:
    page = (paths.models_dir().parent / "docs" / "model-card.md").read_text(encoding="utf-8")
    for known in read_catalog().cards:
        for found in known.scores:
            assert 0 < found.percent <= 100
            if known.id == "builtin":
                assert found.source == "docs/model-card.md"
                assert f"{found.percent / 100:.3f}" in page
            else:
                assert found.source.startswith("https://")


# Measured


def test_the_built_in_models_time_is_the_measured_one() -> None:
    builtin = next(e for e in shipped_estimates() if e.card.id == "builtin")
    assert (builtin.seconds, builtin.basis) == (0.1, "measured here")


def test_what_is_here_and_likely_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def measure(name: str, seconds: float) -> Measurement:
        asked.append(name)
        if name == "broken":
            raise GenerationError("the model failed")
        return Measurement(name, 1, 2.5, 3)

    monkeypatch.setattr(recommend, "measure", measure)
    models = [
        prover("here", 4, 30, here=True),
        prover("broken", 1, 90, here=True),
        prover("elsewhere", 1, 10),
        prover("hopeless", 400, 95, here=True),
    ]
    told = measure_likely(models, 3, 0.1)
    assert asked == ["here", "broken"]
    assert (told[0].seconds, told[0].basis) == (2.5, "measured here")
    assert told[1].lacking == "the model failed"
    assert told[2:] == models[2:]
    assert chosen_id(told, patience=3) == "here"


# The machine


def test_a_gpu_tool_that_fails_or_hangs_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_room.platform, "system", lambda: "Linux")
    monkeypatch.setattr(machine_room.shutil, "which", lambda _: "/usr/bin/nvidia-smi")

    def hang(*_: Any, **__: Any) -> Any:
        raise subprocess.TimeoutExpired("nvidia-smi", 5)

    monkeypatch.setattr(machine_room.subprocess, "run", hang)
    assert find_gpu() == ""


def test_a_gpu_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_room.platform, "system", lambda: "Linux")
    monkeypatch.setattr(machine_room.shutil, "which", lambda _: "/usr/bin/nvidia-smi")
    done = subprocess.CompletedProcess([], 0, "NVIDIA T4, 15360 MiB\nNVIDIA T4, 15360 MiB\n")
    monkeypatch.setattr(machine_room.subprocess, "run", lambda *_, **__: done)
    assert find_gpu() == "NVIDIA T4, 15360 MiB"


def test_the_machine_is_looked_at() -> None:
    found = machine_room.look_at_machine()
    assert 0 < found.free_bytes <= found.memory_bytes
    assert found.cores >= 1
    assert machine_room.measure_bandwidth() > 1e6


def test_a_containers_limit_is_all_the_memory_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_memory, "_CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text("3000000\n")
    (tmp_path / "memory.current").write_text("2000000\n")
    found = machine_room.look_at_machine()
    assert (found.memory_bytes, found.free_bytes) == (3_000_000, 1_000_000)
    detail = check_machine().detail
    assert "0.0 of 0.0 GB memory free" in detail


@pytest.mark.gguf
def test_the_built_in_model_is_measured() -> None:
    pytest.importorskip("llama_cpp")
    if not (paths.models_dir() / "llmstep-builtin.gguf").is_file():
        pytest.skip("the built-in model is not there")
    measured = machine_room.measure(seconds=0.0)
    assert measured.rounds == 1
    assert measured.seconds > 0
    assert measured.parameters > 1_000_000
