"""``llmstep train``: from JSONL files to a GGUF that the sidecar serves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmstep.errors import BackendUnavailableError
from llmstep.paths import install_command

if TYPE_CHECKING:
    from llmstep.conversion.writer import Format


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
    help="Where tokenizer, checkpoint and loss curve go (default: runs/<recipe id>).",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The GGUF file to write (default: <run dir>/<recipe id>.gguf).",
)
@click.option(
    "--quantization",
    type=click.Choice(["F32", "F16", "Q8_0"]),
    default="Q8_0",
    show_default=True,
    help="Number format of the matrices in the GGUF.",
)
@click.option("--threads", type=click.IntRange(1), help="CPU threads (default: PyTorch's choice).")
@click.option(
    "--export-only",
    is_flag=True,
    help="Do not train: write the GGUF of the last checkpoint, also of a run that is going on.",
)
def train(
    recipe_path: Path,
    data_dir: Path | None,
    run_dir: Path | None,
    output: Path | None,
    quantization: Format,
    threads: int | None,
    export_only: bool,
) -> None:
    """Train a model from proof steps, resumably, and write it as GGUF.

    The same command continues a run that was interrupted, from its last checkpoint.
    """
    try:
        import torch

        from llmstep.training.export import convert_folder
        from llmstep.training.recipe import load_recipe
        from llmstep.training.trainer import Trainer, export_checkpoint
    except ImportError as error:
        raise BackendUnavailableError(
            f"Training needs a library that is not installed: {error.name}",
            hint=f"Install the extra: {install_command('train')}",
        ) from error
    if threads is not None:
        torch.set_num_threads(threads)
    recipe = load_recipe(recipe_path)
    run_dir = run_dir or Path("runs") / recipe.id
    output = output or run_dir / f"{recipe.id}.gguf"
    if not export_only:
        Trainer(recipe, data_dir or recipe_path.parent, run_dir).run()
    progress = export_checkpoint(run_dir, run_dir / "model")
    size = convert_folder(run_dir / "model", output, recipe.about, quantization)
    click.echo(
        f"{output}: {size / 1e6:.1f} MB, {progress.step} steps, "
        f"{progress.tokens / 1e6:.1f} M tokens, {progress.seconds / 60:.0f} min"
    )
