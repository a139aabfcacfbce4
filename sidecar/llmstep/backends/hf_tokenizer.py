"""The tokenizer of a Hugging Face folder: texts to tokens, and the bytes of every token; its chat.

``tokenizer.json`` is read by the tokenizers library as it stands: the classes around it in
transformers rebuild it from their own idea of the model, and may ask the hub about it. Only a
folder without that file goes through them, which convert SentencePiece models.

ByT5 has no vocabulary file at all: its tokens are the bytes, after three control tokens
(Xue et al. 2021, arXiv:2105.13626).

Newer folders hold the chat template as ``chat_template.jinja``, older ones inside
``tokenizer_config.json`` (https://huggingface.co/docs/transformers/chat_templating_writing).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from llmstep.backends.chat import ChatTemplate
from llmstep.backends.hf_files import read_json
from llmstep.backends.tokens import Vocabulary
from llmstep.errors import ModelFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tokenizers import Tokenizer

_HINT = "Copy the tokenizer's files (tokenizer.json) from the model's origin into the folder."
_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_SPACE = "▁"  # LOWER ONE EIGHTH BLOCK, SentencePiece's mark of a space
# Files from which transformers can make a tokenizer where there is no tokenizer.json.
_CONVERTIBLE = ("tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "vocab.json")
# Plain words that every vocabulary for English or code can spell, to try the table of bytes on.
_SAMPLE = "rw at h"


class TextTokens:
    """Texts to tokens and back, for one model.

    Args:
        splitter: The folder's tokenizer, which does not know the model.
        rows: Rows of the model's logits.
        ends: Tokens that the model takes for an end.

    Attributes:
        vocabulary: The bytes of the tokens, padded to the model's rows.
        lead: Tokens the model expects before a text, e.g. begin of text.
        trail: Tokens it expects after a text that is complete (an encoder's input).
        is_bytes: Whether every token is a single byte: a text has one spelling then.

    Raises:
        ModelFileError: The tokenizer is of a kind that cannot be followed byte by byte, or does
            not belong to the model.
    """

    def __init__(self, splitter: Splitter, rows: int, ends: Iterable[int]) -> None:
        self._splitter = splitter
        pieces = splitter.pieces()
        controls = splitter.controls()
        _check_size(pieces, controls, rows)
        # A control token, say the [GOAL] of a next example, is no part of this answer. The one
        # for unknown text is neither an end nor a text.
        closing = (controls - splitter.unknown()) | set(ends)
        self.vocabulary = Vocabulary(
            [b"" if t in controls else pieces.get(t, b"") for t in range(rows)],
            [t in closing for t in range(rows)],
        )
        self.lead, self.trail = splitter.frame()
        self.is_bytes = max(map(len, self.vocabulary.pieces)) == 1
        spelled = b"".join(self.vocabulary.pieces[t] for t in self.encode(_SAMPLE, special=False))
        if spelled.lstrip() != _SAMPLE.encode():
            raise ModelFileError(
                f"the tokenizer changes texts: {_SAMPLE!r} becomes "
                f"{spelled.decode(errors='replace')!r}; a prefix could not be kept",
                hint="Take a model with a byte-level or SentencePiece tokenizer.",
            )

    def encode(self, text: str, *, special: bool) -> list[int]:
        """Tokens of a text, without begin or end; ``special`` lets markers be control tokens."""
        return self._splitter.encode(text, special=special) if text else []


class ByteSplitter:
    """ByT5: a byte b is the token b + 3; <pad>, </s> and <unk> come first, 125 sentinels last."""

    OFFSET = 3
    END = 1
    UNKNOWN = 2
    SENTINELS = 125

    def encode(self, text: str, *, special: bool) -> list[int]:
        """Tokens of a text; its control tokens have no spelling."""
        return [byte + self.OFFSET for byte in text.encode()]

    def pieces(self) -> dict[int, bytes]:
        """The bytes of every token that has some: the 256 bytes."""
        return {byte + self.OFFSET: bytes([byte]) for byte in range(256)}

    def controls(self) -> set[int]:
        """Control tokens: all but the bytes."""
        last = self.OFFSET + 256
        return {*range(self.OFFSET), *range(last, last + self.SENTINELS)}

    def unknown(self) -> set[int]:
        """The token for unknown text: <unk>, which ByT5 never needs."""
        return {self.UNKNOWN}

    def frame(self) -> tuple[list[int], list[int]]:
        """Tokens the model expects before and after a whole text, which ends with </s>."""
        return [], [self.END]


class JsonSplitter:
    """A tokenizer of the tokenizers library.

    Attributes:
        layout: The contents of tokenizer.json, as the library writes it.
        settings: Those of tokenizer_config.json.
    """

    def __init__(self, tokenizer: Tokenizer, settings: dict[str, Any]) -> None:
        self._tokenizer = tokenizer
        self.settings = settings
        tokenizer.no_truncation()  # some files carry the settings of their training
        tokenizer.no_padding()
        self.layout = json.loads(tokenizer.to_str())

    def encode(self, text: str, *, special: bool) -> list[int]:
        """Tokens of a text."""
        self._tokenizer.encode_special_tokens = not special
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def pieces(self) -> dict[int, bytes]:
        """The bytes of all tokens, by the way the file's own decoder reads them."""
        kinds = set(_kinds(self.layout.get("decoder")))
        words = self._tokenizer.get_vocab(with_added_tokens=False)
        if "ByteLevel" in kinds:
            table = _byte_level_table()
            found = {t: _read_byte_level(word, table) for word, t in words.items()}
        elif kinds & {"Metaspace", "Replace", "ByteFallback"}:
            found = {t: _read_sentence_piece(word) for word, t in words.items()}
        else:
            raise ModelFileError(
                f"a tokenizer that decodes by {', '.join(sorted(kinds)) or 'no rule'} cannot be "
                "followed byte by byte",
                hint="Take a model with a byte-level or SentencePiece tokenizer.",
            )
        # Added tokens are written as they are, e.g. the runs of spaces of GPT-NeoX.
        added = self._tokenizer.get_added_tokens_decoder()
        return found | {t: token.content.encode() for t, token in added.items()}

    def controls(self) -> set[int]:
        """Added tokens that are marked as special."""
        added = self._tokenizer.get_added_tokens_decoder()
        return {t for t, token in added.items() if token.special}

    def unknown(self) -> set[int]:
        """The token the file or its settings name; GPT-NeoX has one token for everything."""
        word = self.layout["model"].get("unk_token") or _content(self.settings.get("unk_token"))
        token = self.layout["model"].get("unk_id")
        if token is None:
            token = self._tokenizer.token_to_id(word)
        others = {_content(self.settings.get(key)) for key in ("bos_token", "eos_token")}
        return set() if token is None or word in others else {token}

    def frame(self) -> tuple[list[int], list[int]]:
        """What the file's post-processor, or the setting ``add_bos_token``, puts around a text."""
        bare = self.encode(_SAMPLE, special=False)
        whole = self._tokenizer.encode(_SAMPLE, add_special_tokens=True).ids
        ends = range(len(bare), len(whole) + 1)
        end = next((i for i in ends if whole[i - len(bare) : i] == bare), len(whole))
        lead, trail = whole[: end - len(bare)], whole[end:]
        begin = self._tokenizer.token_to_id(_content(self.settings.get("bos_token")))
        wanted = self.settings.get("add_bos_token")
        if wanted is False:
            lead = [t for t in lead if t != begin]
        elif wanted and begin is not None and begin not in lead:
            lead = [begin, *lead]
        return lead, trail


Splitter = ByteSplitter | JsonSplitter


def open_splitter(folder: Path) -> Splitter:
    """The tokenizer of a folder.

    Raises:
        ModelFileError: There is none, or it cannot be read.
    """
    from tokenizers import Tokenizer

    path = folder / "tokenizer_config.json"
    settings = read_json(path) if path.is_file() else {}
    path = folder / "tokenizer.json"
    if path.is_file():
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare exceptions
            raise ModelFileError(f"{path} cannot be read: {error}", hint=_HINT) from error
        return JsonSplitter(tokenizer, settings)
    if str(settings.get("tokenizer_class", "")).startswith("ByT5"):
        return ByteSplitter()
    if not any((folder / name).is_file() for name in _CONVERTIBLE):
        raise ModelFileError(f"{folder} holds no tokenizer: there is no tokenizer.json", hint=_HINT)
    from transformers import AutoTokenizer

    try:
        loaded = AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
        tokenizer = loaded.backend_tokenizer
    except Exception as error:  # conversion fails in many ways, also with ImportError
        reason = str(error).strip().partition("\n")[0]
        raise ModelFileError(
            f"the tokenizer in {folder} has no tokenizer.json and cannot be converted: {reason}",
            hint=_HINT,
        ) from error
    return JsonSplitter(tokenizer, settings)


def read_chat_template(folder: Path, *, has_lead: bool) -> ChatTemplate | None:
    """The chat template of a folder, or ``None`` if it brings none.

    Args:
        folder: The model's folder.
        has_lead: Whether the tokenizer itself puts a begin-of-text token in front.

    Raises:
        ModelFileError: A file is there and cannot be read.
    """
    settings_file = folder / "tokenizer_config.json"
    settings = read_json(settings_file) if settings_file.is_file() else {}
    source = settings.get("chat_template")
    if isinstance(source, list):  # several, by name
        named = {entry.get("name"): entry.get("template") for entry in source}
        source = named.get("default")
    own_file = folder / "chat_template.jinja"
    if own_file.is_file():
        try:
            source = own_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelFileError(f"{own_file} cannot be read: {error}") from error
    if not isinstance(source, str) or not source:
        return None
    begin = "" if has_lead else _content(settings.get("bos_token"))
    return ChatTemplate(source, begin, _content(settings.get("eos_token")))


def _check_size(pieces: dict[int, bytes], controls: set[int], rows: int) -> None:
    """A model may have more rows than tokens (padding), or lack those of control tokens."""
    texts = pieces.keys() - controls
    largest = max(texts, default=-1)
    if largest >= rows or 2 * len(texts | controls) < rows:
        raise ModelFileError(
            "tokenizer and model do not belong together: the tokenizer has "
            f"{len(texts | controls):,} tokens up to number {largest:,}, the model {rows:,} rows",
            hint=_HINT,
        )


def _content(token: Any) -> str:
    """The text of a token in tokenizer_config.json: plain, or an object with it."""
    if isinstance(token, dict):
        token = token.get("content")
    return token if isinstance(token, str) else ""


def _kinds(decoder: dict[str, Any] | None) -> Sequence[str]:
    """Types of a decoder and of its parts."""
    if not decoder:
        return ()
    inner = [kind for part in decoder.get("decoders", ()) for kind in _kinds(part)]
    return (str(decoder.get("type")), *inner)


def _byte_level_table() -> dict[str, int]:
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    return {character: byte for byte, character in bytes_to_unicode().items()}


def _read_byte_level(word: str, table: dict[str, int]) -> bytes:
    """The bytes of a word in the alphabet of GPT-2; empty if it has other characters."""
    try:
        return bytes([table[character] for character in word])
    except KeyError:
        return b""


def _read_sentence_piece(word: str) -> bytes:
    match = _BYTE_TOKEN.fullmatch(word)
    if match:
        return bytes([int(match[1], 16)])
    return word.replace(_SPACE, " ").encode()
