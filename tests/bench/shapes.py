"""Models of the exact shapes the original llmstep ran, with random weights: time is what counts.

The weights of the output layer make letters likely and ends of text, control tokens and broken
characters practically impossible, so that every candidate has the length that is asked for.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from common import load_cases

# The sizes of the models' own config.json: google/byt5-small, EleutherAI/pythia-*-deduped.
BYT5: dict[str, dict[str, Any]] = {
    "byt5-small": {
        "vocab_size": 384,
        "d_model": 1472,
        "d_kv": 64,
        "d_ff": 3584,
        "num_layers": 12,
        "num_decoder_layers": 4,
        "num_heads": 6,
    },
}
PYTHIA: dict[str, dict[str, Any]] = {
    "pythia-160m": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12},
    "pythia-410m": {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16},
    "pythia-1.4b": {"hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 16},
}
_PYTHIA_ROWS = 50304
_LEARNED = 3000  # tokens that the goals are spelled with
_END = "<|endoftext|>"
# Standard deviation of the likely tokens' logits; that of a trained model is of this order.
_SPREAD = 2.5
# How far below them the tens of thousands of others lie; those of a trained model are no closer.
_GAP = 12.0


def write_shape(name: str, folder: Path) -> int:
    """Write a folder with weights in 16 bits (ByT5: 32); returns the number of weights."""
    import torch

    torch.manual_seed(0)
    folder.mkdir()
    model, likely = _make_byt5(name, folder) if name in BYT5 else _make_pythia(name, folder)
    head = model.get_output_embeddings().weight
    with torch.no_grad():
        # The state before it is normalized: its values have a mean square of 1.
        scale = _SPREAD / head.shape[1] ** 0.5
        head.zero_()
        if name in PYTHIA:
            # A part that all states share, by which all other tokens get a logit of about -12.
            model.gpt_neox.final_layer_norm.bias.fill_(1.0)
            head -= _GAP / head.shape[1]
        head[likely] = torch.randn(len(likely), head.shape[1]) * scale
    if name in PYTHIA:
        model = model.half()
    model.save_pretrained(folder)
    return sum(weight.numel() for weight in model.parameters())


def _make_byt5(name: str, folder: Path) -> tuple[Any, list[int]]:
    import transformers

    config = transformers.T5Config(
        **BYT5[name],
        feed_forward_proj="gated-gelu",
        decoder_start_token_id=0,
        tie_word_embeddings=False,
    )
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "ByT5Tokenizer"}')
    letters = [ord(letter) + 3 for letter in "abcdefghijklmnopqrstuvwxyz"]
    return transformers.T5ForConditionalGeneration(config), letters


def _make_pythia(name: str, folder: Path) -> tuple[Any, list[int]]:
    import transformers

    config = transformers.GPTNeoXConfig(
        **PYTHIA[name],
        intermediate_size=4 * PYTHIA[name]["hidden_size"],
        vocab_size=_PYTHIA_ROWS,
        max_position_embeddings=2048,
        bos_token_id=0,
        eos_token_id=0,
        tie_word_embeddings=False,
        rope_parameters={
            "rope_type": "default",
            "rope_theta": 10000.0,
            "partial_rotary_factor": 0.25,
        },
    )
    words = _write_tokenizer(folder)
    return transformers.GPTNeoXForCausalLM(config), words


def _write_tokenizer(folder: Path) -> list[int]:
    """A byte-level BPE of the model's size that spells goals in tokens of a usual length.

    Returns:
        Tokens of plain letters.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    learned = Tokenizer(models.BPE())
    learned.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    learned.train_from_iterator(
        [goal for goal, _ in load_cases()],
        trainers.BpeTrainer(
            vocab_size=_LEARNED,
            initial_alphabet=alphabet,
            special_tokens=[_END],
            show_progress=False,
        ),
    )
    model = json.loads(learned.to_str())["model"]
    vocab: dict[str, int] = model["vocab"]
    merges = [tuple(merge) for merge in model["merges"]]
    # The rest are pieces of bytes that occur in no text; a merge needs a shorter piece.
    unused = [chr(code) for code in range(0xF8, 0x100)]
    rows = [vocab[letter] for letter in unused if letter in vocab]
    assert len(rows) == len(unused)
    shorter = list(unused)
    while len(vocab) < _PYTHIA_ROWS - 27:  # the real one is padded, too
        longer = []
        for left, right in itertools.product(shorter, unused):
            if len(vocab) == _PYTHIA_ROWS - 27:
                break
            vocab[left + right] = len(vocab)
            merges.append((left, right))
            longer.append(left + right)
        shorter = longer
    tokenizer = Tokenizer(models.BPE(vocab, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([_END])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": _END, "eos_token": _END}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return [number for text, number in vocab.items() if text.isascii() and text.isalpha()]
