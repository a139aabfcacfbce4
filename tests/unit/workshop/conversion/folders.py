"""Tiny Hugging Face folders with random weights, of every architecture and tokenizer we convert."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing

TEXTS = """\
theorem add_comm' (a b : ℕ) : a + b = b + a := by omega
h : ∀ ε > 0, ∃ δ > 0, ‖f x - f y‖ < ε ⊢ x ≤ y
  rw [mul_comm, ← mul_assoc, h.symm] at hx ⊢
  simp only [Set.mem_setOf_eq, Finset.sum_congr]
  obtain ⟨y, hy, rfl⟩ := h; exact ⟨0, hn⟩
  refine ⟨_, fun x hx => ?_⟩ <;> intro h <;> simp_all
G : Type* inst : Group G H K : Subgroup G
""".splitlines(keepends=True)
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3 = QWEN2.replace(r"\p{N}|", r"\p{N}{1,3}|")
DEEPSEEK_CODER = ("[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", r"[一-龥ࠀ-一가-퟿]+")
MARKERS = ["<s>", "</s>", "[GOAL]"]


def byte_level(*steps: Any, regex: bool = True, begin: bool = False) -> Tokenizer:
    """A byte-level BPE that splits by the steps, then by GPT-2's rule or not at all."""
    tokenizer = Tokenizer(models.BPE())
    last = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=regex)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*steps, last]) if steps else last
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        TEXTS,
        trainers.BpeTrainer(
            vocab_size=380,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            special_tokens=MARKERS,
            show_progress=False,
        ),
    )
    tokenizer.add_tokens(["    ", "  "])  # runs of spaces, as GPT-NeoX has them
    if begin:
        tokenizer.post_processor = TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
        )
    return tokenizer


def split(pattern: str) -> Any:
    return pre_tokenizers.Split(Regex(pattern), "isolated")


TOKENIZERS = {
    "gpt-2": byte_level,
    "starcoder": lambda: byte_level(pre_tokenizers.Digits(individual_digits=True)),
    "qwen2": lambda: byte_level(split(QWEN2), regex=False),
    "llama-bpe": lambda: byte_level(split(LLAMA3), regex=False, begin=True),
    "deepseek-coder": lambda: byte_level(
        *map(split, DEEPSEEK_CODER), pre_tokenizers.Digits(individual_digits=True), regex=False
    ),
}


def sentence_piece_bpe(*, old: bool = True) -> Tokenizer:
    """SentencePiece's BPE with byte tokens, as Llama 2 has it, in the older or newer layout."""
    learned = Tokenizer(models.BPE())
    learned.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    learned.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=200, show_progress=False, max_token_length=12)
    )
    model = json.loads(learned.to_str())["model"]
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    words = sorted(model["vocab"], key=model["vocab"].__getitem__)
    vocab = {text: i for i, text in enumerate(["<unk>", "<s>", "</s>", *bytes_, *words])}
    merges = [tuple(merge) for merge in model["merges"]]
    tokenizer = Tokenizer(
        models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    if old:
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        )
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(
        TEXTS,
        trainers.UnigramTrainer(
            vocab_size=260,
            special_tokens=["<unk>", "<s>", "</s>"],
            unk_token="<unk>",
            show_progress=False,
        ),
    )
    return tokenizer


TOKENIZERS |= {
    "llama": sentence_piece_bpe,
    "llama-new": lambda: sentence_piece_bpe(old=False),
    "t5": unigram,
}

CLASSES: dict[str, Any] = {
    "neox": (transformers.GPTNeoXConfig, transformers.GPTNeoXForCausalLM),
    "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
    "mistral": (transformers.MistralConfig, transformers.MistralForCausalLM),
    "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM),
    "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM),
}


def write_folder(
    folder: Path,
    kind: str = "llama",
    tokenizer: str = "gpt-2",
    *,
    hidden: int = 64,
    dtype: torch.dtype = torch.float32,
    shard: str = "5GB",
    **values: Any,
) -> Path:
    """Write a folder.

    Args:
        folder: Where to.
        kind: Key of `CLASSES`.
        tokenizer: Key of `TOKENIZERS`.
        hidden: Width of the model.
        dtype: Of the weights.
        shard: Largest weight file.
        values: Further values of the configuration.
    """
    torch.manual_seed(5)
    splitter = TOKENIZERS[tokenizer]()
    sizes: dict[str, Any] = {
        "vocab_size": splitter.get_vocab_size() + 7,  # padded, as those of GPT-NeoX are
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 256,
        "bos_token_id": splitter.token_to_id("<s>"),
        "eos_token_id": splitter.token_to_id("</s>"),
        "tie_word_embeddings": False,
    }
    if kind != "neox":
        sizes["num_key_value_heads"] = 2
    if kind == "qwen3":
        sizes["head_dim"] = hidden // 2  # not hidden / heads
    config_class, model_class = CLASSES[kind]
    model = model_class(config_class(**sizes | values))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            # The usual first weights are so small that no order of theirs makes a difference.
            if weight.dim() == 2:
                weight.normal_(0.0, 0.15)
            elif name.endswith("bias"):
                weight.normal_(0.0, 0.3)
            else:
                weight.uniform_(0.5, 1.5)
    model.to(dtype).save_pretrained(folder, max_shard_size=shard)
    splitter.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def change_config(folder: Path, **values: Any) -> None:
    """Set values in config.json; ``None`` removes one."""
    file = folder / "config.json"
    config = json.loads(file.read_text()) | values
    file.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))
