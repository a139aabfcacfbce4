"""How likely a model holds the recorded tactic: teacher-forced log-probabilities.

The tactic is fed token by token behind the prompt that a suggestion would get, and what ends it
counts too: the model's end of text, or the template's first stop string where there is one. The
tactic is split into tokens by itself, as in training. Only backends that show their logits can
tell: llama.cpp and transformers, not a server's API.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import attrs
import numpy as np
import numpy.typing as npt

from llmstep.backends import LLAMA_CPP, TRANSFORMERS
from llmstep.backends.base import DEFAULT_CONTEXT, PromptPart
from llmstep.config import Settings
from llmstep.errors import ModelFileError
from llmstep.prompts.goal import CountTokens, split_goals
from llmstep.prompts.mention import Mention
from llmstep.prompts.template import Template, build_prompts, load_template
from llmstep.service.catalog import ResolvedModel, find_model

if TYPE_CHECKING:
    from llmstep.backends.hf_model import HuggingFaceModel

# The longest tactic worth measuring; of a longer one the beginning counts.
TACTIC_TOKENS = 96


@attrs.frozen
class Likelihood:
    """How likely one tactic is.

    Attributes:
        nll: Negative log-probability of all its tokens (nats).
        tokens: Their number, the end included.
    """

    nll: float
    tokens: int


class LikelihoodMeter(Protocol):
    """A loaded model that tells how likely a tactic is."""

    def measure(
        self, state: str, tactic: str, text_before: str = "", premises: Sequence[Mention] = ()
    ) -> Likelihood:
        """Measure one tactic after one state, with file's text and premises if they are known.

        Raises:
            LLMStepError: The state does not fit, or the library failed.
        """
        ...

    def close(self) -> None:
        """Free the model."""
        ...


def open_meter(settings: Settings) -> LikelihoodMeter | None:
    """Load the settings' model to measure; ``None`` if its backend shows no logits.

    Raises:
        LLMStepError: The model cannot be found or loaded.
    """
    model = find_model(settings.model)
    if model.path is None:
        return None
    template = load_template(settings.prompt or model.card.prompt)
    window = _choose_window(settings, model)
    stops = model.card.stop
    if model.backend == LLAMA_CPP:
        return LlamaMeter(model.path, template, window, settings.threads, stops)
    if model.backend == TRANSFORMERS:
        return HuggingFaceMeter(model.path, template, window, settings, stops)
    return None


class LlamaMeter:
    """A GGUF model.

    Args:
        path: The file.
        template: Its prompt.
        window: Most tokens of prompt and tactic.
        threads: CPU threads; 0 chooses by the size of the model, as the sidecar does.
        stops: Strings that end a tactic, besides the prompt's own.

    Raises:
        ModelFileError: The file cannot be used, or names no token for the end of text.
        BackendUnavailableError: llama-cpp-python is not installed.
    """

    def __init__(
        self,
        path: Path,
        template: Template,
        window: int,
        threads: int = 0,
        stops: Sequence[str] = (),
    ) -> None:
        from llmstep.backends.gguf_file import read_gguf_head
        from llmstep.backends.llama_model import LlamaModel

        self._template, self._window, self._stops = template, window, stops
        end = read_gguf_head(path).metadata.get("tokenizer.ggml.eos_token_id")
        if not isinstance(end, int):
            raise ModelFileError(f"{path.name} names no token for the end of text")
        self._end = end
        self._model = LlamaModel(path)
        self._model.open_context(window, 1, threads)

    def measure(
        self, state: str, tactic: str, text_before: str = "", premises: Sequence[Mention] = ()
    ) -> Likelihood:
        """Measure one tactic; see `LikelihoodMeter.measure`."""
        from llmstep.backends.llama_model import BATCH_TOKENS

        model = self._model
        prompt, stops = self._build(state, text_before, premises)
        opening = [model.first_token()] if model.facts.adds_bos else []
        for part in prompt:
            opening += model.tokenize(part.text.encode(), special=part.special)
        target = model.tokenize((tactic + "".join(stops[:1])).encode(), special=False)
        target = [*target, *([] if stops else [self._end])][:TACTIC_TOKENS]
        model.clear()
        for start in range(0, len(opening), BATCH_TOKENS):
            piece = opening[start : start + BATCH_TOKENS]
            model.feed(piece, start, logits=start + len(piece) == len(opening))
        nll = 0.0
        for offset, token in enumerate(target):
            nll += _surprise(model.read_logits(1)[0], token)
            if offset + 1 < len(target):
                model.feed([token], len(opening) + offset, logits=True)
        return Likelihood(nll, len(target))

    def close(self) -> None:
        """Free the model."""
        self._model.close()

    def _build(
        self, state: str, text_before: str, premises: Sequence[Mention]
    ) -> tuple[tuple[PromptPart, ...], tuple[str, ...]]:
        question = state, text_before, premises
        return _build(self._template, question, self._window, self._count, self._stops)

    def _count(self, text: str) -> int:
        return len(self._model.tokenize(text.encode(), special=False))


class HuggingFaceMeter:
    """A Hugging Face folder, decoder-only or encoder-decoder.

    Raises:
        ModelFileError: The folder cannot be used.
        BackendUnavailableError: torch or transformers is not installed.
    """

    def __init__(
        self,
        path: Path,
        template: Template,
        window: int,
        settings: Settings,
        stops: Sequence[str] = (),
    ) -> None:
        from llmstep.backends.hf_files import find_folder, read_checkpoint
        from llmstep.backends.hf_library import choose_placement, load_library
        from llmstep.backends.hf_tokenizer import TextTokens, open_splitter

        load_library()
        from llmstep.backends.hf_loader import load_model, read_kind
        from llmstep.backends.hf_model import HuggingFaceModel

        self._template, self._stops = template, stops
        checkpoint = read_checkpoint(find_folder(path), allow_pickle=settings.allow_pickle)
        kind = read_kind(checkpoint)
        placement = choose_placement(settings.precision, encoder_decoder=kind == "encoder-decoder")
        splitter = open_splitter(checkpoint.folder)
        self._model: HuggingFaceModel = HuggingFaceModel(load_model(checkpoint, kind, placement))
        self._tokens = TextTokens(splitter, self._model.rows, self._model.ends)
        self._window = min(window, self._model.window or window)

    def measure(
        self, state: str, tactic: str, text_before: str = "", premises: Sequence[Mention] = ()
    ) -> Likelihood:
        """Measure one tactic; see `LikelihoodMeter.measure`."""
        model, tokens = self._model, self._tokens
        prompt, stops = self._build(state, text_before, premises)
        opening = list(tokens.lead)
        for part in prompt:
            opening += tokens.encode(part.text, special=part.special)
        model.clear()
        if model.is_encoder_decoder:
            model.encode([*opening, *tokens.trail] or [model.first_token], _never)
            opening = [model.first_token]
        target = tokens.encode(tactic + "".join(stops[:1]), special=False)
        target = [*target, *([] if stops else model.ends[:1])][:TACTIC_TOKENS]
        nll = 0.0
        logits = model.feed(opening or [model.first_token], _never)
        for offset, token in enumerate(target):
            nll += _surprise(logits[0], token)
            if offset + 1 < len(target):
                logits = model.feed([token], _never)
        return Likelihood(nll, len(target))

    def close(self) -> None:
        """Free the model."""
        self._model.close()

    def _build(
        self, state: str, text_before: str, premises: Sequence[Mention]
    ) -> tuple[tuple[PromptPart, ...], tuple[str, ...]]:
        question = state, text_before, premises
        return _build(self._template, question, self._window, self._count, self._stops)

    def _count(self, text: str) -> int:
        return len(self._tokens.encode(text, special=False))


def _never() -> bool:
    return False


def _choose_window(settings: Settings, model: ResolvedModel) -> int:
    """The window a suggestion would have."""
    own = min(model.card.context_length or DEFAULT_CONTEXT, DEFAULT_CONTEXT)
    return settings.context_tokens or own


def _build(
    template: Template,
    question: tuple[str, str, Sequence[Mention]],
    window: int,
    count: CountTokens,
    stops: Sequence[str],
) -> tuple[tuple[PromptPart, ...], tuple[str, ...]]:
    """The template's first prompt for a state, and the strings that end its answer."""
    state, text_before, premises = question
    goals = split_goals(state) or [""]
    room = window - TACTIC_TOKENS
    prompt = build_prompts(template, goals, text_before, room, count, retrieved=premises)[0]
    return prompt.parts, (*stops, *prompt.stop)


def _surprise(logits: npt.NDArray[np.float32], token: int) -> float:
    """Negative log-probability of a token (nats); ``logits`` has shape (vocabulary,)."""
    exact = logits.astype(np.float64)
    peak = exact.max()
    return float(peak + np.log(np.exp(exact - peak).sum()) - exact[token])
