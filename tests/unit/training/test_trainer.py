from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import attrs
import pytest
import torch

from llmstep.training import checkpoint, trainer
from llmstep.training.checkpoint import FILE_NAME, read_checkpoint
from llmstep.training.errors import CheckpointError, DivergenceError
from llmstep.training.optimizers import rate_factor
from llmstep.training.runs import export_checkpoint
from llmstep.training.scratch import ScratchLearner
from llmstep.training.trainer import Trainer

# Trains with a checkpoint at every step, slowly, so that a kill lands in the middle of the run.
KILLED = """
import sys, time
from pathlib import Path
from llmstep.training import trainer
from llmstep.training.recipe import structure_recipe
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


def test_a_killed_run_continues_on_the_same_curve(make_recipe, data_dir, tmp_path) -> None:
    from tests.unit.training.conftest import TINY

    torch.set_num_threads(1)
    whole = Trainer(make_recipe(), data_dir, tmp_path / "whole")
    whole.run()
    killed = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, json.dumps(TINY), str(data_dir), str(killed)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (killed / "curve.json").exists() and process.poll() is None:
        time.sleep(0.02)
    time.sleep(0.7)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    resumed = Trainer(make_recipe(), data_dir, killed)
    assert 0 < resumed.progress.step < 8
    resumed.run()
    assert curve(resumed)[-1][0] == 8
    assert dict(curve(resumed)) == pytest.approx(dict(curve(whole)), rel=1e-4)


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
    assert not list(tmp_path.glob("*.partial"))


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


def test_the_rate_warms_up_and_falls_to_its_floor(make_recipe) -> None:
    plan = attrs.evolve(make_recipe().optimization, warmup_steps=10, final_fraction=0.1)
    assert rate_factor(plan, 0, 0.0, 0.01) == pytest.approx(0.1)
    assert rate_factor(plan, 9, 0.0, 0.1) == pytest.approx(1.0)
    assert rate_factor(plan, 99, 0.5, 0.51) == pytest.approx(0.55)
    assert rate_factor(plan, 99, 1.0, 1.0) == pytest.approx(0.1)
    shared = attrs.evolve(plan, warmup_share=0.04)
    assert rate_factor(shared, 0, 0.0, 0.01) == pytest.approx(0.25)
    assert rate_factor(shared, 50, 0.5, 0.51) == pytest.approx(0.55)
