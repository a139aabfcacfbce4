"""A new Llama decoder with a tokenizer of its own, trained from random weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import attrs
import torch
from tokenizers import Tokenizer
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils.logging import disable_progress_bar

from llmstep.backends.hf_tokenizer import JsonSplitter, TextTokens
from llmstep.prompts.template import load_template
from llmstep.replacement import replacing
from llmstep_workshop.data.rows import Row
from llmstep_workshop.errors import RecipeError
from llmstep_workshop.training.batches import IGNORED, Batch, RowEncoder, collate
from llmstep_workshop.training.dropout import apply_dropout
from llmstep_workshop.training.learner import Losses
from llmstep_workshop.training.prompt_encoder import PromptEncoder
from llmstep_workshop.training.recipe import Architecture, Recipe
from llmstep_workshop.training.tokenizer import (
    BOS,
    EOS,
    PAD,
    TOKENIZER_SETTINGS,
    EncodedPair,
    PairEncoder,
    load_tokenizer,
    train_tokenizer,
)

POSITION_STEP = 256
TOKENIZER_NAME = "tokenizer.json"


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


def obtain_tokenizer(path: Path, sources: Sequence[Sequence[Row]], vocabulary: int) -> Tokenizer:
    """The run's tokenizer; trained on all of its rows where it has none yet."""
    if not path.exists():
        texts = (text for row in chain(*sources) for text in _texts(row))
        tokenizer = train_tokenizer(texts, vocabulary)
        with replacing(path) as partial:
            tokenizer.save(str(partial))
    return load_tokenizer(path)


def _texts(row: Row) -> Iterator[str]:
    yield row.state
    yield row.tactic
    if row.premises:
        yield "\n".join(mention.line for mention in row.premises)


def _open_encoder(recipe: Recipe, tokenizer: Tokenizer) -> RowEncoder:
    """What turns rows into the prompt that the model will be served with.

    Raises:
        RecipeError: The prompt cannot be trained, or does not fit the window.
        ConfigError: There is no such template.
    """
    if recipe.prompt == "proofstep":
        return PairEncoder(
            tokenizer, recipe.max_state_tokens, recipe.max_tactic_tokens, recipe.trim
        )
    end = tokenizer.get_vocab()[EOS]
    splitter = JsonSplitter(tokenizer, TOKENIZER_SETTINGS)
    encoder = PromptEncoder(
        load_template(recipe.prompt),
        TextTokens(splitter, recipe.architecture.vocabulary, [end]),
        end,
        recipe.max_state_tokens,
        recipe.max_tactic_tokens,
        has_encoder=False,
    )
    if encoder.longest > recipe.architecture.positions:
        raise RecipeError(
            f"prompts and tactics of up to {encoder.longest} tokens do not fit the window of "
            f"{recipe.architecture.positions} tokens",
            hint="Raise architecture.positions, or lower max_state_tokens or max_tactic_tokens.",
        )
    return encoder


class ScratchLearner:
    """A new model of the recipe's shape; see ``Learner`` for what it offers.

    Attributes:
        model: The decoder.
        architecture: Its shape.
        tokenizer: Its tokenizer.
    """

    def __init__(self, recipe: Recipe, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.model: Any = build_model(recipe.architecture, tokenizer)
        self.architecture = attrs.asdict(recipe.architecture)
        self._encoder = _open_encoder(recipe, tokenizer)
        apply_dropout(self.model, recipe.optimization.dropout)

    def encode(self, rows: Sequence[Row]) -> list[EncodedPair]:
        """Encode rows as the prompt says, ``<s>[GOAL]state[PROOFSTEP]``, and ``tactic</s>``."""
        return self._encoder.encode(rows)

    def collate(self, pairs: Sequence[EncodedPair]) -> Batch:
        """Stack pairs into a right-padded batch."""
        return collate(pairs)

    def compute_losses(self, batch: Batch, *, with_prompts: bool) -> Losses:
        """Losses; only the positions that count go through the output layer.

        With a 4,096-token vocabulary it would otherwise cost as much as one transformer layer.
        """
        hidden = self.model.model(input_ids=batch.inputs, use_cache=False).last_hidden_state
        hidden = hidden.reshape(-1, hidden.shape[-1])
        tactic = self._sum_loss(hidden, batch.targets)
        return Losses(tactic, self._sum_loss(hidden, batch.prompts) if with_prompts else None)

    def _sum_loss(self, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        # The number of positions is rounded up with ignored ones; batches.WIDTH_STEP says why.
        chosen = (targets.flatten() != IGNORED).nonzero().squeeze(1)
        padding = -len(chosen) % POSITION_STEP
        labels = functional.pad(targets.flatten()[chosen], (0, padding), value=IGNORED)
        logits = self.model.lm_head(hidden[functional.pad(chosen, (0, padding))])
        return functional.cross_entropy(
            logits.float(), labels, ignore_index=IGNORED, reduction="sum"
        )

    def learned(self, state: dict[str, Any]) -> dict[str, Any]:
        """All weights."""
        return state

    def load(self, state: dict[str, Any]) -> None:
        """Take over weights."""
        self.model.load_state_dict(state)

    def export(self, folder: Path) -> None:
        """Write config.json, model.safetensors and tokenizer.json."""
        disable_progress_bar()
        self.model.save_pretrained(folder)
        self.tokenizer.save(str(folder / TOKENIZER_NAME))
