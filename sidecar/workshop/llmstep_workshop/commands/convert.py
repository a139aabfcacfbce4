"""``llmstep models convert``: a Hugging Face folder as one quantized GGUF file, ready for use."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llmstep.errors import BackendUnavailableError
from llmstep.paths import data_dir, install_workshop_command

if TYPE_CHECKING:
    from llmstep.service.card import ModelCard
    from llmstep_workshop.conversion.parity import Drift
    from llmstep_workshop.conversion.pipeline import Report

# Here and not with the code, so that `--help` needs none of its libraries.
QUANTS = (
    *("F32", "F16", "BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q5_0"),
    *("Q4_K_M", "Q4_K_S", "Q4_0", "Q3_K_M", "Q2_K"),
)


@click.command()
@click.argument("source")
@click.option(
    "--quant",
    type=click.Choice(QUANTS, case_sensitive=False),
    default="Q4_K_M",
    show_default=True,
    help="Number format of the weights; fewer bits are smaller, faster and coarser.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The .gguf file to write (default: in llmstep's own models folder).",
)
@click.option(
    "--id", "model_id", help="Name to choose it by (default: the source's and the quant)."
)
@click.option(
    "--prompt", help="Prompt template (default: that of the source's card, or proofstep-plain)."
)
@click.option("--stop", multiple=True, help="String that ends an answer; may be repeated.")
@click.option("--licence", default="", help="Its licence (default: that of its card or README.md).")
@click.option(
    "--check/--no-check",
    default=None,
    help="Compare the file with the folder by log-probabilities (default: for small models, where "
    "torch and transformers are installed).",
)
@click.option(
    "--allow-pickle", is_flag=True, help="Read weights from a Python pickle, if you trust it."
)
@click.option("--threads", type=click.IntRange(0), default=0, help="CPU threads; 0 chooses.")
def convert(
    source: str,
    quant: str,
    output: Path | None,
    model_id: str | None,
    prompt: str | None,
    stop: tuple[str, ...],
    licence: str,
    check: bool | None,
    allow_pickle: bool,
    threads: int,
) -> None:
    """Convert SOURCE to GGUF: a Hugging Face folder, an id in the local cache, or a model's id.

    Nothing is downloaded. The tokenizer is always compared with the folder's.
    """
    try:
        from llmstep_workshop.conversion import pipeline
        from llmstep_workshop.conversion.model_description import describe_checkpoint
    except ImportError as error:
        raise BackendUnavailableError(
            f"converting needs a library that is not installed: {error.name}",
            hint=f"Install the extra: {install_workshop_command('convert')}",
        ) from error
    from llmstep.backends.hf_files import find_folder, read_checkpoint
    from llmstep.prompts.template import load_template
    from llmstep.service import user_models as library

    quant = quant.upper()
    card, folder = _find_source(source)
    checkpoint = read_checkpoint(find_folder(folder), allow_pickle=allow_pickle)
    base = card.id if card is not None else library.name_id(checkpoint.name.rpartition("/")[2])
    model_id = model_id or f"{base}-{quant.lower()}"
    library.check_id(model_id)
    prompt = prompt or (card.prompt if card is not None else "proofstep-plain")
    load_template(prompt)
    about = describe_checkpoint(checkpoint, licence or (card.licence if card is not None else ""))
    plan = pipeline.plan_conversion(checkpoint, quant)
    if check is None:
        check = plan.is_small and _can_compare()
    staging = data_dir() / "models" / ".incoming" / model_id
    target = staging / f"{model_id}.gguf" if output is None else output
    steps = _Steps()
    try:
        report = pipeline.convert(
            plan, target, about, compare=check, threads=threads, on_step=steps
        )
        steps.close()
        made = library.import_model(
            target,
            model_id=model_id,
            prompt=prompt,
            stop=stop or (card.stop if card is not None else ()),
            licence=about.licence,
            description=f"converted from {checkpoint.name}",
            same_as=card,
            manner="move" if output is None else "link",
        )
    finally:
        steps.close()
        if output is None:
            library.discard(staging)
    _tell(report, quant)
    click.echo(f"use it with `--model {made.id}` or LLMSTEP_MODEL={made.id}", err=True)
    click.echo(made.id)


def _find_source(source: str) -> tuple[ModelCard | None, Path]:
    """The card of a model, and its folder or its hub id; a path goes before a name."""
    from llmstep.service.catalog import find_card, locate

    path = Path(source).expanduser()
    card = None if path.exists() else find_card(source)
    if card is None:
        return None, path
    return card, locate(card) or Path(
        f"{card.repo}@{card.revision}" if card.revision else card.repo
    )


def _can_compare() -> bool:
    return all(importlib.util.find_spec(name) for name in ("torch", "transformers"))


def _tell(report: Report, quant: str) -> None:
    click.echo(f"{report.size_bytes / 1e6:,.1f} MB", err=True)
    click.echo(f"tokenizer: {report.tokens} tokens of sample goals are the folder's", err=True)
    if report.folder is not None:
        click.echo(f"unquantized against the folder: {_describe(report.folder)}", err=True)
    if report.quantized is not None:
        click.echo(f"{quant} against unquantized: {_describe(report.quantized)}", err=True)


def _describe(drift: Drift) -> str:
    return (
        f"likeliest token the same at {drift.agreement:.1%} of {drift.positions} places, "
        f"log-probabilities differ by {drift.mean:.4f} on average, at most {drift.largest:.3f}"
    )


class _Steps:
    """A bar for each step on a terminal, a line elsewhere."""

    def __init__(self) -> None:
        self._name = ""
        self._bar: Any = None
        self._done = 0

    def __call__(self, name: str, done: int, total: int) -> None:
        if name != self._name:
            self.close()
            self._name, self._done = name, 0
            if total and sys.stderr.isatty():
                self._bar = click.progressbar(length=total, label=name, file=sys.stderr).__enter__()
            else:
                click.echo(f"{name} ...", err=True)
        if self._bar is not None:
            self._bar.update(done - self._done)
            self._done = done

    def close(self) -> None:
        """End the line of the last step."""
        if self._bar is not None:
            self._bar.render_finish()
        self._bar = None
