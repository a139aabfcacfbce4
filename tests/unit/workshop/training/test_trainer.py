from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
from tests.backends.hf_models import build_model
from tests.unit.workshop.training.conftest import TINY

from llmstep_workshop.errors import CheckpointError, DivergenceError, MemoryShortageError
from llmstep_workshop.training import checkpoint, memory_shortage, trainer
from llmstep_workshop.training.checkpoint import BEST_NAME, FILE_NAME, read_checkpoint
from llmstep_workshop.training.distributed import World
from llmstep_workshop.training.memory_shortage import explaining_shortage, memory_per_share
from llmstep_workshop.training.optimizers import rate_factor
from llmstep_workshop.training.recipe import structure_recipe
from llmstep_workshop.training.runs import export_checkpoint
from llmstep_workshop.training.scratch import ScratchLearner
from llmstep_workshop.training.trainer import Trainer

# Trains with a checkpoint at every step, slowly, so that a kill lands in the middle of the run.
KILLED = """
import sys, time
from pathlib import Path
from llmstep_workshop.training import trainer
from llmstep_workshop.training.recipe import structure_recipe
import json
trainer.CHECKPOINT_SECONDS, trainer.REPORT_STEPS = 0.0, 1
step = trainer.Trainer._take_step
trainer.Trainer._take_step = lambda *a: (time.sleep(0.3), step(*a))[1]
trainer.torch.set_num_threads(1)
recipe = structure_recipe(json.loads(sys.argv[1]), "tiny")
trainer.Trainer(recipe, Path(sys.argv[2]), Path(sys.argv[3])).run()
"""


@pytest.fixture(autouse=True)
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "REPORT_STEPS", 1)


def curve(run: Trainer) -> list[tuple[int, float]]:
    return [(step, loss) for step, _, loss, validation in run.progress.curve if validation is None]


def test_training_lowers_the_loss_and_leaves_a_folder(make_recipe, data_dir, tmp_path) -> None:
    recipe = attrs.evolve(make_recipe(budget_steps=60), validation=("rows.jsonl",))
    run = Trainer(recipe, data_dir, tmp_path / "run")
    run.run()
    assert run.progress.step == 60
    first = run.progress.curve[0][2]
    validation = run.progress.curve[-1][3]
    assert validation is not None
    assert validation < 0.85 * first
    folder, progress = export_checkpoint(recipe, data_dir, tmp_path / "run")
    assert folder == tmp_path / "run" / "model"
    assert progress.step == 60
    assert json.loads((folder / "config.json").read_text())["model_type"] == "llama"
    assert (folder / "model.safetensors").exists()
    assert (folder / "tokenizer.json").exists()


def tuned_table(**optimization: object) -> dict[str, Any]:
    """A tiny fine-tuning, with dropout: chance must be the same after a kill, too."""
    plan = {"budget_steps": 8, "batch_tokens": 1024, "warmup_steps": 2, "bf16": False}
    return {key: value for key, value in TINY.items() if key != "architecture"} | {
        "base": {"model": "neox", "lora": {"rank": 4, "dropout": 0.1}},
        "max_state_tokens": 100,
        "max_tactic_tokens": 40,
        "optimization": plan | {"dropout": 0.2, "adam_rate": 1e-2, **optimization},
    }


@pytest.mark.parametrize("way", ["a new model", "adapters of a base model"])
def test_a_killed_run_continues_on_the_same_curve(data_dir, tmp_path, way: str) -> None:
    torch.set_num_threads(1)
    build_model(data_dir / "neox", "neox")
    table = TINY if way == "a new model" else tuned_table()
    recipe = structure_recipe(table, way)
    whole = Trainer(recipe, data_dir, tmp_path / "whole")
    whole.run()
    killed = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, json.dumps(table), str(data_dir), str(killed)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (killed / "curve.json").exists() and process.poll() is None:
        time.sleep(0.02)
    time.sleep(0.7)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    resumed = Trainer(recipe, data_dir, killed)
    assert 0 < resumed.progress.step < 8
    resumed.run()
    assert curve(resumed)[-1][0] == 8
    assert dict(curve(resumed)) == pytest.approx(dict(curve(whole)), rel=1e-4)


def test_early_stopping_keeps_the_best_weights(data_dir, tmp_path, monkeypatch) -> None:
    build_model(data_dir / "neox", "neox")
    table = tuned_table(validate_steps=1, patience=2, budget_steps=50)
    recipe = structure_recipe(table | {"validation": ["rows.jsonl"]}, "patient")
    run = Trainer(recipe, data_dir, tmp_path)
    scores = iter([3.0, 2.0, 2.5, 2.1, 1.0])
    monkeypatch.setattr(run, "measure_loss", lambda _: next(scores))
    states = {}
    keep = run._keep_best

    def remember(score: float) -> None:
        states[run.progress.step] = run.learner.learned(run.learner.model.state_dict())
        states[run.progress.step] = {k: v.clone() for k, v in states[run.progress.step].items()}
        keep(score)

    monkeypatch.setattr(run, "_keep_best", remember)
    progress = run.run()
    assert (progress.step, progress.best_step, progress.best_loss) == (4, 2, 2.0)
    best = torch.load(tmp_path / BEST_NAME)["model"]
    assert all(torch.equal(best[name], states[2][name]) for name in best)
    assert not all(torch.equal(best[name], states[4][name]) for name in best)
    _, exported = export_checkpoint(recipe, data_dir, tmp_path)
    assert exported.step == 2
    again = Trainer(recipe, data_dir, tmp_path)
    assert again.run().step == 4


def test_passes_are_a_budget_and_accumulated_batches_are_one(data_dir, tmp_path) -> None:
    rows = [json.dumps({"state": "p : Prop\n⊢ p", "tactic": f"exact h{i}"}) for i in range(8)]
    (data_dir / "even.jsonl").write_text("\n".join(rows), encoding="utf-8")
    build_model(data_dir / "neox", "neox")
    curves = []
    # Both plans see all eight rows, of 40 tokens with the padding, in each step.
    for accumulate, batch_tokens in ((1, 8 * 40), (2, 4 * 40)):
        plan = {"accumulate": accumulate, "batch_tokens": batch_tokens, "dropout": 0.0}
        table = tuned_table(**plan, budget_steps=None, budget_passes=3, warmup_share=0.5)
        table["base"]["lora"]["dropout"] = 0.0
        table["augmentation"] = {}
        recipe = structure_recipe(table | {"sources": [{"path": "even.jsonl"}]}, "passes")
        run = Trainer(recipe, data_dir, tmp_path / str(accumulate))
        assert {-(-len(pair) // 8) * 8 for pair in next(run.stream.start_at(0, 0)).pairs} == {40}
        progress = run.run()
        assert (progress.step, progress.pass_index, progress.share) == (3, 2, 1.0)
        curves.append([loss for _, loss in curve(run)])
    assert curves[1] == pytest.approx(curves[0], rel=1e-4)
    assert curves[0][-1] < curves[0][0]


def test_nan_stops_the_run_and_the_last_good_checkpoint_stays(
    make_recipe, data_dir, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", 0.0)
    run = Trainer(make_recipe(), data_dir, tmp_path / "run")
    real = ScratchLearner.compute_losses

    def spoil(learner, batch, *, with_prompts):
        losses = real(learner, batch, with_prompts=with_prompts)
        return attrs.evolve(losses, tactic=losses.tactic * float("nan"))

    real_step = Trainer._take_step

    def step(self, portions, fraction):
        if self.progress.step == 5:
            monkeypatch.setattr(ScratchLearner, "compute_losses", spoil)
        return real_step(self, portions, fraction)

    monkeypatch.setattr(Trainer, "_take_step", step)
    with pytest.raises(DivergenceError, match="step 5: loss nan"):
        run.run()
    payload = read_checkpoint(tmp_path / "run" / FILE_NAME, None, None)
    assert payload is not None
    assert payload["progress"].step == 5
    assert all(torch.isfinite(weight).all() for weight in payload["model"].values())


@pytest.mark.parametrize("place", ["save", "fsync", "replace"])
def test_a_full_disk_leaves_the_previous_checkpoint_whole(
    make_recipe, data_dir, tmp_path, monkeypatch, place
) -> None:
    run = Trainer(make_recipe(), data_dir, tmp_path)
    run.run()
    before = (tmp_path / FILE_NAME).read_bytes()

    def fail(*arguments, **_):
        if place == "save":
            arguments[1].write(b"half a checkpoint")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(
        *{
            "save": (checkpoint.torch, "save", fail),
            "fsync": (checkpoint.os, "fsync", fail),
            "replace": (checkpoint.os, "replace", fail),
        }[place]
    )
    with pytest.raises(CheckpointError, match="No space left"):
        run.save()
    monkeypatch.undo()
    assert (tmp_path / FILE_NAME).read_bytes() == before
    assert not list(tmp_path.glob(".*partial"))


def test_folders_and_curves_that_cannot_be_written_are_told(
    make_recipe, data_dir, tmp_path, monkeypatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError, match="folder cannot be made"):
        Trainer(make_recipe(), data_dir, tmp_path / "file" / "run")
    run = Trainer(make_recipe(), data_dir, tmp_path / "run")
    (tmp_path / "run" / "curve.json").mkdir()
    with pytest.raises(CheckpointError, match="could not be written"):
        run.save()
    assert read_checkpoint(tmp_path / "run" / FILE_NAME, None, None) is not None


def test_checkpoints_of_another_model_are_refused(make_recipe, data_dir, tmp_path) -> None:
    recipe = make_recipe()
    Trainer(recipe, data_dir, tmp_path).run()
    wider = attrs.evolve(recipe, architecture=attrs.evolve(recipe.architecture, feed_forward=96))
    with pytest.raises(CheckpointError, match="feed_forward 64 there, 96 here"):
        Trainer(wider, data_dir, tmp_path)
    with pytest.raises(CheckpointError, match="other data, seed or rates"):
        Trainer(attrs.evolve(recipe, seed=99), data_dir, tmp_path)
    longer = Trainer(make_recipe(budget_steps=10), data_dir, tmp_path)
    assert longer.run().step == 10


def test_damaged_and_absent_checkpoints(make_recipe, tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    assert read_checkpoint(path, None, None) is None
    with pytest.raises(CheckpointError, match="no checkpoint yet"):
        export_checkpoint(make_recipe(), tmp_path, tmp_path)
    path.write_bytes(os.urandom(2000))
    with pytest.raises(CheckpointError, match="not a readable checkpoint"):
        read_checkpoint(path, None, None)


def test_memory_that_runs_out_says_what_to_lower(make_recipe, data_dir, tmp_path, monkeypatch):
    run = Trainer(make_recipe(), data_dir, tmp_path)

    def fail(*_, **__):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 1 TB")

    monkeypatch.setattr(run.learner, "compute_losses", fail)
    with pytest.raises(MemoryShortageError, match="can't allocate memory") as caught:
        run.run()
    assert "batch_tokens (512)" in caught.value.hint
    with pytest.raises(MemoryShortageError), explaining_shortage(make_recipe()):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore.")
    tuned = structure_recipe(tuned_table() | {"base": {"model": "neox"}}, "tuned")
    with pytest.raises(MemoryShortageError) as caught, explaining_shortage(tuned):
        raise MemoryError
    assert "gradient_checkpointing" in caught.value.hint
    assert "[base.lora]" in caught.value.hint
    with pytest.raises(RuntimeError, match="shapes"), explaining_shortage(tuned):
        raise RuntimeError("shapes differ")


def test_processes_share_the_memory_that_is_free(monkeypatch) -> None:
    monkeypatch.setattr(memory_shortage, "free_memory", lambda: 800)
    copies, parts = World(size=4), World(size=4, manner="fsdp")
    # On one CPU four copies need four times the memory of one; four parts are one model.
    assert [memory_per_share(world) for world in (World(), copies, parts)] == [800, 200, 800]
    monkeypatch.setattr(memory_shortage, "free_device_memory", lambda _: 500)
    # Each process has a GPU of its own.
    assert [memory_per_share(world) for world in (World(), copies, parts)] == [500, 500, 2000]


def test_a_model_that_cannot_be_written_leaves_the_old_one(
    make_recipe, data_dir, tmp_path, monkeypatch
) -> None:
    recipe = make_recipe(budget_steps=1)
    Trainer(recipe, data_dir, tmp_path).run()
    folder, _ = export_checkpoint(recipe, data_dir, tmp_path)
    before = sorted((file.name, file.read_bytes()) for file in folder.iterdir())

    def fail(learner, target: Path) -> None:
        (target / "model.safetensors").write_bytes(b"half a model")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ScratchLearner, "export", fail)
    with pytest.raises(CheckpointError, match="No space left") as caught:
        export_checkpoint(recipe, data_dir, tmp_path)
    assert "--export-only" in caught.value.hint
    assert sorted((file.name, file.read_bytes()) for file in folder.iterdir()) == before
    assert not (tmp_path / "model.partial").exists()


def test_the_rate_warms_up_and_falls_to_its_floor(make_recipe) -> None:
    plan = attrs.evolve(make_recipe().optimization, warmup_steps=10, final_fraction=0.1)
    assert rate_factor(plan, 0, 0.0, 0.01) == pytest.approx(0.1)
    assert rate_factor(plan, 9, 0.0, 0.1) == pytest.approx(1.0)
    assert rate_factor(plan, 99, 0.5, 0.51) == pytest.approx(0.55)
    assert rate_factor(plan, 99, 1.0, 1.0) == pytest.approx(0.1)
    shared = attrs.evolve(plan, warmup_share=0.04)
    assert rate_factor(shared, 0, 0.0, 0.01) == pytest.approx(0.25)
    assert rate_factor(shared, 50, 0.5, 0.51) == pytest.approx(0.55)
