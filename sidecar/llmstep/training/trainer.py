"""Train a tactic model from scratch, resumably, within a budget of time or steps."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import attrs
import torch
from tokenizers import Tokenizer
from torch.nn import functional
from tqdm import tqdm
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils.logging import disable_progress_bar

from llmstep.training.batches import IGNORED, Batch, BatchStream, collate, group_by_length
from llmstep.training.checkpoint import Progress, read_checkpoint, write_checkpoint
from llmstep.training.data import Mix, Row, read_rows
from llmstep.training.errors import CheckpointError, DivergenceError
from llmstep.training.recipe import Architecture, Optimization, Recipe
from llmstep.training.synthetic import generate
from llmstep.training.tokenizer import (
    BOS,
    EOS,
    PAD,
    EncodedPair,
    PairEncoder,
    load_tokenizer,
    train_tokenizer,
)

CHECKPOINT_SECONDS = 180.0
REPORT_STEPS = 50
POSITION_STEP = 256


def build_model(architecture: Architecture, tokenizer: Tokenizer) -> LlamaForCausalLM:
    """A freshly initialised Llama decoder of the given shape."""
    config = LlamaConfig(
        vocab_size=architecture.vocabulary,
        hidden_size=architecture.hidden,
        num_hidden_layers=architecture.layers,
        num_attention_heads=architecture.heads,
        num_key_value_heads=architecture.heads,
        intermediate_size=architecture.feed_forward,
        max_position_embeddings=architecture.positions,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.token_to_id(BOS),
        eos_token_id=tokenizer.token_to_id(EOS),
        pad_token_id=tokenizer.token_to_id(PAD),
    )
    return LlamaForCausalLM(config)


def build_optimizers(model: LlamaForCausalLM, plan: Optimization) -> list[torch.optim.Optimizer]:
    """Muon for the hidden matrices, AdamW for embeddings and norms.

    Each group keeps its full rate under ``peak`` so that the schedule can scale it.
    """
    hidden, rest = [], []
    for name, parameter in model.named_parameters():
        is_matrix = parameter.ndim == 2 and "embed" not in name and "lm_head" not in name
        (hidden if is_matrix else rest).append(parameter)
    muon = torch.optim.Muon(
        hidden, lr=plan.muon_rate, weight_decay=plan.weight_decay, adjust_lr_fn="match_rms_adamw"
    )
    adam = torch.optim.AdamW(rest, lr=plan.adam_rate, betas=(0.9, 0.95), weight_decay=0.0)
    for optimizer, peak in ((muon, plan.muon_rate), (adam, plan.adam_rate)):
        for group in optimizer.param_groups:
            group["peak"] = peak
    return [muon, adam]


def rate_factor(plan: Optimization, step: int, fraction: float) -> float:
    """The factor on every learning rate: linear warm-up, then a cosine over the budget."""
    warmup = min(1.0, (step + 1) / max(1, plan.warmup_steps))
    cosine = 0.5 * (1.0 + math.cos(math.pi * min(1.0, fraction)))
    return warmup * (plan.final_fraction + (1.0 - plan.final_fraction) * cosine)


def compute_losses(
    model: LlamaForCausalLM, batch: Batch, bf16: bool, prompt_positions: torch.Tensor | None
) -> tuple[torch.Tensor, int, torch.Tensor | None]:
    """Losses of one batch: summed over the tactics, how many tokens those have, mean of prompts.

    Both in nats; the last is ``None`` without ``prompt_positions``, a mask of shape (B, T).
    Only the positions that count go through the output layer: with a 4,096-token vocabulary it
    would otherwise cost as much as one transformer layer.
    """
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        hidden = model.model(input_ids=batch.inputs, use_cache=False).last_hidden_state
        hidden = hidden.reshape(-1, hidden.shape[-1])
        loss = _sum_loss(model, hidden, batch.targets, batch.targets != IGNORED)
        prompt_loss = None
        if prompt_positions is not None:
            prompt_loss = _sum_loss(model, hidden, batch.prompts, prompt_positions)
            prompt_loss = prompt_loss / prompt_positions.sum()
    return loss, int((batch.targets != IGNORED).sum()), prompt_loss


def _sum_loss(
    model: LlamaForCausalLM, hidden: torch.Tensor, targets: torch.Tensor, wanted: torch.Tensor
) -> torch.Tensor:
    # The number of positions is rounded up with ignored ones; batches.WIDTH_STEP says why.
    chosen = wanted.flatten().nonzero().squeeze(1)
    padding = -len(chosen) % POSITION_STEP
    labels = functional.pad(targets.flatten()[chosen], (0, padding), value=IGNORED)
    logits = model.lm_head(hidden[functional.pad(chosen, (0, padding))])
    return functional.cross_entropy(logits.float(), labels, ignore_index=IGNORED, reduction="sum")


def measure_loss(
    model: LlamaForCausalLM, pairs: Sequence[EncodedPair], bf16: bool = False
) -> float:
    """Mean negative log-likelihood per tactic token (``</s>`` included), in nats."""
    model.eval()
    total, count = 0.0, 0
    with torch.inference_mode():
        for group in group_by_length(pairs, 8192):
            loss, tokens, _ = compute_losses(model, collate(group), bf16, None)
            total, count = total + float(loss), count + tokens
    model.train()
    return total / count


class Trainer:
    """One training run.

    Its folder holds tokenizer.json, checkpoint.pt, curve.json and, at the end, the Hugging Face
    folder ``model``. A run that was interrupted continues from its checkpoint.
    """

    def __init__(self, recipe: Recipe, data_dir: Path, run_dir: Path) -> None:
        self.recipe = recipe
        self.run_dir = run_dir
        run_dir.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(recipe.seed)
        sources = _load_sources(recipe, data_dir)
        self.tokenizer = self._obtain_tokenizer([rows for rows, _ in sources])
        encoder = PairEncoder(self.tokenizer, recipe.max_state_tokens, recipe.max_tactic_tokens)
        self.stream = BatchStream(
            sources,
            encoder,
            recipe.augmentation,
            recipe.seed,
            recipe.window_rows,
            recipe.optimization.batch_tokens,
        )
        self.validation = {
            name: encoder.encode(read_rows(data_dir / name, recipe.validation_rows))
            for name in recipe.validation
        }
        self.model = build_model(recipe.architecture, self.tokenizer)
        self.optimizers = build_optimizers(self.model, recipe.optimization)
        self.progress = Progress()
        self._resume()

    def run(self) -> Progress:
        """Train until the budget is used up and return the final progress.

        Raises:
            DivergenceError: Loss or gradient is not finite; that step does not touch the weights,
                and the last checkpoint stays.
            CheckpointError: A checkpoint cannot be written.
        """
        progress = self.progress
        session_start, before = time.monotonic(), progress.seconds
        last_saved = session_start
        loss = progress.smoothed_loss
        bar = tqdm(
            total=1.0,
            initial=round(self._fraction(), 4),
            unit="run",
            bar_format="{desc} {percentage:5.1f}%|{bar}| {elapsed}<{remaining} {postfix}",
            mininterval=2.0,
        )
        with bar:
            for pass_index, number, batch in self._batches():
                progress.seconds = before + time.monotonic() - session_start
                fraction = self._fraction()
                if fraction >= 1.0:
                    break
                loss = self._take_step(batch, fraction)
                progress.pass_index, progress.batch_index = pass_index, number + 1
                bar.n = round(fraction, 4)
                bar.set_postfix_str(f"step {progress.step} loss {progress.smoothed_loss:.3f}")
                bar.update(0)
                if progress.step % REPORT_STEPS == 0:
                    self._record(loss)
                if time.monotonic() - last_saved >= CHECKPOINT_SECONDS:
                    self._validate(bar, loss)
                    self.save()
                    last_saved = time.monotonic()
                    progress.seconds = before + last_saved - session_start
            self._validate(bar, loss)
        self.save()
        export_folder(self.model, self.tokenizer, self.run_dir / "model")
        return progress

    def save(self) -> None:
        """Write the checkpoint and the loss curve."""
        write_checkpoint(
            self.run_dir,
            self.model.state_dict(),
            [optimizer.state_dict() for optimizer in self.optimizers],
            self.progress,
            self.recipe.fingerprint(),
            attrs.asdict(self.recipe.architecture),
        )
        curve = self.run_dir / "curve.json"
        partial = curve.with_suffix(".partial")
        partial.write_text(json.dumps(self.progress.curve), encoding="utf-8")
        os.replace(partial, curve)

    def _fraction(self) -> float:
        plan = self.recipe.optimization
        if plan.budget_steps is not None:
            return self.progress.step / plan.budget_steps
        assert plan.budget_seconds is not None
        return self.progress.seconds / plan.budget_seconds

    def _batches(self) -> Iterator[tuple[int, int, Batch]]:
        return self.stream.start_at(self.progress.pass_index, self.progress.batch_index)

    def _take_step(self, batch: Batch, fraction: float) -> float:
        plan, progress = self.recipe.optimization, self.progress
        factor = rate_factor(plan, progress.step, fraction)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * factor
        weight = plan.prompt_weight * (1.0 - fraction)
        positions = self._sample_prompt(batch) if weight > 0.0 else None
        total, count, prompt_loss = compute_losses(self.model, batch, plan.bf16, positions)
        loss = total / count
        objective = loss if prompt_loss is None else loss + weight * prompt_loss
        objective.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), plan.clip_norm)
        measured = objective.item()
        if not (math.isfinite(measured) and math.isfinite(norm.item())):
            raise DivergenceError(
                f"step {progress.step}: loss {measured}, gradient norm {norm.item()}"
            )
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        value = loss.item()
        progress.step += 1
        progress.tokens += int((batch.inputs != 0).sum())
        previous = progress.smoothed_loss if progress.step > 1 else value
        progress.smoothed_loss = 0.98 * previous + 0.02 * value
        return value

    def _sample_prompt(self, batch: Batch) -> torch.Tensor:
        # Seeded by the step, so that a resumed run draws the same positions.
        generator = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + self.progress.step)
        drawn = torch.rand(batch.prompts.shape, generator=generator)
        return (batch.prompts != IGNORED) & (drawn < self.recipe.optimization.prompt_share)

    def _record(self, loss: float, validation: float | None = None) -> None:
        progress = self.progress
        progress.curve.append((progress.step, round(progress.seconds, 1), loss, validation))

    def _validate(self, bar: tqdm, loss: float) -> None:
        scores = {
            name: measure_loss(self.model, pairs, self.recipe.optimization.bf16)
            for name, pairs in self.validation.items()
        }
        if scores:
            self._record(loss, next(iter(scores.values())))
        text = ", ".join(f"{name.split('.')[0]} {score:.3f}" for name, score in scores.items())
        progress = self.progress
        bar.write(
            f"step {progress.step}  {progress.seconds:.0f} s  pass {progress.pass_index}  "
            f"{progress.tokens / 1e6:.2f} M tokens  loss {progress.smoothed_loss:.3f}  {text}"
        )

    def _obtain_tokenizer(self, sources: Sequence[Sequence[Row]]) -> Tokenizer:
        path = self.run_dir / "tokenizer.json"
        if path.exists():
            return load_tokenizer(path)
        texts = (text for row in chain(*sources) for text in (row.state, row.tactic))
        tokenizer = train_tokenizer(texts, self.recipe.architecture.vocabulary)
        partial = path.with_suffix(".partial")
        tokenizer.save(str(partial))
        os.replace(partial, path)
        return load_tokenizer(path)

    def _resume(self) -> None:
        payload = read_checkpoint(
            self.run_dir, self.recipe.fingerprint(), attrs.asdict(self.recipe.architecture)
        )
        if payload is None:
            return
        self.model.load_state_dict(payload["model"])
        for optimizer, state in zip(self.optimizers, payload["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self.progress = payload["progress"]


def _load_sources(recipe: Recipe, data_dir: Path) -> list[tuple[list[Row], Mix]]:
    sources = [(read_rows(data_dir / source.path), source.mix) for source in recipe.sources]
    for source in recipe.synthetic:
        sources.append((list(generate(source.rows, source.seed)), Mix(weight=source.weight)))
    return sources


def export_folder(model: LlamaForCausalLM, tokenizer: Tokenizer, folder: Path) -> None:
    """Write a Hugging Face folder: config.json, model.safetensors, tokenizer.json."""
    disable_progress_bar()
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))


def export_checkpoint(run_dir: Path, folder: Path) -> Progress:
    """Write the Hugging Face folder of a run's last checkpoint, also while the run goes on."""
    payload = read_checkpoint(run_dir, None, None)
    if payload is None:
        raise CheckpointError(
            f"{run_dir}: no checkpoint yet", hint="Start it with `llmstep train`, or wait for it."
        )
    tokenizer = load_tokenizer(run_dir / "tokenizer.json")
    model = build_model(Architecture(**payload["architecture"]), tokenizer)
    model.load_state_dict(payload["model"])
    export_folder(model, tokenizer, folder)
    return payload["progress"]
