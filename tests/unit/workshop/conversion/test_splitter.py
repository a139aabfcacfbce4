from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.workshop.conversion.folders import DEEPSEEK_CODER, QWEN2, TOKENIZERS
from tokenizers import Regex, pre_tokenizers

from llmstep_workshop.conversion.splitter import name_rule
from llmstep_workshop.errors import ConversionError

# The beginning of DeepSeek LLM's list of letters.
LETTERS = r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿ]+"


def layout(steps: Any) -> Any:
    from tokenizers import Tokenizer, models

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = steps
    return json.loads(tokenizer.to_str())["pre_tokenizer"]


@pytest.mark.parametrize("name", ["gpt-2", "starcoder", "qwen2", "llama-bpe", "deepseek-coder"])
def test_rules_are_told_by_what_they_say(name: str) -> None:
    assert name_rule(json.loads(TOKENIZERS[name]().to_str())["pre_tokenizer"]) == name


def test_a_pattern_that_keeps_what_matches_is_the_same() -> None:
    split = pre_tokenizers.Split(Regex(QWEN2), "removed", invert=True)
    last = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    assert name_rule(layout(pre_tokenizers.Sequence([split, last]))) == "qwen2"


def test_the_letters_of_deepseek_are_known() -> None:
    patterns = ("[\r\n]", LETTERS, r"\s?[!-/:-~]+", r"\s+$", DEEPSEEK_CODER[3])
    steps = [
        *(pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in patterns),
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ]
    assert name_rule(layout(pre_tokenizers.Sequence(steps))) == "deepseek-llm"


@pytest.mark.parametrize(
    ("steps", "shown"),
    [
        (pre_tokenizers.ByteLevel(add_prefix_space=True), "a space before the text"),
        (pre_tokenizers.Whitespace(), "Whitespace"),
        (pre_tokenizers.Digits(individual_digits=False), "digits"),
        (pre_tokenizers.Split(Regex("x+"), "isolated"), r"x\+"),
        (pre_tokenizers.Split(Regex(QWEN2), "removed"), "Split"),
    ],
)
def test_unknown_rules_are_shown(steps: Any, shown: str) -> None:
    with pytest.raises(ConversionError, match=shown):
        name_rule(layout(steps))


def test_no_rule_at_all() -> None:
    with pytest.raises(ConversionError, match="no rule"):
        name_rule(None)
