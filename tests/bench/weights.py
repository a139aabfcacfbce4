"""The built-in model as a Hugging Face folder, read back from its GGUF file."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np


def write_folder(source: Path, folder: Path) -> None:
    """Write config, weights (32 bits) and tokenizer of a Llama GGUF file with byte-level BPE."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    reader = gguf.GGUFReader(source)

    def value(key: str):
        field = reader.get_field(key)
        assert field is not None, key
        return field.contents()

    heads = value("llama.attention.head_count")
    key_heads = value("llama.attention.head_count_kv")
    layers = value("llama.block_count")
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    config = LlamaConfig(
        vocab_size=len(value("tokenizer.ggml.tokens")),
        hidden_size=value("llama.embedding_length"),
        intermediate_size=value("llama.feed_forward_length"),
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=key_heads,
        max_position_embeddings=value("llama.context_length"),
        rms_norm_eps=value("llama.attention.layer_norm_rms_epsilon"),
        rope_theta=value("llama.rope.freq_base"),
        tie_word_embeddings="output.weight" not in tensors,
        bos_token_id=value("tokenizer.ggml.bos_token_id"),
        eos_token_id=value("tokenizer.ggml.eos_token_id"),
    )
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, layers)
    state = {}
    model = LlamaForCausalLM(config)
    for name in model.state_dict():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        tensor = tensors[names.get_name(name, try_suffixes=(".weight",))]
        weights = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        for projection, count in (("q_proj", heads), ("k_proj", key_heads)):
            if projection in name:
                rows, columns = weights.shape
                halves = weights.reshape(count, rows // count // 2, 2, columns)
                weights = halves.swapaxes(1, 2).reshape(rows, columns)
        state[name] = torch.from_numpy(np.ascontiguousarray(weights))
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected, unexpected
    assert set(missing) <= {"lm_head.weight"}, missing
    model.tie_weights()
    model.save_pretrained(folder)
    write_tokenizer(value, folder)


def write_tokenizer(value, folder: Path) -> None:
    """Write the tokenizer of a GGUF file with byte-level BPE."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokens = value("tokenizer.ggml.tokens")
    kinds = value("tokenizer.ggml.token_type")
    merges = [tuple(merge.split(" ")) for merge in value("tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    control = gguf.TokenType.CONTROL
    special = [token for token, kind in zip(tokens, kinds, strict=True) if kind == control]
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=tokens[value("tokenizer.ggml.bos_token_id")],
        eos_token=tokens[value("tokenizer.ggml.eos_token_id")],
    ).save_pretrained(folder)
