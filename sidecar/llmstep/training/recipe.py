"""A training recipe: one TOML file that says everything a run depends on."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Any

import attrs
import cattrs

from llmstep.training.augmentation import Augmentation
from llmstep.training.data import Mix
from llmstep.training.errors import RecipeError


@attrs.frozen
class Source:
    """One JSONL file of training pairs and how often its rows are drawn."""

    path: str
    mix: Mix = attrs.field(factory=Mix)


@attrs.frozen
class SyntheticSource:
    """Pairs made by ``training/synthetic.py``: the same count and seed give the same pairs."""

    rows: int
    seed: int
    weight: float = 1.0


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

    Muon (scaled as in arXiv:2502.16982, so that its rate compares with AdamW's) moves the hidden
    matrices, AdamW the embeddings and norms. ``budget_seconds`` or ``budget_steps`` ends the run;
    the rates follow a cosine over that budget down to ``final_fraction``.

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


@attrs.frozen
class About:
    """What the exported file says about the model."""

    name: str
    description: str
    licence: str
    author: str
    url: str | None = None


@attrs.frozen
class Recipe:
    """All that a run depends on.

    Paths in ``sources`` and ``validation`` are relative to the data folder of the command line.
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

    def fingerprint(self) -> str:
        """A hash of what fixes model and data order; a run continues only with the same.

        The budget is left out, so that a run may be prolonged, and so is the description.
        """
        fixed = attrs.asdict(self)
        fixed.pop("about")
        for key in ("budget_seconds", "budget_steps"):
            fixed["optimization"].pop(key)
        return hashlib.sha256(repr(sorted(fixed.items())).encode()).hexdigest()[:16]


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
        recipe = _CONVERTER.structure(table, Recipe)
    except cattrs.BaseValidationError as error:
        raise RecipeError(f"{where}: {'; '.join(cattrs.transform_error(error))}") from error
    shape = recipe.architecture
    if shape.hidden % shape.heads or (shape.hidden // shape.heads) % 2:
        raise RecipeError(f"{where}: architecture: hidden must be an even multiple of heads")
    budget = recipe.optimization
    if (budget.budget_seconds is None) == (budget.budget_steps is None):
        raise RecipeError(
            f"{where}: optimization: give exactly one of budget_seconds and budget_steps"
        )
    return recipe
