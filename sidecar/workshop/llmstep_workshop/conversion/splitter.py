"""Which of llama.cpp's rules for splitting a text into words a byte-level BPE follows.

A GGUF file names the rule (``tokenizer.ggml.pre``); llama.cpp has it built in
(``llm_tokenizer_bpe`` in llama-vocab.cpp). tokenizer.json spells it out, so it is told from that,
not from the model's name: a model with a vocabulary of its own is as good as a known one.
"""

from __future__ import annotations

from typing import Any

from llmstep_workshop.errors import ConversionError

_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_WORD = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_GPT2 = "gpt-2's"
_DIGIT = "each digit"
_CJK = r"[一-龥ࠀ-一가-퟿]+"

# The steps a rule consists of -> its name.
_RULES: dict[tuple[str, ...], str] = {
    (_GPT2,): "gpt-2",
    (_DIGIT, _GPT2): "starcoder",
    (rf"{_CONTRACTIONS}|{_WORD}|\p{{N}}|{_REST}",): "qwen2",
    (rf"{_CONTRACTIONS}|{_WORD}|\p{{N}}{{1,3}}|{_REST}",): "llama-bpe",
    ("[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", _CJK, _DIGIT): "deepseek-coder",
}
# DeepSeek LLM lists the letters of all scripts one by one.
_DEEPSEEK_LETTERS = r"\s?[A-Za-zµÀ-ÖØ-öø-ƺ"


def name_rule(pre_tokenizer: dict[str, Any] | None) -> str:
    """The name of a rule, from ``pre_tokenizer`` of tokenizer.json.

    Raises:
        ConversionError: llama.cpp has no such rule, or none that is known here.
    """
    steps = tuple(_steps(pre_tokenizer))
    name = _RULES.get(steps)
    if name is None and len(steps) == 6 and steps[1].startswith(_DEEPSEEK_LETTERS):
        name = "deepseek-llm"
    if name is None:
        shown = "; ".join(steps) or "no rule"
        raise ConversionError(
            f"the tokenizer splits texts into words by {shown[:200]!r}, for which no rule of "
            "llama.cpp is known here",
            hint="llama.cpp's own converter may know the model; the transformers backend runs it.",
        )
    return name


def _steps(part: dict[str, Any] | None) -> list[str]:
    if part is None:
        return []
    kind = part.get("type")
    if kind == "Sequence":
        return [step for inner in part["pretokenizers"] for step in _steps(inner)]
    if kind == "ByteLevel":
        if part.get("add_prefix_space"):
            return ["a space before the text"]
        return [_GPT2] if part.get("use_regex", True) else []
    if kind == "Digits":
        return [_DIGIT if part.get("individual_digits") else "digits"]
    if kind == "Split" and part.get("behavior") in ("Isolated", "Removed"):
        pattern = part["pattern"]
        # "Removed" with an inverted pattern keeps what matches: the same as "Isolated" of a
        # pattern that matches everything.
        if (part["behavior"] == "Removed") == bool(part.get("invert")):
            return [str(pattern.get("Regex", pattern.get("String")))]
    return [str(kind)]
