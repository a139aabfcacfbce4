"""A pretrained Hugging Face model that goes on learning: all of its weights, or adapters (LoRA)."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import torch
from torch.nn import functional

from llmstep.backends.hf_files import check_memory, find_folder, read_checkpoint
from llmstep.backends.hf_library import Placement, load_library, takes_argument
from llmstep.backends.hf_tokenizer import TextTokens, open_splitter
from llmstep.errors import BackendUnavailableError, ModelFileError
from llmstep.paths import install_workshop_command
from llmstep.prompts.template import load_template
from llmstep_workshop.data.rows import Row
from llmstep_workshop.errors import MemoryShortageError, RecipeError
from llmstep_workshop.training.batches import IGNORED, Batch, collate, collate_sides
from llmstep_workshop.training.distributed import World
from llmstep_workshop.training.dropout import apply_dropout
from llmstep_workshop.training.expansion import expand_blocks
from llmstep_workshop.training.gguf_base import locate_gguf, write_folder
from llmstep_workshop.training.learner import Losses
from llmstep_workshop.training.prompt_encoder import PromptEncoder
from llmstep_workshop.training.recipe import Base, Lora, Recipe
from llmstep_workshop.training.tokenizer import EncodedPair

_TOKENIZER_FILES = (
    "tokenizer*",
    "*.model",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template*",
)
# A weight in training: itself, its gradient, and AdamW's two moments, 32 bits each.
_TRAINED_BYTES = 16
_FROZEN_BYTES = {"float32": 4, "bfloat16": 2}


def find_base(base: Base, data_dir: Path, run_dir: Path, world: World) -> Path:
    """The folder of the base model; a GGUF file is written into the run's folder as one first.

    Raises:
        RecipeError: There is no such GGUF file.
        ModelNotFoundError: There is no such folder, and no such snapshot in the local cache.
        ModelFileError: The GGUF file cannot be used.
    """
    if not base.gguf:
        near = data_dir / base.model
        return near if near.is_dir() else find_folder(Path(base.model).expanduser())
    folder = run_dir / "base"
    if world.is_main:
        write_folder(locate_gguf(base.gguf, data_dir), folder)
    world.agree(0.0)  # the others wait here for the first
    return folder


class PretrainedLearner:
    """The base model of a recipe; see ``Learner`` for what it offers.

    Attributes:
        model: The model, or the model with adapters around its layers.
        architecture: What its weights fit: kind and size.
        tokens: Its tokenizer.

    Raises:
        RecipeError: Recipe and model do not go together.
        ModelFileError: The folder cannot be used.
        ConfigError: There is no such prompt template.
        MemoryShortageError: The weights and what training adds to them are more than is free.
    """

    def __init__(self, recipe: Recipe, folder: Path, free_bytes: int | None = None) -> None:
        assert recipe.base is not None
        self.base = recipe.base
        load_library()
        from llmstep.backends.hf_loader import load_model, read_kind

        self._checkpoint = read_checkpoint(folder)
        kind = read_kind(self._checkpoint)
        self._has_encoder = kind == "encoder-decoder"
        splitter = open_splitter(folder)
        if free_bytes is not None:
            self._check_memory(free_bytes)
        placement = Placement("cpu", getattr(torch, self.base.dtype))
        model = load_model(self._checkpoint, kind, placement)
        if self.base.layers is not None:
            expand_blocks(model, self.base.layers)
        rows = int(model.get_output_embeddings().weight.shape[0])
        window = getattr(model.config.get_text_config(decoder=True), "max_position_embeddings", 0)
        ends = _read_tokens(model, "eos_token_id")
        if not ends:
            raise RecipeError(
                f"{self._checkpoint.name} has no end-of-text token, so no tactic could be ended",
                hint="Set `eos_token_id` in its config.json.",
            )
        starts = _read_tokens(model, "decoder_start_token_id") or _read_tokens(
            model, "bos_token_id"
        )
        self._start = (starts or ends)[0]
        self._tells_columns = takes_argument(model, "logits_to_keep")
        self.tokens = TextTokens(splitter, rows, ends)
        self._encoder = PromptEncoder(
            load_template(self.base.prompt),
            self.tokens,
            ends[0],
            recipe.max_state_tokens,
            recipe.max_tactic_tokens,
            has_encoder=self._has_encoder,
        )
        self._check_recipe(recipe, window or 0)
        lora = self.base.lora
        self.architecture: dict[str, Any] = {
            "model_type": self._checkpoint.config["model_type"],
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "vocabulary": rows,
            "lora_rank": lora.rank if lora else 0,
        }
        apply_dropout(model, recipe.optimization.dropout)
        if self.base.gradient_checkpointing:
            with warnings.catch_warnings():
                # The name of the method changes with version 6 of the library.
                warnings.simplefilter("ignore", FutureWarning)
                model.gradient_checkpointing_enable({"use_reentrant": False})
        self.model: Any = _add_adapters(model, lora, self._has_encoder) if lora else model
        self.model.train()

    def _check_memory(self, free: int) -> None:
        each = _FROZEN_BYTES[self.base.dtype] if self.base.lora else _TRAINED_BYTES
        checkpoint, layers = self._checkpoint, self.base.layers
        if layers is not None and (old := checkpoint.config.get("num_hidden_layers")):
            # As if all weights were in layers: a little too much, on the safe side.
            weights = checkpoint.parameters * max(layers, old) // old
            checkpoint = attrs.evolve(checkpoint, parameters=weights)
        try:
            check_memory(checkpoint, each, free, "memory for training")
        except ModelFileError as error:
            raise MemoryShortageError(
                error.message,
                hint='Train adapters ([base.lora], with dtype = "bfloat16"), share the model '
                "among more processes (--parallel fsdp), or take a smaller base model.",
            ) from error

    def _check_recipe(self, recipe: Recipe, window: int) -> None:
        longest = self._encoder.longest
        if not self._has_encoder and window and longest > window:
            raise RecipeError(
                f"prompts and tactics of up to {longest} tokens do not fit the window of "
                f"{self._checkpoint.name}, {window} tokens",
                hint="Lower max_state_tokens or max_tactic_tokens.",
            )
        if self._has_encoder and recipe.optimization.prompt_weight:
            raise RecipeError(
                "prompt_weight is for decoders: an encoder-decoder model does not write its prompt",
                hint="Leave prompt_weight out.",
            )

    def encode(self, rows: Sequence[Row]) -> list[EncodedPair]:
        """Encode rows by the prompt template, in the model's own tokens."""
        return self._encoder.encode(rows)

    def collate(self, pairs: Sequence[EncodedPair]) -> Batch:
        """Stack pairs into a right-padded batch."""
        return collate_sides(pairs, self._start) if self._has_encoder else collate(pairs)

    def compute_losses(self, batch: Batch, *, with_prompts: bool) -> Losses:
        """Losses; of a decoder only the columns with something to learn get logits.

        Right padding needs no mask in a decoder: no token looks to its right.
        """
        if self._has_encoder:
            options = {
                "input_ids": batch.source,
                "attention_mask": batch.mask,
                "decoder_input_ids": batch.inputs,
            }
        else:
            options = {"input_ids": batch.inputs}
        columns = torch.arange(batch.targets.shape[1], device=batch.targets.device)
        if self._tells_columns and not self._has_encoder:
            wanted = batch.targets != IGNORED
            if with_prompts:
                wanted = wanted | (batch.prompts != IGNORED)
            columns = wanted.any(0).nonzero().squeeze(1)
            if not len(columns):  # a filler of `Batch.take`: one column is the least there can be
                columns = torch.zeros(1, dtype=torch.long, device=columns.device)
            options["logits_to_keep"] = columns
        logits = self.model(**options, use_cache=False).logits
        tactic = _sum_loss(logits, batch.targets[:, columns])
        prompt = _sum_loss(logits, batch.prompts[:, columns]) if with_prompts else None
        return Losses(tactic, prompt)

    def learned(self, state: dict[str, Any]) -> dict[str, Any]:
        """All weights, or the adapters alone."""
        if self.base.lora is None:
            return state
        trained = {name for name, p in self.model.named_parameters() if p.requires_grad}
        return {name: value for name, value in state.items() if name in trained}

    def load(self, state: dict[str, Any]) -> None:
        """Take over weights, or adapters."""
        self.model.load_state_dict(state, strict=self.base.lora is None)

    def export(self, folder: Path) -> None:
        """Write config.json, the weights with merged adapters, and the base model's tokenizer."""
        with warnings.catch_warnings():
            # That a model's input and output layers differ is its own affair.
            warnings.simplefilter("ignore")
            model = self.model.merge_and_unload() if self.base.lora else self.model
        stored = self._checkpoint.config
        kept = stored.get("dtype") or stored.get("torch_dtype") or "float32"
        model.to(getattr(torch, kept)).save_pretrained(folder)
        for pattern in _TOKENIZER_FILES:
            for file in self._checkpoint.folder.glob(pattern):
                shutil.copyfile(file, folder / file.name)


def _read_tokens(model: Any, key: str) -> list[int]:
    """A setting that is a token or a list of tokens; the model's own word goes first."""
    for source in (model.config, model.generation_config):
        value = getattr(source, key, None)
        if value is not None:
            return [int(token) for token in (value if isinstance(value, list) else [value])]
    return []


def _add_adapters(model: Any, lora: Lora, has_encoder: bool) -> Any:
    try:
        from peft import LoraConfig, TaskType, get_peft_model
    except ImportError as error:
        raise BackendUnavailableError(
            f"LoRA needs a library that is not installed: {error.name}",
            hint=f"Install the extra: {install_workshop_command('train')}",
        ) from error
    config = LoraConfig(
        task_type=TaskType.SEQ_2_SEQ_LM if has_encoder else TaskType.CAUSAL_LM,
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.target) or "all-linear",
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of peft's own use of transformers
            return get_peft_model(model, config)
    except ValueError as error:
        raise RecipeError(
            f"base.lora: {str(error).partition(chr(10))[0]}",
            hint="Leave `target` out to adapt every linear layer.",
        ) from error


def _sum_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    flat = logits.float().reshape(-1, logits.shape[-1])
    return functional.cross_entropy(flat, labels.reshape(-1), ignore_index=IGNORED, reduction="sum")
