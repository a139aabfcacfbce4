"""The tokenizer of a Hugging Face folder in the terms of a GGUF file.

Three kinds (keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md#tokenizer):

- ``gpt2``: byte-level BPE, with its merges and the name of its splitting rule;
- ``llama``: SentencePiece's BPE with byte tokens. llama.cpp knows no merges here: it joins the
  pair whose union scores best, so the scores are the merges' ranks;
- ``t5``: SentencePiece's Unigram model, with its log-probabilities.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
import gguf

from llmstep.backends.hf_tokenizer import JsonSplitter
from llmstep_workshop.conversion.splitter import name_rule
from llmstep_workshop.errors import ConversionError

if TYPE_CHECKING:
    from llmstep.backends.hf_tokenizer import Splitter

_BYTE_TOKEN = re.compile(r"<0x[0-9A-Fa-f]{2}>")
_SPACE = "▁"
_UNMERGED = -1e6  # what no merge makes is joined last


@attrs.frozen
class GgufVocabulary:
    """Tokens and how texts become them.

    Attributes:
        model: ``gpt2``, ``llama`` or ``t5``.
        tokens: One text for each row of the model's logits.
        kinds: Of each token.
        specials: Numbers of ``bos``, ``eos``, ``unk`` and ``pad``, as far as there are.
        adds_begin: Whether texts open with the begin-of-text token.
        merges: Of ``gpt2``.
        rule: Of ``gpt2``: name of the splitting rule.
        scores: Of ``llama`` and ``t5``.
        adds_space: Of ``llama`` and ``t5``: whether a text is taken as if a space stood before it.
        characters: Of ``t5``: the table of SentencePiece's normalization; may be empty.
    """

    model: str
    tokens: list[str]
    kinds: list[int]
    specials: Mapping[str, int]
    adds_begin: bool
    merges: list[str] = attrs.field(factory=list)
    rule: str = ""
    scores: list[float] = attrs.field(factory=list)
    adds_space: bool = False
    characters: bytes = b""


def read_vocabulary(splitter: Splitter, config: Mapping[str, Any], rows: int) -> GgufVocabulary:
    """Translate a tokenizer into the terms of a GGUF file.

    Args:
        splitter: The folder's.
        config: config.json, for the special tokens that the tokenizer does not name.
        rows: Rows of the model's embeddings.

    Raises:
        ConversionError: It is of a kind llama.cpp does not have, or not that of the model.
    """
    if not isinstance(splitter, JsonSplitter):
        raise ConversionError("a tokenizer of bare bytes (ByT5) has no place in a GGUF file")
    layout = splitter.layout
    model = layout["model"]
    tokens, kinds = _list_tokens(layout, rows)
    specials = _find_specials(splitter, config)
    common = {"kinds": kinds, "specials": specials, "adds_begin": _adds_begin(splitter, specials)}
    steps = _list_steps(layout.get("normalizer"))
    _check_steps(steps)
    if model["type"] == "Unigram":
        _mark_sentence_piece(tokens, kinds, specials)
        scores = [0.0] * rows
        for number, (_, score) in enumerate(model["vocab"]):
            scores[number] = float(score)
        table = next((s["precompiled_charsmap"] for s in steps if s["type"] == "Precompiled"), None)
        return GgufVocabulary(
            "t5",
            tokens,
            scores=scores,
            adds_space=_adds_space(layout, steps),
            characters=base64.b64decode(table or ""),
            **common,
        )
    if model["type"] != "BPE":
        raise ConversionError(
            f"a tokenizer of the kind {model['type']} has no place in a GGUF file",
            hint="Byte-level BPE and SentencePiece tokenizers have.",
        )
    # tokenizers writes a merge as a pair or, in older files, as one text with a space.
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    if model.get("byte_fallback"):
        _mark_sentence_piece(tokens, kinds, specials)
        scores = _score_by_rank(tokens, merges)
        return GgufVocabulary(
            "llama", tokens, scores=scores, adds_space=_adds_space(layout, steps), **common
        )
    if model.get("continuing_subword_prefix") or model.get("end_of_word_suffix"):
        raise ConversionError("a BPE tokenizer that marks the parts of words cannot be converted")
    rule = name_rule(layout.get("pre_tokenizer"))
    return GgufVocabulary("gpt2", tokens, merges=merges, rule=rule, **common)


def write_vocabulary(writer: gguf.GGUFWriter, vocabulary: GgufVocabulary) -> None:
    """Write a vocabulary as the metadata of a GGUF file."""
    writer.add_vocab_size(len(vocabulary.tokens))
    writer.add_tokenizer_model(vocabulary.model)
    writer.add_tokenizer_pre(vocabulary.rule or "default")
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.kinds)
    if vocabulary.model == "gpt2":
        writer.add_token_merges(vocabulary.merges)
    else:
        writer.add_token_scores(vocabulary.scores)
        writer.add_add_space_prefix(vocabulary.adds_space)
        writer.add_remove_extra_whitespaces(False)
    if vocabulary.characters:
        writer.add_precompiled_charsmap(vocabulary.characters)
    for name, add in (
        ("bos", writer.add_bos_token_id),
        ("eos", writer.add_eos_token_id),
        ("unk", writer.add_unk_token_id),
        ("pad", writer.add_pad_token_id),
    ):
        if name in vocabulary.specials:
            add(vocabulary.specials[name])
    writer.add_add_bos_token(vocabulary.adds_begin)
    writer.add_add_eos_token(False)


def _list_tokens(layout: Mapping[str, Any], rows: int) -> tuple[list[str], list[int]]:
    """The text and the kind of each token, padded to the rows of the model's embeddings."""
    vocab = layout["model"]["vocab"]
    if isinstance(vocab, dict):
        numbered = [(number, text) for text, number in vocab.items()]
    else:
        numbered = [(number, text) for number, (text, _) in enumerate(vocab)]
    added = {token["id"]: token for token in layout.get("added_tokens", ())}
    texts = {number for number, _ in numbered} | {t for t in added if not added[t]["special"]}
    texts -= {t for t in added if added[t]["special"]}
    count = len({number for number, _ in numbered} | added.keys())
    # A model may have more rows than tokens (padding), or lack those of control tokens.
    if max(texts, default=-1) >= rows or 2 * count < rows:
        raise ConversionError(
            "tokenizer and model do not belong together: the tokenizer has "
            f"{count:,} tokens up to number {max(texts, default=-1):,}, the model {rows:,} rows",
            hint="Copy the tokenizer's files from the model's origin into the folder.",
        )
    tokens = [f"[PAD{number}]" for number in range(rows)]
    kinds = [int(gguf.TokenType.UNUSED)] * rows
    for number, text in numbered:
        if number < rows:
            tokens[number], kinds[number] = text, int(gguf.TokenType.NORMAL)
    for number, token in added.items():
        if number < rows:
            tokens[number] = token["content"]
            kind = gguf.TokenType.CONTROL if token["special"] else gguf.TokenType.USER_DEFINED
            kinds[number] = int(kind)
    return tokens, kinds


def _find_specials(splitter: JsonSplitter, config: Mapping[str, Any]) -> dict[str, int]:
    """Numbers of the special tokens: those of tokenizer_config.json, else of config.json."""
    numbers = {token["content"]: token["id"] for token in splitter.layout.get("added_tokens", ())}
    found: dict[str, int] = {}
    for name in ("bos", "eos", "unk", "pad"):
        named = splitter.settings.get(f"{name}_token")
        text = named.get("content") if isinstance(named, dict) else named
        number = numbers.get(text) if isinstance(text, str) else None
        if number is None:
            number = config.get(f"{name}_token_id")
            number = number[0] if isinstance(number, list) and number else number
        if isinstance(number, int):
            found[name] = number
    unknown = splitter.unknown()
    if unknown:
        found.setdefault("unk", min(unknown))
    # llama.cpp takes token 11 for begin and end where a file names none.
    if "eos" not in found:
        raise ConversionError("neither tokenizer nor config.json names an end-of-text token")
    found.setdefault("bos", found["eos"])
    return found


def _adds_begin(splitter: JsonSplitter, specials: Mapping[str, int]) -> bool:
    lead, _ = splitter.frame()
    if lead not in ([], [specials["bos"]]):
        raise ConversionError(
            f"the tokenizer puts the tokens {lead} before a text; llama.cpp can put the "
            f"begin-of-text token ({specials['bos']}) alone"
        )
    return bool(lead)


def _list_steps(normalizer: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    if normalizer is None:
        return []
    inner = normalizer.get("normalizers", ())
    if normalizer["type"] == "Sequence":
        return [step for part in inner for step in _list_steps(part)]
    return [normalizer]


def _check_steps(steps: list[Mapping[str, Any]]) -> None:
    for step in steps:
        spaces = step["type"] == "Replace" and step["pattern"] == {"String": " "}
        # What Lean prints is in NFC but for rare symbols, so that it changes nothing.
        if step["type"] not in ("NFC", "Prepend", "Precompiled") and not spaces:
            raise ConversionError(
                f"the tokenizer changes texts ({step['type']}) in a way llama.cpp does not"
            )


def _adds_space(layout: Mapping[str, Any], steps: list[Mapping[str, Any]]) -> bool:
    """Older files prepend the mark as a normalization, newer ones in the pre-tokenizer."""
    if any(step["type"] == "Prepend" for step in steps):
        return True
    part = layout.get("pre_tokenizer") or {}
    if part.get("type") == "Metaspace":
        return part.get("prepend_scheme", "always") != "never"
    if part:
        raise ConversionError(
            f"a SentencePiece tokenizer that splits texts by {part.get('type')} cannot be converted"
        )
    return False


def _mark_sentence_piece(tokens: list[str], kinds: list[int], specials: Mapping[str, int]) -> None:
    """Byte tokens and the unknown token have kinds of their own."""
    for number, text in enumerate(tokens):
        if kinds[number] == gguf.TokenType.NORMAL and _BYTE_TOKEN.fullmatch(text):
            kinds[number] = int(gguf.TokenType.BYTE)
    if specials.get("unk", len(tokens)) < len(tokens):
        kinds[specials["unk"]] = int(gguf.TokenType.UNKNOWN)


def _score_by_rank(tokens: list[str], merges: list[str]) -> list[float]:
    """A token's score: minus the rank of the first merge that makes it."""
    ranks: dict[str, int] = {}
    for rank, merge in enumerate(merges):
        ranks.setdefault(merge.replace(" ", ""), rank)
    return [-float(ranks[text]) if text in ranks else _UNMERGED for text in tokens]
