"""A Hugging Face folder, converted, served and asked: the processes a user starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the [train] extra is not installed")
pytest.importorskip("transformers", reason="the [train] extra is not installed")
pytest.importorskip("gguf", reason="the [train] extra is not installed")
pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")

from tests.unit.workshop.conversion.folders import write_folder

pytestmark = [pytest.mark.gguf, pytest.mark.hf]


def test_convert_serve_suggest(
    tmp_path: Path, start_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path / "home"))
    folder = write_folder(tmp_path / "Prover", "qwen2", "qwen2")
    command = [sys.executable, "-m", "llmstep", "models", "convert", str(folder)]
    done = subprocess.run(
        [*command, "--quant", "Q8_0"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=200,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    name = done.stdout.strip()
    assert name == "prover-q8_0"
    client = start_server("--model", name, environ={"LLMSTEP_SOURCES": "model"})
    client.initialize()
    # Random weights write junk; enough of it, and some passes for a step.
    answer = client.suggest("p : Prop\nhp : p\n⊢ p", n=32)["result"]
    assert answer["model"] == name
    assert answer["stats"]["generatedTokens"] > 0
    assert answer["suggestions"]
    assert client.noise == b""
