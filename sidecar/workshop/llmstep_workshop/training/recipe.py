"""A training recipe: one TOML file that says everything a run depends on."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import attrs
import cattrs

from llmstep_workshop.conversion.model_description import About
from llmstep_workshop.data.rows import Mix
from llmstep_workshop.errors import RecipeError
from llmstep_workshop.training.augmentation import Augmentation

# A field that recipes did not have from the first enters the fingerprint only where it differs from
# its default: a checkpoint written before the field was there still belongs to its recipe.
LATER = {"later": True}


@attrs.frozen
class Source:
    """One JSONL file of training pairs and how often its rows are drawn."""

    path: str
    mix: Mix = attrs.field(factory=Mix)


@attrs.frozen
class SyntheticSource:
    """Pairs made by ``data/synthetic.py``: the same count and seed give the same pairs.

    ``families`` names families or groups of them; of ``split`` ``train`` and ``valid`` no template
    is in both.
    """

    rows: int
    seed: int
    weight: float = 1.0
    families: tuple[str, ...] = attrs.field(default=("basic",), metadata=LATER)
    split: Literal["all", "train", "valid"] = attrs.field(default="all", metadata=LATER)


@attrs.frozen
class Architecture:
    """A Llama decoder with tied embeddings; ``positions`` is the context window in tokens."""

    hidden: int = 256
    layers: int = 6
    heads: int = 4
    feed_forward: int = 704
    vocabulary: int = 4096
    positions: int = 1024


@attrs.frozen
class Optimization:
    """How the weights move, and for how long.

    With the optimizer ``muon`` Muon (scaled as in arXiv:2502.16982, so that its rate compares with
    AdamW's) moves the hidden matrices at ``muon_rate``, AdamW the embeddings and norms at
    ``adam_rate``; with ``adamw`` AdamW moves all at ``adam_rate``. One step sees ``accumulate``
    batches of at most ``batch_tokens`` padded tokens, over all processes together. ``dropout`` is
    the rate of all layers; without it a base model keeps its own, and a new one has none.

    ``budget_seconds``, ``budget_steps`` or ``budget_passes`` ends the run; the rates rise for
    ``warmup_steps`` steps, or for ``warmup_share`` of the budget, and follow a cosine over the
    budget down to ``final_fraction``. The loss on the first validation file is measured every
    ``validate_steps`` steps (else with each checkpoint); with ``keep_best`` the weights of its
    minimum are the run's result, and ``patience`` measurements without a new one end the run.

    ``prompt_weight`` adds the next-token loss on the state, measured on a ``prompt_share`` of its
    positions and fading out linearly over the run: it teaches a new model the layout of states and
    to copy names early, at little cost.
    """

    muon_rate: float = 4e-3
    adam_rate: float = 3e-3
    weight_decay: float = 0.05
    warmup_steps: int = 80
    final_fraction: float = 0.02
    clip_norm: float = 1.0
    batch_tokens: int = 4608
    budget_seconds: float | None = None
    budget_steps: int | None = None
    prompt_weight: float = 0.0
    prompt_share: float = 0.25
    bf16: bool = True
    optimizer: Literal["muon", "adamw"] = attrs.field(default="muon", metadata=LATER)
    adam_beta2: float = attrs.field(default=0.95, metadata=LATER)
    accumulate: int = attrs.field(default=1, metadata=LATER)
    dropout: float | None = attrs.field(default=None, metadata=LATER)
    budget_passes: float | None = attrs.field(default=None, metadata=LATER)
    warmup_share: float | None = attrs.field(default=None, metadata=LATER)
    validate_steps: int | None = attrs.field(default=None, metadata=LATER)
    patience: int | None = attrs.field(default=None, metadata=LATER)
    keep_best: bool = attrs.field(default=False, metadata=LATER)

    @property
    def keeps_best(self) -> bool:
        """Whether the best weights are the result, not the last."""
        return self.keep_best or self.patience is not None


@attrs.frozen
class Lora:
    """Low-rank adapters (arXiv:2106.09685) in the place of full fine-tuning.

    ``target`` names the layers that get one, by the end of their name; empty takes every linear
    layer but the output layer.
    """

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    target: tuple[str, ...] = ()


@attrs.frozen
class Base:
    """The model a fine-tuning starts from.

    ``model`` is a Hugging Face folder, relative to the data folder, or an id in the local cache;
    ``gguf`` is a GGUF file instead, relative to the data folder, or ``package:<name>/<file>`` for
    one that lies in an installed Python package. ``prompt`` is the id of the template that the
    model will be served with. With ``layers`` a decoder is expanded to so many layers first
    (``training/expansion.py``).
    """

    model: str = ""
    gguf: str = ""
    prompt: str = "proofstep-plain"
    dtype: Literal["float32", "bfloat16"] = "float32"
    gradient_checkpointing: bool = False
    lora: Lora | None = None
    layers: int | None = attrs.field(default=None, metadata=LATER)


@attrs.frozen
class Recipe:
    """All that a run depends on.

    Paths in ``sources`` and ``validation`` are relative to the data folder of the command line.
    Without ``base`` a new model of the shape ``architecture`` is trained, with it that one goes on.
    ``prompt`` is the id of the template that a new model will be served with.
    States longer than ``max_state_tokens`` are shortened as in serving, or lose their lines from
    the top (``trim``).
    """

    id: str
    about: About
    sources: tuple[Source, ...]
    seed: int = 7
    synthetic: tuple[SyntheticSource, ...] = ()
    validation: tuple[str, ...] = ()
    validation_rows: int = 600
    max_state_tokens: int = 384
    max_tactic_tokens: int = 64
    window_rows: int = 4096
    architecture: Architecture = attrs.field(factory=Architecture)
    augmentation: Augmentation = attrs.field(factory=Augmentation)
    optimization: Optimization = attrs.field(factory=Optimization)
    base: Base | None = attrs.field(default=None, metadata=LATER)
    trim: Literal["serving", "top"] = attrs.field(default="serving", metadata=LATER)
    prompt: str = attrs.field(default="proofstep", metadata=LATER)

    @property
    def served_prompt(self) -> str:
        """Id of the template that the model will be served with."""
        return self.base.prompt if self.base else self.prompt

    def fingerprint(self) -> str:
        """A hash of what fixes model and data order; a run continues only with the same.

        What may change while a run goes on is left out: its budget, when it is measured and
        stopped, and its description.
        """
        fixed = attrs.asdict(self, filter=_is_telling)
        fixed.pop("about")
        for key in _FREE:
            fixed["optimization"].pop(key, None)
        return hashlib.sha256(repr(sorted(fixed.items())).encode()).hexdigest()[:16]


_FREE = (
    "budget_seconds",
    "budget_steps",
    "budget_passes",
    "validate_steps",
    "patience",
    "keep_best",
)


def _is_telling(field: attrs.Attribute[Any], value: Any) -> bool:
    return not (field.metadata.get("later") and value == field.default)


_CONVERTER = cattrs.Converter(forbid_extra_keys=True)


def load_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        RecipeError: The file is no TOML, or a key is unknown, missing or of a wrong type.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not TOML: {error}") from error
    return structure_recipe(table, str(path))


def structure_recipe(table: dict[str, Any], where: str) -> Recipe:
    """Build a Recipe from a parsed table; ``where`` names the file in errors.

    Raises:
        RecipeError: A key is unknown, missing, of a wrong type or at odds with another.
    """
    try:
        recipe = _CONVERTER.structure(_with_base_defaults(table), Recipe)
    except cattrs.BaseValidationError as error:
        raise RecipeError(f"{where}: {'; '.join(cattrs.transform_error(error))}") from error
    for problem in _find_problems(recipe, table):
        raise RecipeError(f"{where}: {problem}")
    return recipe


def _with_base_defaults(table: dict[str, Any]) -> dict[str, Any]:
    """Fine-tuning moves by AdamW and by smaller steps than a new model's first ones."""
    base, plan = table.get("base"), table.get("optimization", {})
    if not isinstance(base, dict) or not isinstance(plan, dict):
        return table
    rate = 2e-4 if "lora" in base else 1e-5
    defaults = {"optimizer": "adamw", "adam_rate": rate, "weight_decay": 0.0}
    return {**table, "optimization": {**defaults, **plan}}


def _find_problems(recipe: Recipe, table: dict[str, Any]) -> Iterator[str]:
    shape, plan, base = recipe.architecture, recipe.optimization, recipe.base
    if shape.hidden % shape.heads or (shape.hidden // shape.heads) % 2:
        yield "architecture: hidden must be an even multiple of heads"
    budgets = (plan.budget_seconds, plan.budget_steps, plan.budget_passes)
    if sum(budget is not None for budget in budgets) != 1:
        yield ("optimization: give exactly one of budget_seconds, budget_steps and budget_passes")
    if any(budget is not None and budget <= 0 for budget in budgets):
        yield "optimization: the budget must be more than 0"
    for name, value in (
        ("batch_tokens", plan.batch_tokens),
        ("accumulate", plan.accumulate),
        ("validate_steps", plan.validate_steps),
        ("patience", plan.patience),
    ):
        if value is not None and value < 1:
            yield f"optimization: {name} must be at least 1"
    if not 0.0 <= (plan.dropout or 0.0) < 1.0:
        yield "optimization: dropout must be at least 0 and less than 1"
    if plan.keeps_best and not recipe.validation:
        yield "optimization: patience and keep_best need a file in `validation`"
    if recipe.prompt != "proofstep" and recipe.trim == "top":
        yield 'trim = "top" is for the prompt proofstep: leave it out'
    if base is None:
        return
    if "prompt" in table:
        yield "prompt is the base model's: write it as base.prompt"
    if "architecture" in table:
        yield "architecture is the base model's own: leave it out, or leave out [base]"
    if bool(base.model) == bool(base.gguf):
        yield "base: give exactly one of model and gguf"
    if base.lora is not None and base.lora.rank < 1:
        yield "base.lora: rank must be at least 1"
    if base.layers is not None and base.lora is not None:
        yield "base: adapters leave new layers as they are: give layers or [base.lora], not both"
    if base.dtype == "bfloat16" and base.lora is None:
        yield "base: dtype bfloat16 is for LoRA; full fine-tuning needs float32 for small steps"
