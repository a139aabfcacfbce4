from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import pytest
from tests.unit.workshop.conversion.folders import TOKENIZERS
from tokenizers import normalizers

from llmstep.backends.hf_tokenizer import open_splitter
from llmstep_workshop.conversion.gguf_vocabulary import GgufVocabulary, read_vocabulary
from llmstep_workshop.errors import ConversionError

SETTINGS = {"bos_token": "<s>", "eos_token": "</s>"}


def read(
    folder: Path, tokenizer: Any, rows: int = 0, settings: Any = SETTINGS, **config: Any
) -> GgufVocabulary:
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return read_vocabulary(open_splitter(folder), config, rows or tokenizer.get_vocab_size())


def test_byte_level_bpe(tmp_path: Path) -> None:
    tokenizer = TOKENIZERS["gpt-2"]()
    size = tokenizer.get_vocab_size()
    found = read(tmp_path, tokenizer, size + 3)
    assert (found.model, found.rule, found.adds_begin) == ("gpt2", "gpt-2", False)
    assert found.specials == {"bos": 0, "eos": 1}
    assert found.kinds[:3] == [gguf.TokenType.CONTROL] * 3
    spaces = tokenizer.token_to_id("    ")
    assert spaces is not None
    assert (found.tokens[spaces], found.kinds[spaces]) == ("    ", gguf.TokenType.USER_DEFINED)
    assert found.tokens[size:] == [f"[PAD{size + i}]" for i in range(3)]
    assert found.kinds[size:] == [gguf.TokenType.UNUSED] * 3
    assert all(merge.count(" ") == 1 for merge in found.merges)


def test_a_begin_token_is_told_from_the_files_own_rule(tmp_path: Path) -> None:
    assert read(tmp_path, TOKENIZERS["llama-bpe"]()).adds_begin
    without = {**SETTINGS, "add_bos_token": False}
    assert not read(tmp_path, TOKENIZERS["llama-bpe"](), settings=without).adds_begin
    wanted = {**SETTINGS, "add_bos_token": True}
    assert read(tmp_path, TOKENIZERS["gpt-2"](), settings=wanted).adds_begin


def test_sentence_piece_bpe(tmp_path: Path) -> None:
    tokenizer = TOKENIZERS["llama"]()
    found = read(tmp_path, tokenizer)
    assert (found.model, found.adds_space, found.adds_begin) == ("llama", True, True)
    assert found.kinds[:4] == [
        gguf.TokenType.UNKNOWN,
        gguf.TokenType.CONTROL,
        gguf.TokenType.CONTROL,
        gguf.TokenType.BYTE,
    ]
    assert found.specials["unk"] == 0
    first = "".join(json.loads(tokenizer.to_str())["model"]["merges"][0])
    assert found.scores[found.tokens.index(first)] == 0
    assert min(found.scores) < -1e5  # what no merge makes


def test_unigram(tmp_path: Path) -> None:
    found = read(tmp_path, TOKENIZERS["t5"]())
    assert (found.model, found.adds_space, found.characters) == ("t5", True, b"")
    assert all(score <= 0 for score in found.scores)


def test_special_tokens_of_the_configuration(tmp_path: Path) -> None:
    found = read(tmp_path, TOKENIZERS["gpt-2"](), settings={}, eos_token_id=[1, 2], pad_token_id=2)
    assert found.specials == {"bos": 1, "eos": 1, "pad": 2}
    with pytest.raises(ConversionError, match="end-of-text"):
        read(tmp_path, TOKENIZERS["gpt-2"](), settings={})


@pytest.mark.parametrize("rows", [100, 5000])
def test_a_vocabulary_of_another_model(rows: int, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="do not belong together") as caught:
        read(tmp_path, TOKENIZERS["gpt-2"](), rows)
    assert f"{rows:,} rows" in caught.value.message


def test_control_tokens_without_a_row_are_left_out(tmp_path: Path) -> None:
    tokenizer = TOKENIZERS["gpt-2"]()
    rows = tokenizer.get_vocab_size()
    tokenizer.add_special_tokens(["<extra>"])
    assert "<extra>" not in read(tmp_path, tokenizer, rows).tokens


@pytest.mark.parametrize("step", [normalizers.Lowercase(), normalizers.NFKC(), normalizers.Strip()])
def test_texts_that_are_changed(step: Any, tmp_path: Path) -> None:
    tokenizer = TOKENIZERS["gpt-2"]()
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), step])
    with pytest.raises(ConversionError, match=r"changes texts \(" + type(step).__name__):
        read(tmp_path, tokenizer)


def test_other_kinds_of_tokenizers(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models

    with pytest.raises(ConversionError, match="of the kind WordLevel"):
        read(tmp_path, Tokenizer(models.WordLevel({"a": 0}, "a")), settings={}, eos_token_id=0)
    bare = tmp_path / "byt5"
    bare.mkdir()
    (bare / "tokenizer_config.json").write_text('{"tokenizer_class": "ByT5Tokenizer"}')
    with pytest.raises(ConversionError, match="bare bytes"):
        read_vocabulary(open_splitter(bare), {}, 384)
