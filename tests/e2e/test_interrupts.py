"""Ctrl-C in the middle of every long command: one line, exit code 130, and no half-written file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llmstep_workshop.data.synthetic import generate

ROOT = Path(__file__).parents[2]
RECIPE = """
id = "tiny"
seed = 3
window_rows = 64
sources = [{ path = "rows.jsonl" }]
about = { name = "tiny", description = "a test", licence = "MIT", author = "nobody" }
[architecture]
hidden = 32
layers = 1
heads = 2
feed_forward = 64
vocabulary = 320
positions = 256
[optimization]
budget_steps = 1000000
batch_tokens = 512
warmup_steps = 2
bf16 = false
"""
COMMANDS: dict[str, list[str]] = {
    "bench": ["bench", "--rounds", "1000"],
    "data": ["data", "synth", "--rows", "5000000", "-o", "out.jsonl"],
    "index": ["index", "build", "many.jsonl", "--output", "out.tactics"],
    "train": ["train", "--config", "tiny.toml", "--data-dir", ".", "--run-dir", "run"],
    "eval": ["eval", "rows.jsonl", "--model", "echo", "--limit", "1000"],
}


@pytest.fixture(scope="module")
def rows() -> list[str]:
    return [json.dumps({"state": r.state, "tactic": r.tactic}) for r in generate(2000, 5)]


@pytest.mark.skipif(os.name != "posix", reason="signals to a group of processes")
@pytest.mark.parametrize("name", COMMANDS)
def test_an_interrupt_ends_it_with_one_line(name: str, rows: list[str], tmp_path: Path) -> None:
    if name == "train":
        pytest.importorskip("torch", reason="training needs torch")
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))
    (tmp_path / "tiny.toml").write_text(RECIPE)
    (tmp_path / "many.jsonl").write_text("\n".join(rows * 100))
    script = [{"candidates": [{"tactic": "rfl", "score": -1, "delayMs": 200}]}]
    (tmp_path / "script.json").write_text(json.dumps(script))
    environ = {**os.environ, "LLMSTEP_HOME": str(tmp_path / "home"), "LLMSTEP_CACHE": "false"}
    environ["LLMSTEP_ECHO_SCRIPT"] = str(tmp_path / "script.json")
    process = subprocess.Popen(
        [sys.executable, "-m", "llmstep", *COMMANDS[name]],
        cwd=tmp_path,
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        wait_until_busy(process)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=120)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert said.strip().splitlines()[-1].startswith(f"llmstep {name}: interrupted")
    assert not (tmp_path / "out.jsonl").exists()
    assert not (tmp_path / "out.tactics").exists()
    assert not list(tmp_path.glob("*.partial"))


def wait_until_busy(process: subprocess.Popen[str]) -> None:
    """Wait until it has begun its own work: imports are behind it by then."""
    import psutil

    handle = psutil.Process(process.pid)
    while process.poll() is None:
        times = handle.cpu_times()
        if times.user + times.system > 2.5 or len(handle.children()) > 0:
            time.sleep(0.5)
            return
        time.sleep(0.1)
