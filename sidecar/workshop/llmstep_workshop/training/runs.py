"""What a recipe names: its data, its model, and the model of a run's checkpoint."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from llmstep_workshop.data.rows import Mix, Row, read_rows
from llmstep_workshop.data.synthetic import generate
from llmstep_workshop.errors import CheckpointError
from llmstep_workshop.training.checkpoint import BEST_NAME, FILE_NAME, RunProgress, read_checkpoint
from llmstep_workshop.training.distributed import World
from llmstep_workshop.training.learner import Learner
from llmstep_workshop.training.memory_shortage import memory_per_share
from llmstep_workshop.training.pretrained import PretrainedLearner, find_base
from llmstep_workshop.training.prompt_encoder import count_lost_symbols, describe_lost_symbols
from llmstep_workshop.training.recipe import Recipe
from llmstep_workshop.training.scratch import TOKENIZER_NAME, ScratchLearner, obtain_tokenizer
from llmstep_workshop.training.tokenizer import load_tokenizer

MODEL_FOLDER = "model"


def load_sources(recipe: Recipe, data_dir: Path) -> list[tuple[list[Row], Mix]]:
    """The rows of all sources of a recipe, each with how often they are drawn.

    Raises:
        TrainingDataError: A file cannot be read, or one of its lines cannot be used.
    """
    sources = [(read_rows(data_dir / source.path), source.mix) for source in recipe.sources]
    for source in recipe.synthetic:
        rows = generate(source.rows, source.seed, source.families, source.split)
        sources.append((list(rows), Mix(weight=source.weight)))
    return sources


def open_learner(
    recipe: Recipe, rows: Sequence[Sequence[Row]], data_dir: Path, run_dir: Path, world: World
) -> Learner:
    """The model that a recipe trains, as it is before the first step.

    What the rows hold and a base model's tokenizer cannot write is told on standard error.

    Raises:
        LLMStepError: The base model cannot be used; see ``PretrainedLearner``.
    """
    if recipe.base is not None:
        folder = find_base(recipe.base, data_dir, run_dir, world)
        learner = PretrainedLearner(recipe, folder, memory_per_share(world))
        lost = count_lost_symbols([row for source in rows for row in source], learner.tokens)
        if lost and world.is_main:
            tqdm.write(f"warning: {describe_lost_symbols(lost)}", file=sys.stderr)
        return learner
    path = run_dir / TOKENIZER_NAME
    if world.is_main:
        obtain_tokenizer(path, rows, recipe.architecture.vocabulary)
    world.agree(0.0)  # the others wait here for the first
    return ScratchLearner(recipe, load_tokenizer(path))


def export_checkpoint(recipe: Recipe, data_dir: Path, run_dir: Path) -> tuple[Path, RunProgress]:
    """Write the Hugging Face folder of a run's result, also while the run goes on.

    The result is the best checkpoint of a run that keeps it, else the last one. An older folder is
    replaced only by a complete new one.

    Returns:
        The folder, and where the run stood.

    Raises:
        CheckpointError: There is no checkpoint, or it is of another model, or the folder cannot be
            written.
        LLMStepError: The base model cannot be used.
    """
    best = run_dir / BEST_NAME
    path = best if recipe.optimization.keeps_best and best.exists() else run_dir / FILE_NAME
    if not path.exists():
        raise CheckpointError(
            f"{run_dir}: no checkpoint yet", hint="Start it with `llmstep train`, or wait for it."
        )
    if recipe.base is None:
        learner: Learner = ScratchLearner(recipe, load_tokenizer(run_dir / TOKENIZER_NAME))
    else:
        learner = PretrainedLearner(recipe, find_base(recipe.base, data_dir, run_dir, World()))
    payload = read_checkpoint(path, None, learner.architecture)
    assert payload is not None
    learner.load(payload["model"])
    folder = run_dir / MODEL_FOLDER
    _write_folder(learner, folder)
    return folder, payload["progress"]


def _write_folder(learner: Learner, folder: Path) -> None:
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        learner.export(partial)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(partial, folder)
    # safetensors reports a failed write as an error of its own, without a common base.
    except Exception as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise CheckpointError(
            f"{folder}: the model could not be written: {error}",
            hint="Free some disk space and run the same command with --export-only.",
        ) from error
