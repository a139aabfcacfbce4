from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import PartialState
from tests.backends.hf_models import build_model
from tests.unit.workshop.training.conftest import TINY

from llmstep_workshop.errors import ProcessGroupError, RecipeError
from llmstep_workshop.training.distributed import World, computes_bf16, find_blocks, join
from llmstep_workshop.training.recipe import Recipe, structure_recipe
from llmstep_workshop.training.trainer import Trainer

PLAN = {
    "budget_steps": 4,
    "batch_tokens": 1024,
    "warmup_steps": 2,
    "bf16": False,
    "validate_steps": 2,
    "keep_best": True,
}
TABLE = {**TINY, "validation": ["rows.jsonl"], "max_state_tokens": 100, "max_tactic_tokens": 30}
TUNED = {key: value for key, value in TABLE.items() if key != "architecture"} | {
    "base": {"model": "neox"},
    "optimization": PLAN | {"adam_rate": 3e-3, "accumulate": 3},
}
ADAPTED = TUNED | {
    "base": {"model": "llama", "lora": {"rank": 4}, "gradient_checkpointing": True},
    "optimization": PLAN | {"adam_rate": 3e-3, "accumulate": 2},
}
# name: how the processes share the model, and the recipe
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "copies of a new model": ("ddp", TABLE | {"optimization": PLAN | {"prompt_weight": 0.2}}),
    "parts of a base model": ("fsdp", TUNED),
    "parts of a model with adapters": ("fsdp", ADAPTED),
}
# Runs every case; a second time with two more steps, from the checkpoint of the first.
PROGRAM = """
import json, sys
from pathlib import Path
import attrs, torch
torch.set_num_threads(1)
from llmstep_workshop.training import trainer
from llmstep_workshop.training.distributed import join
from llmstep_workshop.training.recipe import structure_recipe
trainer.REPORT_STEPS = 1
cases, data, runs = json.loads(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
world = join("ddp")
for name, (manner, table) in cases.items():
    for more in (0, 2):
        table["optimization"]["budget_steps"] += more
        recipe = structure_recipe(table, name)
        trainer.Trainer(recipe, data, runs / name, attrs.evolve(world, manner=manner)).run()
    print(f"rank {world.rank} is done with {name}", flush=True)
world.close()
"""


@pytest.fixture
def bases(data_dir: Path) -> Path:
    """A data folder with rows and two base models."""
    for kind in ("neox", "llama"):
        build_model(data_dir / kind, kind)
    return data_dir


def start_two(arguments: list[str], timeout: float = 240) -> list[subprocess.CompletedProcess]:
    """Start a program twice, as torchrun does: the same command, its place in the environment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    common = {
        **os.environ,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": "2",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    processes = [
        subprocess.Popen(
            arguments,
            env=common | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        outputs = [process.communicate(timeout=timeout) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [
        subprocess.CompletedProcess(arguments, process.returncode, *output)
        for process, output in zip(processes, outputs, strict=True)
    ]


def read_curve(run_dir: Path) -> list[tuple[float, ...]]:
    curve = json.loads((run_dir / "curve.json").read_text())
    return [(step, loss, valid or 0.0) for step, _, loss, valid in curve]


def test_two_processes_take_the_steps_of_one(
    bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "two"
    done = start_two([sys.executable, "-c", PROGRAM, json.dumps(CASES), str(bases), str(runs)])
    for rank, process in enumerate(done):
        assert process.returncode == 0, process.stderr[-3000:]
        assert process.stdout.count(f"rank {rank} is done") == len(CASES)
        # Only the first one tells how it goes.
        assert ("tokens  loss" in process.stdout + process.stderr) == (rank == 0)
    monkeypatch.setattr("llmstep_workshop.training.trainer.REPORT_STEPS", 1)
    for name, (_, table) in CASES.items():
        plan = table["optimization"] | {"budget_steps": 4}
        for steps in (4, 6):
            recipe = structure_recipe(
                table | {"optimization": plan | {"budget_steps": steps}}, name
            )
            single = Trainer(recipe, bases, tmp_path / "one" / name)
            single.run()
        alone, together = read_curve(tmp_path / "one" / name), read_curve(runs / name)
        assert len(alone) == 9
        assert [step for step, *_ in together] == [step for step, *_ in alone]
        for expected, found in zip(alone, together, strict=True):
            assert found == pytest.approx(expected, rel=1e-3), name
        # What several processes wrote, one process reads.
        resumed = Trainer(recipe, bases, runs / name)
        assert resumed.progress.step == 6
        for key, value in resumed.learner.model.state_dict().items():
            # Attention does not depend on the bias of the keys: its gradient is rounding noise, of
            # which Adam makes steps of full length.
            if not key.endswith("query_key_value.bias"):
                expected = single.learner.model.state_dict()[key]
                assert torch.allclose(value, expected, atol=1e-3), key


def test_the_command_runs_under_a_launcher(bases: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "tuned.toml"
    recipe.write_text(
        """
id = "tuned"
about = { name = "t", description = "", licence = "MIT", author = "nobody" }
sources = [{ path = "rows.jsonl" }]
max_state_tokens = 100
max_tactic_tokens = 30
[base]
model = "neox"
[optimization]
budget_steps = 2
bf16 = true
"""
    )
    run_dir = tmp_path / "run"
    command = [sys.executable, "-X", "utf8", "-m", "llmstep", "train"]
    places = ["--config", str(recipe), "--data-dir", str(bases), "--run-dir", str(run_dir)]
    done = start_two([*command, *places])
    errors = [process.stderr[-2000:] for process in done]
    assert [process.returncode for process in done] == [0, 0], errors
    assert "Next:" in done[0].stdout
    assert done[1].stdout == ""
    assert (run_dir / "model" / "model.safetensors").is_file()


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Sets what a launcher sets; afterwards this process belongs to no group."""

    def launch(**environ: str) -> None:
        for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environ.items():
            monkeypatch.setenv(name, value)

    launch()
    yield launch
    PartialState._reset_state()


def test_a_process_without_a_gpu_says_how_many_there_are(
    launched: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    launched(WORLD_SIZE="3", RANK="2", LOCAL_RANK="2")
    with pytest.raises(ProcessGroupError, match="process 2 of this machine has no GPU") as caught:
        join("ddp")
    assert "--nproc-per-node 2" in caught.value.hint


def test_a_process_that_finds_no_others_says_so(launched: Callable[..., None]) -> None:
    launched(WORLD_SIZE="2", RANK="1", LOCAL_RANK="1")
    with pytest.raises(ProcessGroupError, match="process 1 of 2 could not join"):
        join("ddp")


def test_a_process_alone_needs_no_group(launched: Callable[..., None]) -> None:
    world = join("fsdp")
    assert (world.rank, world.size, world.manner) == (0, 1, "fsdp")
    assert not world.is_sharded
    assert not torch.distributed.is_initialized()


def test_blocks_are_the_outermost_layers(bases: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(str(bases / "neox"))
    blocks = find_blocks(model)
    assert [type(block).__name__ for block in blocks] == ["GPTNeoXLayer"] * len(blocks)
    assert len(blocks) == model.config.num_hidden_layers


@pytest.mark.parametrize(
    ("capabilities", "computes"),
    [
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True}, True),
        ({"bf16": True, "neon": True}, True),
        ({}, False),
    ],
)
def test_a_cpu_without_bf16_instructions_computes_in_float32(
    capabilities: dict[str, bool],
    computes: bool,
    monkeypatch: pytest.MonkeyPatch,
    make_recipe: Callable[..., Recipe],
    data_dir: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert computes_bf16(torch.device("cpu")) is computes
    asked: list[bool] = []
    autocast = torch.autocast

    def watch(device: str, *, dtype: torch.dtype, enabled: bool) -> torch.autocast:
        asked.append(enabled)
        return autocast(device, dtype=dtype, enabled=enabled)

    monkeypatch.setattr(torch, "autocast", watch)
    Trainer(make_recipe(budget_steps=1, bf16=True), data_dir, tmp_path / "run").run()
    assert set(asked) == {computes}
    assert ('optimizer = "adamw"' in capfd.readouterr().err) is not computes


def test_muon_is_refused_where_matrices_are_cut(
    make_recipe: Callable[..., Recipe], data_dir: Path, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match="Muon needs whole matrices"):
        Trainer(make_recipe(), data_dir, tmp_path, World(size=2, manner="fsdp"))
