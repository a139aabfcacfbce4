"""Tiny Hugging Face models with random weights, of the architectures the backend is made for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

LINES = """\
theorem add_comm' (a b : ℕ) : a + b = b + a := by omega
theorem le_of_dvd {m n : ℕ} (h1 : 0 < n) : m ∣ n → m ≤ n := by
  intro h
  exact Nat.le_of_dvd h1 h
lemma foo (x y : ℝ) (hx : x ≤ y) : ⟨x, hx⟩ = ⟨x, hx⟩ := by rfl
  rw [mul_comm, ← mul_assoc, h.symm]
  simp only [Set.mem_setOf_eq, Finset.sum_congr] at hx ⊢
  obtain ⟨y, hy, rfl⟩ := h
  refine ⟨_, fun x hx => ?_⟩
  constructor <;> intro h <;> simp_all
  have h₁ : ∀ ε > 0, ∃ δ > 0, ‖f x - f y‖ < ε := by sorry
  exact ⟨fun h => h.1, fun h => ⟨h, trivial⟩⟩
  induction n with
  | zero => simp
  | succ n ih => rw [Nat.pow_succ, ih]; ring
  apply le_antisymm
  · exact hx.trans (le_of_eq h.symm)
  · nlinarith [sq_nonneg (a - b), mul_pos ha hb]
  rcases h with ⟨x, hx⟩ | ⟨y, hy⟩
  cases' h with h h
  ext x; simp [Function.comp]
  linarith
  norm_num [Nat.factorial]
  positivity
  decide
  field_simp
  push_neg at h
  by_contra h
  use 1, 2
  exact?
""".splitlines(keepends=True)

MARKERS = ("[GOAL]", "[PROOFSTEP]")
END = "<|endoftext|>"


def train_byte_level(*, begin: bool = False) -> Tokenizer:
    """A byte-level BPE tokenizer of about 400 tokens, with the two markers as control tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        LINES,
        trainers.BpeTrainer(
            vocab_size=400,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            special_tokens=[END, *MARKERS],
            show_progress=False,
        ),
    )
    # GPT-NeoX writes runs of spaces as tokens of their own, outside the byte alphabet.
    tokenizer.add_tokens([AddedToken("    ", normalized=False)])
    if begin:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{END} $A", special_tokens=[(END, tokenizer.token_to_id(END))]
        )
    return tokenizer


def train_sentence_piece() -> Tokenizer:
    """A Unigram tokenizer in the way of T5's, with <pad>, </s> and <unk> first."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(
        [line.strip() for line in LINES],
        trainers.UnigramTrainer(
            vocab_size=300,
            special_tokens=["<pad>", "</s>", "<unk>"],
            unk_token="<unk>",
            show_progress=False,
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return tokenizer


def build_model(folder: Path, kind: str) -> Path:
    """Write a model folder.

    Args:
        folder: Where to; made if it is not there.
        kind: ``neox``, ``llama``, ``qwen2``, ``mistral`` (sliding window of 8), ``jamba`` (every
            other layer recurrent), ``byt5`` or ``t5``.
    """
    torch.manual_seed(7)
    if kind in ("byt5", "t5"):
        tokenizer = None if kind == "byt5" else train_sentence_piece()
        config = transformers.T5Config(
            vocab_size=384 if tokenizer is None else tokenizer.get_vocab_size() + 4,
            d_model=32,
            d_kv=8,
            d_ff=48,
            num_layers=2,
            num_decoder_layers=2,
            num_heads=4,
            feed_forward_proj="gated-gelu",
        )
        config.tie_word_embeddings = False
        config.decoder_start_token_id = 0
        model = transformers.T5ForConditionalGeneration(config)
    else:
        tokenizer = train_byte_level(begin=kind == "llama")
        # Rows are padded beyond the vocabulary, as those of GPT-NeoX are.
        end = tokenizer.token_to_id(END)
        assert end is not None
        model = _build_decoder(kind, tokenizer.get_vocab_size() + 13, end)
    # The usual first weights are so small that every token is as likely as any other.
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 2:
                weight.normal_(0.0, 0.25)
        model.get_output_embeddings().weight.normal_(0.0, 0.6)
    model.save_pretrained(folder)
    settings = {"tokenizer_class": "ByT5Tokenizer"}
    if tokenizer is not None:
        tokenizer.save(str(folder / "tokenizer.json"))
        ends = {"eos_token": "</s>" if kind == "t5" else END, "unk_token": "<unk>"}
        settings = {"tokenizer_class": "PreTrainedTokenizerFast", **ends}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def _build_decoder(kind: str, rows: int, end: int) -> transformers.PreTrainedModel:
    sizes: dict[str, Any] = {
        "vocab_size": rows,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 256,
        "bos_token_id": end,
        "eos_token_id": end,
        "tie_word_embeddings": False,
    }
    if kind == "neox":
        return transformers.GPTNeoXForCausalLM(transformers.GPTNeoXConfig(**sizes))
    sizes["num_key_value_heads"] = 2
    if kind == "llama":
        return transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes))
    if kind == "qwen2":
        return transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**sizes))
    if kind == "jamba":
        more: dict[str, Any] = {"attn_layer_period": 2, "attn_layer_offset": 1, "num_experts": 2}
        config = transformers.JambaConfig(**sizes, **more, use_mamba_kernels=False)
        return transformers.JambaForCausalLM(config)
    return transformers.MistralForCausalLM(transformers.MistralConfig(**sizes, sliding_window=8))
