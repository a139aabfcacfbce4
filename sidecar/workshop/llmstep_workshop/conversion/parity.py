"""Whether a GGUF file says the same as the folder it was made from.

Token by token for the tokenizer, log-probability by log-probability for the weights, and how often
the likeliest token stays the likeliest when the weights are quantized.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from llmstep.backends.hf_files import check_memory
from llmstep.backends.hf_tokenizer import JsonSplitter, open_splitter
from llmstep.backends.llama_model import LlamaModel
from llmstep.backends.machine_memory import free_memory
from llmstep_workshop.errors import ConversionError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from llmstep.backends.hf_files import Checkpoint

    Feed = Callable[[Sequence[int], int], npt.NDArray[np.float32]]

# Goals as Lean prints them, with what tokenizers stumble over: inaccessible names, superscripts,
# characters outside the basic plane, runs of spaces, newlines, digits, quotes.
TEXTS = (
    "n : ℕ\nh : 0 < n\n⊢ n ≤ n ^ 2",
    "α : Type u_1\ninst✝¹ᵅ⁻¹ : NormedField 𝕜\nx y : α\nh₀ : ¬x = y\n⊢ ‖f x - f y‖₊ ≤ 12345 * ε⁻¹",
    "case mp.intro\np q r : Prop\nh : q ∧ r → ¬p\n⊢ ∃ a b, a ∈ {x | p ∨ q} ∧ ⟨a, b⟩ ≠ default",
    "G : Type*\ninst✝ : Group G\nH K : Subgroup G\n⊢ (∀ g ∈ H, g⁻¹ * g = 1) ↔ H ⊓ K = ⊥",
    "  simp only [Finset.sum_range_succ', mul_comm] at h₁ ⊢\n\n    rw [← Nat.cast_succ]; ring_nf\t",
    " s: Set (ℝ × ℝ),  ∑ i ∈ range 10, (i : ℝ)∘.fst  𝓝[≠] 0 don't I'll \"quoted\" 3.14159e-10",
    "rcases h with ⟨x, hx⟩ | ⟨y, rfl⟩ <;> exact fun h' => h'.elim (by omega) λ z ↦ z.2.symm ▸ rfl",
)
_MOST_TOKENS = 96  # of each text, for what costs a pass of the model
_COMPARED = 64  # likeliest tokens of a distribution that are compared
# Mean and largest difference (nats) that the rounding of weights, activations and the KV cache can
# make; a wrong row order or rotary base shows in tenths and whole nats. bfloat16 has 8 bits.
TOLERANCE = (0.02, 0.5)
BRAIN_TOLERANCE = (0.1, 2.5)


@attrs.frozen
class Passage:
    """What two models are given to read.

    Attributes:
        tokens: Their tokens.
        start: The first place that is compared: after the token of that index.
    """

    tokens: tuple[int, ...]
    start: int = 0


@attrs.frozen
class Drift:
    """How far two models' distributions over the next token lie apart.

    Attributes:
        positions: Places that were compared.
        largest: Largest difference of a log-probability (nats) among the likeliest tokens.
        mean: Mean difference.
        agreement: Share of places with the same likeliest token.
    """

    positions: int
    largest: float
    mean: float
    agreement: float


def compare_tokens(folder: Path, model: LlamaModel, texts: Sequence[str] = TEXTS) -> int:
    """Number of tokens over all texts, which are the same on both sides.

    Raises:
        ConversionError: They are not; says where.
    """
    splitter = open_splitter(folder)
    # SentencePiece puts a space before every text, and so does llama.cpp; the tokenizers library's
    # newer way (Metaspace) leaves out a second one. No prompt begins with a space.
    is_newer = isinstance(splitter, JsonSplitter) and "Metaspace" in json.dumps(
        splitter.layout.get("pre_tokenizer")
    )
    count = 0
    for given in texts:
        text = given.lstrip(" ") if is_newer else given
        wanted = splitter.encode(text, special=False)
        found = model.tokenize(text.encode(), special=False)
        if wanted != found:
            same = next(
                (i for i, (a, b) in enumerate(zip(wanted, found, strict=False)) if a != b),
                min(len(wanted), len(found)),
            )
            raise ConversionError(
                f"llama.cpp splits the text {text!r} otherwise than the folder's tokenizer: token "
                f"{same} is {_show(found, same)}, not {_show(wanted, same)}",
                hint="llama.cpp has no rule for this tokenizer; run the folder with the "
                "transformers backend instead.",
            )
        count += len(found)
    return count


def compare_models(model: LlamaModel, other: Feed, passages: Sequence[Passage]) -> Drift:
    """Let both read the same tokens, and compare what they expect next at each place.

    Args:
        model: A model with an open context, one sequence.
        other: Takes further tokens and their first position (0 starts anew); gives the logits
            after the last, shape (rows,).
        passages: What they read.
    """
    differences: list[npt.NDArray[np.float64]] = []
    agreed = 0
    for passage in passages:
        model.clear()
        done = 0
        for end in range(passage.start, len(passage.tokens)):
            piece = passage.tokens[done : end + 1]
            model.feed(piece, done, logits=True)
            ours = _log_softmax(model.read_logits(1)[0])
            theirs = _log_softmax(other(piece, done))
            done = end + 1
            rows = min(len(ours), len(theirs))
            likeliest = np.argsort(theirs[:rows])[-_COMPARED:]
            differences.append(np.abs(ours[likeliest] - theirs[likeliest]))
            agreed += int(ours[:rows].argmax() == likeliest[-1])
    count = len(differences)
    return Drift(
        count,
        float(max(map(np.max, differences))),
        float(np.mean([difference.mean() for difference in differences])),
        agreed / count,
    )


def split_texts(model: LlamaModel, texts: Sequence[str] = TEXTS) -> list[Passage]:
    """Tokens of texts, to be compared at every place.

    They are cut to the model's window: beyond it a model is undefined, or its sliding window
    differs from a full one.
    """
    most = min(_MOST_TOKENS, model.facts.context_train)
    begin = [model.first_token()]
    tokens = ([*begin, *model.tokenize(text.encode(), special=False)] for text in texts)
    return [Passage(tuple(passage[:most])) for passage in tokens]


def compare_with_folder(
    checkpoint: Checkpoint, model: LlamaModel, *, is_brain: bool, texts: Sequence[str] = TEXTS
) -> Drift:
    """Compare a file with its folder, as the transformers backend runs it.

    Args:
        checkpoint: The folder.
        model: The file, with an open context of one sequence.
        is_brain: Whether the file's weights are bfloat16; llama.cpp rounds what it multiplies
            them with, too.
        texts: What they read.

    Raises:
        ConversionError: They differ by more than rounding explains.
        ModelFileError: There is not enough memory for the folder's model.
        BackendUnavailableError: torch or transformers is not installed.
    """
    from llmstep.backends.hf_library import Placement, load_library

    load_library()
    import torch

    from llmstep.backends.hf_loader import load_model, read_kind
    from llmstep.backends.hf_model import HuggingFaceModel

    free = free_memory()
    exact = 4 * checkpoint.parameters < free // 2
    dtype = torch.float32 if exact else torch.bfloat16
    check_memory(checkpoint, dtype.itemsize, free, "memory of this machine")
    placement = Placement("cpu", dtype)
    reference = HuggingFaceModel(load_model(checkpoint, read_kind(checkpoint), placement))

    def feed(tokens: Sequence[int], position: int) -> npt.NDArray[np.float32]:
        if position == 0:
            reference.clear()
        return reference.feed(tokens, lambda: False)[0]

    try:
        drift = compare_models(model, feed, split_texts(model, texts))
    finally:
        reference.close()
    mean, largest = TOLERANCE if exact and not is_brain else BRAIN_TOLERANCE
    if drift.mean > mean or drift.largest > largest:
        raise ConversionError(
            f"the file's log-probabilities differ from the folder's by {drift.mean:.3f} on average "
            f"and up to {drift.largest:.3f} (rounding makes at most {mean:g} and {largest:g}); the "
            f"likeliest token agrees at {drift.agreement:.0%} of the places",
            hint="Run the folder with the transformers backend, and report the model, please.",
        )
    return drift


def compare_files(reference: Path, path: Path) -> Drift:
    """Compare a quantized file with the one it was made from."""
    exact = open_reader(reference)
    try:
        model = open_reader(path)
        try:
            return compare_models(model, feed_of(exact), split_texts(exact))
        finally:
            model.close()
    finally:
        exact.close()


def feed_of(model: LlamaModel) -> Feed:
    """A model with an open context in the way `compare_models` asks for it."""

    def feed(tokens: Sequence[int], position: int) -> npt.NDArray[np.float32]:
        if position == 0:
            model.clear()
        model.feed(tokens, position, logits=True)
        return model.read_logits(1)[0]

    return feed


def open_reader(path: Path) -> LlamaModel:
    """A GGUF model that reads one text at a time.

    Raises:
        ModelFileError: llama.cpp cannot load it.
    """
    model = LlamaModel(path)
    try:
        model.open_context(_MOST_TOKENS, 1, 0)
    except BaseException:
        model.close()
        raise
    return model


def _log_softmax(logits: Any) -> npt.NDArray[np.float64]:
    values = np.asarray(logits, dtype=np.float64)
    values = values - values.max()
    return values - np.log(np.exp(values).sum())


def _show(tokens: Sequence[int], place: int) -> str:
    return str(tokens[place]) if place < len(tokens) else "missing"
