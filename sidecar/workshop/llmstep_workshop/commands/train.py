"""``llmstep train``: from JSONL files to a model that the sidecar serves."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from llmstep.errors import BackendUnavailableError, LLMStepError
from llmstep.paths import install_workshop_command

if TYPE_CHECKING:
    from llmstep_workshop.conversion.writer import Format
    from llmstep_workshop.training.checkpoint import RunProgress
    from llmstep_workshop.training.recipe import Recipe


@click.command()
@click.option(
    "--config",
    "recipe_path",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The recipe (TOML), e.g. models/recipes/builtin.toml.",
)
@click.option(
    "--data-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder that the recipe's data paths are relative to (default: the recipe's own).",
)
@click.option(
    "--run-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where checkpoint, loss curve and model go (default: runs/<recipe id>).",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The GGUF file of a new model (default: <run dir>/<recipe id>.gguf); of a fine-tuned "
    "decoder one is written only if this is given.",
)
@click.option(
    "--quantization",
    type=click.Choice(["F32", "F16", "Q8_0"]),
    default="Q8_0",
    show_default=True,
    help="Number format of the matrices in that file.",
)
@click.option("--threads", type=click.IntRange(1), help="CPU threads (default: PyTorch's choice).")
@click.option(
    "--parallel",
    type=click.Choice(["ddp", "fsdp"]),
    help="How the processes of torchrun or `accelerate launch` share the model: each has a copy "
    "(ddp, the default of new models), or a part (fsdp, the default of fine-tuning).",
)
@click.option(
    "--export-only",
    is_flag=True,
    help="Do not train: write the model of the last checkpoint, also of a run that is going on.",
)
def train(
    recipe_path: Path,
    data_dir: Path | None,
    run_dir: Path | None,
    output: Path | None,
    quantization: Format,
    threads: int | None,
    parallel: Literal["ddp", "fsdp"] | None,
    export_only: bool,
) -> None:
    """Train a model on proof steps, resumably: a new one, or a pretrained one that goes on.

    The same command continues a run that was interrupted, from its last checkpoint. A new model is
    written as GGUF, a fine-tuned one as a Hugging Face folder.
    """
    try:
        import torch

        from llmstep_workshop.training.distributed import join
        from llmstep_workshop.training.recipe import load_recipe
        from llmstep_workshop.training.runs import export_checkpoint
        from llmstep_workshop.training.trainer import Trainer
    except ImportError as error:
        raise BackendUnavailableError(
            f"Training needs a library that is not installed: {error.name}",
            hint=f"Install the extra: {install_workshop_command('train')}",
        ) from error
    recipe = load_recipe(recipe_path)
    data_dir = data_dir or recipe_path.parent
    run_dir = run_dir or Path("runs") / recipe.id
    if not export_only:
        world = join(parallel or ("fsdp" if recipe.base else "ddp"))
        if threads is not None:  # after joining, which shares the cores among the processes
            torch.set_num_threads(threads)
        try:
            Trainer(recipe, data_dir, run_dir, world).run()
        except LLMStepError as error:
            if world.is_main:
                raise
            click.echo(f"llmstep: process {world.rank}: {error.message}", err=True)
            sys.exit(1)
        world.close()
        if not world.is_main:
            return
    folder, progress = export_checkpoint(recipe, data_dir, run_dir)
    if recipe.base is None:
        output = output or run_dir / f"{recipe.id}.gguf"
    if output is not None:
        from llmstep_workshop.training.export import convert_folder

        convert_folder(folder, output, recipe.about, quantization)
    _tell(recipe, folder, output, run_dir, progress)


def _tell(
    recipe: Recipe, folder: Path, file: Path | None, run_dir: Path, progress: RunProgress
) -> None:
    """Say what there is now, and what to do with it."""
    steps = f"step {progress.step}"
    if progress.best_step == progress.step and progress.best_loss is not None:
        steps += f", the best (validation loss {progress.best_loss:.3f})"
    click.echo(
        f"{file or folder}: {steps}, {progress.tokens / 1e6:.1f} M tokens, "
        f"{progress.seconds / 60:.0f} min; loss curves: {run_dir / 'curve.svg'}"
    )
    click.echo("\nNext:")
    for line in _next_commands(recipe, folder, file):
        click.echo(f"  {line}")


def _next_commands(recipe: Recipe, folder: Path, file: Path | None) -> list[str]:
    model, first = str(file), []
    if recipe.served_prompt != "proofstep" or recipe.base is not None:
        # A path alone would not say with which prompt the model was trained.
        from llmstep.backends.hf_files import read_json

        # An encoder-decoder model is served from its folder: llama.cpp runs decoders.
        has_encoder = read_json(folder / "config.json").get("is_encoder_decoder")
        way = "import --link" if has_encoder else "import" if file else "convert"
        model = recipe.id
        prompt, made = recipe.served_prompt, _quote(str(file or folder))
        first = [f"llmstep models {way} {made} --id {model} --prompt {prompt}"]
    return [
        *first,
        f"llmstep eval held-out.jsonl --model {_quote(model)}",
        f"llmstep suggest '⊢ 1 + 1 = 2' --model {_quote(model)}",
    ]


def _quote(text: str) -> str:
    return f'"{text}"' if " " in text else text
