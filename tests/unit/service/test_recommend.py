from __future__ import annotations

import subprocess
from typing import Any

import pytest

from llmstep import paths
from llmstep.service import recommend
from llmstep.service.card import ModelCard
from llmstep.service.catalog import read_catalog
from llmstep.service.recommend import Estimate, Machine, Measurement, choose, estimate, find_gpu

MACHINE = Machine(16_000_000_000, 8_000_000_000, 4, "")
MEASURED = Measurement("builtin", 10_000_000, 0.1, 50, 10e9)


def card(name: str, **facts: Any) -> ModelCard:
    return ModelCard(id=name, name=name, **{"backends": ("llama_cpp",), **facts})


def test_time_grows_with_the_weights() -> None:
    found = estimate(card("m", parameters=1_000_000_000), MACHINE, MEASURED)
    assert found.seconds == pytest.approx(10.0)
    assert found.memory_bytes == pytest.approx(1e9 * 0.61 * 1.15 + 300e6)


def test_reading_the_file_is_the_least_time() -> None:
    slow = Measurement("builtin", 10_000_000, 0.0001, 50, 1e9)
    found = estimate(card("m", size_bytes=1_000_000_000), MACHINE, slow)
    assert found.seconds == pytest.approx(24.0)


@pytest.mark.parametrize(
    ("name", "billions"), [("llemma-7b", 7), ("pythia-2.8b-lean", 2.8), ("qwen2.5-coder-1.5b", 1.5)]
)
def test_a_size_in_the_name_counts(name: str, billions: float) -> None:
    found = estimate(card(name), MACHINE, MEASURED)
    assert found.seconds == pytest.approx(billions * 10)


def test_the_cards_own_count_goes_before_the_size_in_its_name() -> None:
    for known in read_catalog().cards:
        assert known.parameters is not None
        found = estimate(known, MACHINE, MEASURED)
        assert found.seconds is not None
        assert found.seconds > 0.999 * known.parameters / MEASURED.parameters * MEASURED.seconds
    found = estimate(card("m-7b", parameters=6_738_546_688), MACHINE, MEASURED)
    assert found.seconds == pytest.approx(67.38546688)


def test_a_model_of_unknown_size_is_not_guessed_at() -> None:
    found = estimate(card("v1.5-rl"), MACHINE, MEASURED)
    assert (found.seconds, found.memory_bytes, found.fits) == (None, None, False)


def test_what_is_larger_than_memory_does_not_fit() -> None:
    found = estimate(card("m-20b", backends=("transformers",)), MACHINE, MEASURED)
    assert found.memory_bytes is not None
    assert found.memory_bytes > 40e9
    assert not found.fits


def test_the_largest_that_is_fast_enough_is_chosen() -> None:
    def one(name: str, seconds: float, fits: bool = True, lacking: str = "") -> Estimate:
        return Estimate(card(name), 1e9, seconds, fits, lacking, False)

    chosen = choose([one("a", 0.1), one("b", 9), one("c", 11), one("d", 9.5, fits=False)])
    assert chosen is not None
    assert chosen.card.id == "b"
    chosen = choose([one("a", 0.1), one("b", 9, lacking="needs torch")])
    assert chosen is not None
    assert chosen.card.id == "a"
    assert choose([one("c", 11)]) is None


def test_a_gpu_tool_that_fails_or_hangs_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recommend.platform, "system", lambda: "Linux")
    monkeypatch.setattr(recommend.shutil, "which", lambda _: "/usr/bin/nvidia-smi")

    def hang(*_: Any, **__: Any) -> Any:
        raise subprocess.TimeoutExpired("nvidia-smi", 5)

    monkeypatch.setattr(recommend.subprocess, "run", hang)
    assert find_gpu() == ""


def test_a_gpu_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recommend.platform, "system", lambda: "Linux")
    monkeypatch.setattr(recommend.shutil, "which", lambda _: "/usr/bin/nvidia-smi")
    done = subprocess.CompletedProcess([], 0, "NVIDIA T4, 15360 MiB\nNVIDIA T4, 15360 MiB\n")
    monkeypatch.setattr(recommend.subprocess, "run", lambda *_, **__: done)
    assert find_gpu() == "NVIDIA T4, 15360 MiB"


def test_the_machine_is_looked_at() -> None:
    machine = recommend.look_at_machine()
    assert 0 < machine.free_bytes <= machine.memory_bytes
    assert machine.cores >= 1


@pytest.mark.gguf
def test_the_built_in_model_is_measured() -> None:
    pytest.importorskip("llama_cpp")
    if not (paths.models_dir() / "llmstep-builtin.gguf").is_file():
        pytest.skip("the built-in model is not there")
    measured = recommend.measure(0.0)
    assert measured.rounds == 1
    assert measured.seconds > 0
    assert measured.parameters > 1_000_000
    assert measured.bandwidth > 1e6
