"""One GGUF model and its context: tokens in, logits out, sequences of the KV cache.

A thin layer over llama.cpp's C interface (llama.h). It knows sequences and positions, but neither
sampling nor texts.
"""

from __future__ import annotations

import ctypes
import re
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from llmstep.backends.gguf_parts import list_parts, read_model_head, take_stamps
from llmstep.backends.llama_library import count_threads, forget_log, load_library, quote_log
from llmstep.backends.machine_memory import whole_memory
from llmstep.backends.tokens import Vocabulary
from llmstep.errors import GenerationError, ModelFileError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

BATCH_TOKENS = 512
# What llama.cpp computes at a time of them: scores of attention stand in memory for each token and
# cell of the cache. 512 take 90 MB more at 7,000 tokens of the built-in model, and no less time.
_MICRO_BATCH = 128
_PIECE_BYTES = 512
# llama.cpp splits a text into words with std::regex for many a tokenizer (DeepSeek's, say), which
# recurses over each word's characters: a word of 30,000 letters or spaces overflows the stack.
_LONGEST_RUN = 2000
_LONG_RUN = re.compile(rf"\S{{{_LONGEST_RUN}}}|\s{{{_LONGEST_RUN}}}")
_NO_SLOT = 1
_TOO_NEW = (
    "The model is of a kind that this llama.cpp does not know: upgrade llama-cpp-python "
    "(`pip install -U llama-cpp-python`), or take another model."
)
_NO_CONTINUATION = "Take a decoder-only language model: it is what can continue a text."


class NoSlotError(GenerationError):
    """The KV cache has no room for this step's tokens; nothing has changed."""


@attrs.frozen
class ModelFacts:
    """What the file tells about a model.

    Attributes:
        name: From the metadata, or the file's name.
        parameters: Number of weights.
        size_bytes: Bytes of the file.
        context_train: Positions the model was trained for.
        adds_bos: Whether texts open with a begin-of-text token.
        chat_template: Jinja source of the chat template; empty if the file brings none.
    """

    name: str
    parameters: int
    size_bytes: int
    context_train: int
    adds_bos: bool
    chat_template: str = ""


class LlamaModel:
    """A memory-mapped model; `open_context` gives it a KV cache.

    Attributes:
        sequences: Number of sequences of the KV cache.

    Raises:
        BackendUnavailableError: The library is missing.
        ModelFileError: The file cannot be used; the message says why.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parts = list_parts(path)
        self._stamps = take_stamps(self._parts)
        head, size = read_model_head(path)
        self._library = library = load_library()
        if not head.is_causal:
            raise ModelFileError(
                f"{path.name} is an encoder ({head.architecture}): it cannot continue a text",
                hint=_NO_CONTINUATION,
            )
        _check_memory(path, size)
        forget_log()
        params = library.llama_model_default_params()
        params.load_mode = library.LLAMA_LOAD_MODE_MMAP
        params.n_gpu_layers = 0
        # Weights repacked for AMX or the like would be a second copy in memory, beside the mapped
        # file; and on virtual machines that announce AMX and do not run it, they crash the process.
        params.use_extra_bufts = False
        self.sequences = 0
        self._context: Any = None
        self._model: Any = library.llama_model_load_from_file(bytes(path), params)
        if not self._model:
            told = quote_log() or "it gives no reason"
            raise ModelFileError(
                f"llama.cpp cannot load {path} (architecture {head.architecture or 'not given'}): "
                f"{told}",
                hint=_TOO_NEW if "unknown" in told else None,
            )
        try:
            self._check_kind(path)
            self._vocab = library.llama_model_get_vocab(self._model)
            if library.llama_vocab_type(self._vocab) == library.LLAMA_VOCAB_TYPE_NONE:
                raise ModelFileError(f"{path.name} holds no vocabulary", hint=_NO_CONTINUATION)
            self.vocabulary = self._read_vocabulary()
        except BaseException:
            self.close()
            raise
        self.facts = ModelFacts(
            name=str(head.metadata.get("general.name") or path.stem),
            parameters=library.llama_model_n_params(self._model),
            size_bytes=size,
            context_train=library.llama_model_n_ctx_train(self._model),
            adds_bos=library.llama_vocab_get_add_bos(self._vocab),
            chat_template=str(head.metadata.get("tokenizer.chat_template") or ""),
        )

    def open_context(self, cells: int, sequences: int, threads: int) -> None:
        """Allocate the KV cache.

        Args:
            cells: Tokens it holds, over all sequences; tokens that sequences share count once.
            sequences: Number of sequences, and of rows of logits one step can give.
            threads: CPU threads; 0 chooses by the model's size and the machine's cores.

        Raises:
            ModelFileError: There is not enough memory, or the model cannot run in sequences.
        """
        library = self._library
        forget_log()
        params = library.llama_context_default_params()
        params.n_ctx = cells
        params.n_batch = max(BATCH_TOKENS, sequences)
        params.n_ubatch = max(_MICRO_BATCH, sequences)
        # On a CPU, flash attention goes through the cache cell by cell for each row of a step: ten
        # rows of the built-in model take 12 ms instead of 6 behind 300 tokens, 61 instead of 11
        # behind 2,000. It also rounds its sums to 16 bits.
        params.flash_attn_type = library.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.n_seq_max = sequences
        # The default reserves logits for every token of a batch: 300 MB for a large vocabulary.
        params.n_outputs_max = sequences
        params.n_threads = params.n_threads_batch = threads or count_threads(self.facts.parameters)
        params.kv_unified = True  # copying a sequence is then a matter of marking cells
        params.no_perf = True
        self._context = library.llama_init_from_model(self._model, params)
        if not self._context:
            raise ModelFileError(
                f"llama.cpp cannot make a context of {cells} tokens: {quote_log()}",
                hint="Lower `context_tokens`, or take a smaller model.",
            )
        self.sequences = sequences
        self._memory = library.llama_get_memory(self._context)
        self._batch = _Batch(library, params.n_batch)

    def close(self) -> None:
        """Free context and model. A second call does nothing."""
        if self._context:
            self._library.llama_free(self._context)
            self._context = None
        if self._model:
            self._library.llama_model_free(self._model)
            self._model = None

    @property
    def is_changed(self) -> bool:
        """Whether the file on disk is not the one that was opened.

        It is mapped into memory: after a change in place, the next token would read what is now
        there, and beyond the end of a file that was cut, the process would be killed.
        """
        return take_stamps(self._parts) != self._stamps

    @property
    def is_open(self) -> bool:
        """Whether model and context are there."""
        return bool(self._context)

    def tokenize(self, text: bytes, *, special: bool) -> list[int]:
        """Tokens of a text, without begin or end of text.

        Args:
            text: UTF-8.
            special: Whether control tokens written in the text are taken as such.
        """
        if len(text) > _LONGEST_RUN and (runs := _split_long_runs(text)):
            return [t for run in runs for t in self.tokenize(run, special=special)]
        size = len(text) + 8  # a token has at least one byte, but a space may be put before
        buffer = (self._library.llama_token * size)()
        count = self._library.llama_tokenize(
            self._vocab, text, len(text), buffer, size, False, special
        )
        if count < 0:
            raise GenerationError(f"llama.cpp cannot split a text of {len(text)} bytes into tokens")
        return buffer[:count]

    def end_texts(self) -> tuple[str, str]:
        """How the tokens at the begin and the end of a text are written; empty without one."""
        library = self._library
        tokens = (library.llama_vocab_bos(self._vocab), library.llama_vocab_eos(self._vocab))
        texts = (
            library.llama_vocab_get_text(self._vocab, token) if token >= 0 else b""
            for token in tokens
        )
        begin, end = (bytes(text or b"").decode("utf-8", "replace") for text in texts)
        return begin, end

    def first_token(self) -> int:
        """A token that can stand at the beginning: begin of text, else end of text, else any."""
        library = self._library
        for token in (library.llama_vocab_bos(self._vocab), library.llama_vocab_eos(self._vocab)):
            if token >= 0:
                return token
        return 0

    def feed(self, tokens: Sequence[int], start: int, *, logits: bool, sequence: int = 0) -> None:
        """Append tokens to a sequence; at most a batch of them.

        Args:
            tokens: The tokens.
            start: Position of the first.
            logits: Whether the logits after the last one are wanted.
            sequence: The sequence.

        Raises:
            NoSlotError: The KV cache is full; nothing has changed.
            GenerationError: The library failed.
        """
        count = len(tokens)
        batch = self._batch
        batch.tokens[:count] = tokens
        batch.positions[:count] = np.arange(start, start + count)
        batch.sequences[:count] = sequence
        batch.outputs[:count] = 0
        batch.outputs[count - 1] = logits
        self._decode(count)

    def step(
        self,
        tokens: npt.NDArray[np.int64],
        position: int | npt.NDArray[np.int64],
        sequences: Sequence[int],
    ) -> npt.NDArray[np.float32]:
        """Append one token to each of several sequences.

        Args:
            tokens: Shape (beams,).
            position: Where they stand; shape (beams,), or one number for all.
            sequences: Their sequences, shape (beams,).

        Returns:
            Logits, shape (beams, vocabulary); they live until the next call.

        Raises:
            NoSlotError: The KV cache is full.
            GenerationError: The library failed.
        """
        count = len(sequences)
        batch = self._batch
        batch.tokens[:count] = tokens
        batch.positions[:count] = position
        batch.sequences[:count] = sequences
        batch.outputs[:count] = 1
        self._decode(count)
        return self.read_logits(count)

    def read_logits(self, rows: int) -> npt.NDArray[np.float32]:
        """Logits of the last call, shape (rows, vocabulary); they live until the next call."""
        pointer = self._library.llama_get_logits(self._context)
        return np.ctypeslib.as_array(pointer, shape=(rows, len(self.vocabulary)))

    def copy_sequence(self, source: int, target: int) -> None:
        """Let an empty sequence share all tokens of another."""
        self._library.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def cut_sequence(self, sequence: int, start: int = 0) -> bool:
        """Forget a sequence from a position on; ``False`` if the model cannot forget a part."""
        return self._library.llama_memory_seq_rm(self._memory, sequence, start, -1)

    def clear(self) -> None:
        """Forget all sequences."""
        self._library.llama_memory_clear(self._memory, False)

    def _decode(self, count: int) -> None:
        forget_log()
        code = self._library.llama_decode(self._context, self._batch.of(count))
        if code == _NO_SLOT:
            raise NoSlotError("the KV cache is full", hint="Raise `context_tokens`.")
        if code != 0:
            raise GenerationError(f"llama_decode failed with {code}: {quote_log()}")

    def _check_kind(self, path: Path) -> None:
        library, model = self._library, self._model
        kind = ""
        if library.llama_model_has_encoder(model):
            kind = "an encoder-decoder"
        elif not library.llama_model_has_decoder(model):
            kind = "an encoder"
        elif library.llama_model_is_diffusion(model):
            kind = "a diffusion model"
        if kind:
            raise ModelFileError(
                f"{path.name} is {kind}: this backend runs decoder-only models",
                hint=_NO_CONTINUATION,
            )

    def _read_vocabulary(self) -> Vocabulary:
        library, vocab = self._library, self._vocab
        buffer = ctypes.create_string_buffer(_PIECE_BYTES)
        to_piece, is_end = library.llama_token_to_piece, library.llama_vocab_is_eog
        attribute = library.llama_vocab_get_attr
        no_text = library.LLAMA_TOKEN_ATTR_UNKNOWN | library.LLAMA_TOKEN_ATTR_UNUSED
        control = library.LLAMA_TOKEN_ATTR_CONTROL
        pieces: list[bytes] = []
        ends: list[bool] = []
        for token in range(library.llama_vocab_n_tokens(vocab)):
            attributes = attribute(vocab, token)
            length = 0
            if not attributes & no_text:
                length = to_piece(vocab, token, buffer, _PIECE_BYTES, 0, False)
            # A piece beyond the buffer (a negative length) is no word of any proof.
            pieces.append(buffer.raw[:length] if length > 0 else b"")
            # A control token, say the [GOAL] of a next example, is no part of this answer.
            ends.append(bool(attributes & control) or is_end(vocab, token))
        return Vocabulary(pieces, ends)


class _Batch:
    """The arrays of a `llama_batch` in numpy's memory, one sequence for each token."""

    def __init__(self, library: Any, size: int) -> None:
        self.tokens = np.zeros(size, dtype=np.int32)
        self.positions = np.zeros(size, dtype=np.int32)
        self.sequences = np.zeros(size, dtype=np.int32)
        self.outputs = np.zeros(size, dtype=np.int8)
        self._counts = np.ones(size, dtype=np.int32)
        step = self.sequences.itemsize
        first = self.sequences.ctypes.data
        self._addresses = np.arange(first, first + step * size, step, dtype=np.uintp)
        batch = library.llama_batch()
        batch.token = _pointer(self.tokens, ctypes.c_int32)
        batch.pos = _pointer(self.positions, ctypes.c_int32)
        batch.n_seq_id = _pointer(self._counts, ctypes.c_int32)
        batch.seq_id = _pointer(self._addresses, ctypes.POINTER(ctypes.c_int32))
        batch.logits = _pointer(self.outputs, ctypes.c_int8)
        self._batch = batch

    def of(self, count: int) -> Any:
        """The structure over the first ``count`` tokens."""
        self._batch.n_tokens = count
        return self._batch


def _check_memory(path: Path, size: int) -> None:
    """Refuse a file that is larger than memory: each token would read it from the disk again.

    What other programs hold does not count; the system can take that back for a mapped file.
    """
    whole = whole_memory()
    if size > whole:
        raise ModelFileError(
            f"{path.name} has {size / 1e9:.1f} GB, this machine {whole / 1e9:.1f} GB of memory",
            hint="Take a smaller model or a coarser quantization; `llmstep models recommend` looks "
            "for one that fits.",
        )


def _split_long_runs(text: bytes) -> list[bytes]:
    """Cut a text behind every such run; empty if it has none."""
    characters = text.decode()
    cuts = [match.end() for match in _LONG_RUN.finditer(characters)]
    if not cuts or cuts == [len(characters)]:
        return []
    bounds = zip([0, *cuts], [*cuts, len(characters)], strict=True)
    return [characters[start:end].encode() for start, end in bounds if end > start]


def _pointer(array: npt.NDArray[Any], kind: Any) -> Any:
    return ctypes.cast(array.ctypes.data, ctypes.POINTER(kind))
