"""Train a tactic model, resumably, within a budget of time, steps or passes over the data."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import torch
from tqdm import tqdm

from llmstep.replacement import replacing
from llmstep_workshop.data.rows import read_rows
from llmstep_workshop.errors import CheckpointError, DivergenceError, RecipeError
from llmstep_workshop.training.batches import IGNORED, Batch, BatchStream, Portion, group_by_length
from llmstep_workshop.training.checkpoint import (
    BEST_NAME,
    FILE_NAME,
    RunProgress,
    read_checkpoint,
    write_checkpoint,
)
from llmstep_workshop.training.curves import draw_curves
from llmstep_workshop.training.distributed import World, computes_bf16, gather, load_optimizer
from llmstep_workshop.training.learner import Losses
from llmstep_workshop.training.memory_shortage import explaining_shortage
from llmstep_workshop.training.optimizers import build_optimizers, rate_factor, set_rates
from llmstep_workshop.training.recipe import Recipe
from llmstep_workshop.training.runs import load_sources, open_learner
from llmstep_workshop.training.tokenizer import EncodedPair

CHECKPOINT_SECONDS = 180.0
REPORT_STEPS = 50
_VALIDATION_TOKENS = 8192
_SLOW_MUON = (
    "warning: PyTorch's Muon computes in bfloat16, for which this processor has no instructions: "
    'its part of a step takes many times as long. optimizer = "adamw" does not.'
)


class Trainer:
    """One training run.

    Its folder holds tokenizer.json (of a new model), checkpoint.pt, best.pt (of a run that keeps
    its best weights), curve.json and curve.svg. A run that was interrupted continues from its
    checkpoint, also with another number of processes.

    Args:
        recipe: What to train on what.
        data_dir: The folder that the recipe's paths are relative to.
        run_dir: The run's folder.
        world: The processes that take part.

    Raises:
        LLMStepError: Recipe, data, base model or checkpoint cannot be used; see their readers.
    """

    def __init__(
        self, recipe: Recipe, data_dir: Path, run_dir: Path, world: World | None = None
    ) -> None:
        self.recipe = recipe
        self.run_dir = run_dir
        self.world = world or World()
        has_bf16 = computes_bf16(self.world.device)
        self._bf16 = recipe.optimization.bf16 and has_bf16
        if self.world.is_sharded and recipe.optimization.optimizer == "muon":
            raise RecipeError(
                "Muon needs whole matrices, and with FSDP each process has a part of them",
                hint='Start it with --parallel ddp, or set optimizer = "adamw".',
            )
        if recipe.optimization.optimizer == "muon" and not has_bf16 and self.world.is_main:
            tqdm.write(_SLOW_MUON, file=sys.stderr)
        _make_folder(run_dir)
        torch.manual_seed(recipe.seed)
        sources = load_sources(recipe, data_dir)
        rows = [source for source, _ in sources]
        self.learner = open_learner(recipe, rows, data_dir, run_dir, self.world)
        self.stream = BatchStream(
            sources,
            self.learner,
            recipe.augmentation,
            recipe.seed,
            recipe.window_rows,
            recipe.optimization.batch_tokens,
        )
        self.validation = {
            name: self.learner.encode(read_rows(data_dir / name, recipe.validation_rows))
            for name in recipe.validation
        }
        payload = read_checkpoint(
            run_dir / FILE_NAME, recipe.fingerprint(), self.learner.architecture
        )
        if payload is not None:
            self.learner.load(payload["model"])
        with explaining_shortage(recipe):
            self.world.prepare(self.learner.model, bf16=self._bf16)
        self.optimizers = build_optimizers(self.learner.model, recipe.optimization)
        self.progress = RunProgress()
        if payload is not None:
            for optimizer, state in zip(self.optimizers, payload["optimizers"], strict=True):
                load_optimizer(optimizer, state)
            self.progress = payload["progress"]

    def run(self) -> RunProgress:
        """Train until the budget is used up, or patience is, and return the final progress.

        Raises:
            DivergenceError: Loss or gradient is not finite; that step does not touch the weights,
                and the last checkpoint stays.
            CheckpointError: A checkpoint cannot be written.
            MemoryShortageError: A batch does not fit into memory.
        """
        bar = tqdm(
            total=1.0,
            initial=round(self._fraction(), 4),
            unit="run",
            bar_format="{desc} {percentage:5.1f}%|{bar}| {elapsed}<{remaining} {postfix}",
            mininterval=2.0,
            disable=not self.world.is_main,
        )
        with bar, explaining_shortage(self.recipe):
            self._loop(bar)
        self.save()
        return self.progress

    def _loop(self, bar: tqdm) -> None:
        progress, plan = self.progress, self.recipe.optimization
        start, before = time.monotonic(), progress.seconds
        saved, loss, validated = start, progress.smoothed_loss, -1
        for portions in self._steps():
            progress.seconds = self.world.agree(before + time.monotonic() - start)
            fraction = self._fraction()
            if fraction >= 1.0 or self._is_out_of_patience():
                break
            loss = self._take_step(portions, fraction)
            last = portions[-1]
            progress.pass_index, progress.batch_index = last.pass_index, last.number + 1
            progress.share = last.share
            bar.n = round(min(1.0, self._fraction()), 4)
            bar.set_postfix_str(f"step {progress.step} loss {progress.smoothed_loss:.3f}", False)
            bar.update(0)
            if progress.step % REPORT_STEPS == 0 or progress.step == 1:
                self._record(loss)
            if plan.validate_steps and progress.step % plan.validate_steps == 0:
                self._validate(bar, loss)
                validated = progress.step
            if self.world.agree(time.monotonic() - saved) >= CHECKPOINT_SECONDS:
                if not plan.validate_steps:
                    self._validate(bar, loss)
                    validated = progress.step
                self.save()
                saved = time.monotonic()
                progress.seconds = before + saved - start
        if progress.curve and progress.curve[-1][0] != progress.step:
            self._record(loss)
        if validated != progress.step:
            self._validate(bar, loss)

    def save(self) -> None:
        """Write the checkpoint and the loss curve.

        Raises:
            CheckpointError: They cannot be written; the previous checkpoint is whole.
        """
        optimizers = [gather(optimizer.state_dict()) for optimizer in self.optimizers]
        self._write(FILE_NAME, optimizers)
        if not self.world.is_main:
            return
        curve = self.progress.curve
        _replace_text(self.run_dir / "curve.json", json.dumps(curve))
        _replace_text(self.run_dir / "curve.svg", draw_curves(self.recipe.about.name, curve))

    def _write(self, name: str, optimizers: list[dict[str, Any]]) -> None:
        """Write the weights; where that fails for the one that writes, all processes end."""
        state = gather(self.learner.learned(self.learner.model.state_dict()))
        failure: CheckpointError | None = None
        if self.world.is_main:
            try:
                write_checkpoint(
                    self.run_dir / name,
                    state,
                    optimizers,
                    self.progress,
                    self.recipe.fingerprint(),
                    self.learner.architecture,
                )
            except CheckpointError as error:
                failure = error
        if self.world.agree(failure is not None):
            raise failure or CheckpointError("the first process could not write the checkpoint")

    def _fraction(self) -> float:
        progress = self.progress
        return self._budget_share(progress.step, progress.pass_index + progress.share)

    def _budget_share(self, steps: int, passes: float) -> float:
        plan = self.recipe.optimization
        if plan.budget_steps is not None:
            return steps / plan.budget_steps
        if plan.budget_passes is not None:
            return passes / plan.budget_passes
        assert plan.budget_seconds is not None
        return self.progress.seconds / plan.budget_seconds

    def _steps(self) -> Iterator[list[Portion]]:
        batches = self.stream.start_at(self.progress.pass_index, self.progress.batch_index)
        count = self.recipe.optimization.accumulate
        while True:
            yield [next(batches) for _ in range(count)]

    def _take_step(self, portions: Sequence[Portion], fraction: float) -> float:
        plan, progress, world = self.recipe.optimization, self.progress, self.world
        passes = portions[-1].pass_index + portions[-1].share
        after = self._budget_share(progress.step + 1, passes)
        set_rates(self.optimizers, rate_factor(plan, progress.step, fraction, after))
        # Dropout is a function of the step, so that a resumed run drops the same.
        torch.manual_seed((self.recipe.seed * 1_000_003 + progress.step) * 1_009 + world.rank)
        weight = plan.prompt_weight * (1.0 - fraction)
        batches = [self.learner.collate(portion.pairs) for portion in portions]
        batches = [self._choose_prompts(i, b) for i, b in enumerate(batches)] if weight else batches
        # Counted before the batches are split: all processes divide by the same numbers.
        tokens = sum(_count(batch.targets) for batch in batches)
        shares = [weight / max(1, _count(batch.prompts)) / len(batches) for batch in batches]
        loss = prompt_loss = 0.0
        for number, batch in world.split(batches):
            losses = self._compute(batch, with_prompts=weight > 0.0)
            objective = tactic = losses.tactic / tokens
            if losses.prompt is not None:
                objective = tactic + losses.prompt * shares[number]
            (objective * world.gradient_scale).backward()
            loss += tactic.item()
            prompt_loss += (objective - tactic).item()
        loss, prompt_loss = world.add([loss, prompt_loss])
        self._move(loss + prompt_loss)
        progress.step += 1
        progress.tokens += sum(len(pair) for portion in portions for pair in portion.pairs)
        previous = progress.smoothed_loss if progress.step > 1 else loss
        progress.smoothed_loss = 0.98 * previous + 0.02 * loss
        return loss

    def _compute(self, batch: Batch, *, with_prompts: bool) -> Losses:
        device = self.world.device
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self._bf16):
            return self.learner.compute_losses(batch.to(device), with_prompts=with_prompts)

    def _move(self, objective: float) -> None:
        """Move the weights by the gradients that have been summed up."""
        parameters = [p for p in self.learner.model.parameters() if p.requires_grad]
        self.world.sum_gradients(parameters)
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.recipe.optimization.clip_norm)
        measured = float(gather(norm))
        if not (math.isfinite(objective) and math.isfinite(measured)):
            raise DivergenceError(
                f"step {self.progress.step}: loss {objective}, gradient norm {measured}"
            )
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def _choose_prompts(self, number: int, batch: Batch) -> Batch:
        """The batch with a part of its prompts' targets, drawn anew in each step."""
        # Seeded by the step, so that a resumed run draws the same positions.
        seed = self.recipe.seed * 1_000_003 + self.progress.step + number * 7_919
        drawn = torch.rand(batch.prompts.shape, generator=torch.Generator().manual_seed(seed))
        left_out = drawn >= self.recipe.optimization.prompt_share
        return attrs.evolve(batch, prompts=batch.prompts.masked_fill(left_out, IGNORED))

    def _record(self, loss: float, validation: float | None = None) -> None:
        progress = self.progress
        progress.curve.append((progress.step, round(progress.seconds, 1), loss, validation))

    def _validate(self, bar: tqdm, loss: float) -> None:
        """Measure the loss on the validation files, and keep the weights if they are the best."""
        progress = self.progress
        losses = {name: self.measure_loss(pairs) for name, pairs in self.validation.items()}
        if losses:
            first = next(iter(losses.values()))
            self._record(loss, first)
            if self.recipe.optimization.keeps_best:
                self._keep_best(first)
        text = ", ".join(f"{name.split('.')[0]} {value:.3f}" for name, value in losses.items())
        if self.world.is_main:
            bar.write(
                f"step {progress.step}  {progress.seconds:.0f} s  pass {progress.pass_index}  "
                f"{progress.tokens / 1e6:.2f} M tokens  loss {progress.smoothed_loss:.3f}  {text}"
            )

    def _keep_best(self, validation: float) -> None:
        """Keep the weights if their validation loss is the least so far."""
        progress = self.progress
        if progress.best_loss is not None and validation >= progress.best_loss:
            progress.stale += 1
            return
        progress.best_loss, progress.best_step, progress.stale = validation, progress.step, 0
        self._write(BEST_NAME, [])

    def _is_out_of_patience(self) -> bool:
        patience = self.recipe.optimization.patience
        return patience is not None and self.progress.stale >= patience

    def measure_loss(self, pairs: Sequence[EncodedPair]) -> float:
        """Mean negative log-likelihood per tactic token, its end included, in nats."""
        model = self.learner.model
        model.eval()
        total = count = 0.0
        groups = group_by_length(pairs, _VALIDATION_TOKENS)
        with torch.no_grad():
            for group in groups:
                batch = self.learner.collate(group)
                for _, part in self.world.split([batch]):
                    total += float(self._compute(part, with_prompts=False).tactic)
                    count += _count(part.targets)
        model.train()
        total, count = self.world.add([total, count])
        return total / count


def _count(targets: torch.Tensor) -> int:
    return int((targets != IGNORED).sum())


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"{path}: the run's folder cannot be made: {error.strerror or error}",
            hint="Choose another --run-dir.",
        ) from error


def _replace_text(path: Path, text: str) -> None:
    try:
        with replacing(path) as partial:
            partial.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CheckpointError(
            f"{path}: could not be written: {error.strerror or error}",
            hint="Free some disk space and run the same command again: it continues from the "
            "checkpoint, which is intact.",
        ) from error
