from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from llmstep.commands.models_recommend import recommend
from llmstep.errors import BackendUnavailableError
from llmstep.service import machine
from llmstep.service import recommend as service
from llmstep.service.machine import Machine, Measurement


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command on a machine of 16 GB, without a measurement if ``broken``."""

    def go(*arguments: str, broken: bool = False, free: int = 12 * 10**9) -> Result:
        def measure(name: str = "builtin", seconds: float = 0.0) -> Measurement:
            if broken:
                raise BackendUnavailableError("llama_cpp is not installed")
            return Measurement(name, 16_000_000, 0.1, 9)

        monkeypatch.setattr(machine, "look_at_machine", lambda: Machine(16 * 10**9, free, 4, ""))
        monkeypatch.setattr(machine, "measure_bandwidth", lambda: 2e10)
        monkeypatch.setattr(machine, "measure", measure)
        monkeypatch.setattr(service, "measure", measure)
        monkeypatch.setattr(service, "missing_backend", lambda _: "")
        return CliRunner().invoke(recommend, arguments, catch_exceptions=False)

    return go


def test_steps_and_proofs_have_a_model_each(run: Callable[..., Result]) -> None:
    told = run("--patience", "10", "--proof-patience", "300").stdout
    steps, proofs = told.split("Whole proof")
    assert "builtin" in steps
    assert "measured here" in steps
    assert "by its card" in steps
    assert "Take ntp-context-1.3b: `llmstep models pull ntp-context-1.3b`" in steps
    assert "has not seen Lean" in steps
    assert "Take kimina-prover-rl-1.7b" in proofs
    assert 'set_option llmstep.prove.model "kimina-prover-rl-1.7b-q4_k_m"' in proofs


def test_who_waits_shorter_keeps_the_built_in_model(run: Callable[..., Result]) -> None:
    told = run("--patience", "0.5", "--proof-patience", "1").stdout
    assert "Take builtin" in told
    assert "None answers in that time; the quickest that could is kimina" in told


def test_without_a_measurement_it_says_so_and_goes_on(run: Callable[..., Result]) -> None:
    done = run("--patience", "3", broken=True)
    assert done.exit_code == 0
    assert "cannot be measured: llama_cpp is not installed" in done.stderr
    assert "measured here" not in done.stdout
    assert "Take " in done.stdout


def test_with_no_memory_nothing_is_taken(run: Callable[..., Result]) -> None:
    told = run(free=10**8).stdout
    assert told.count("None fits and runs") == 2


def test_the_same_as_json(run: Callable[..., Result]) -> None:
    told: dict[str, Any] = json.loads(run("--patience", "10", "--json").stdout)
    assert told["recommended"] == "ntp-context-1.3b"
    builtin = next(row for row in told["models"] if row["id"] == "builtin")
    assert (builtin["basis"], builtin["seenLean"], builtin["percent"]) == (
        "measured here",
        True,
        None,
    )
    kimina = next(row for row in told["models"] if row["id"] == "kimina-prover-rl-0.6b")
    assert (kimina["task"], kimina["percent"], kimina["converted"]) == ("proof", 71.3, True)
