"""The llama.cpp backend: a GGUF model on the CPU, candidates as one batch with a shared prefill.

The first sequences of the KV cache hold the last prompts, one slot each, and outlive the request:
what a new prompt has in common with one of them is not computed again. The beams of a request are
further sequences that share the prompt's cells; where a beam splits, the copy is a matter of
marking cells.
"""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs
import numpy as np

from llmstep.backends import LLAMA_CPP
from llmstep.backends.base import Asked, BackendInfo, GenerationStats
from llmstep.backends.chat import ChatTemplate
from llmstep.backends.llama_beams import BeamSequences
from llmstep.backends.llama_model import BATCH_TOKENS, LlamaModel, NoSlotError
from llmstep.backends.local import LocalBackend, check_sampling, choose_window, encode_text
from llmstep.backends.search import Search
from llmstep.backends.tokens import Question, plan_opening
from llmstep.errors import GenerationError, ModelNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from llmstep.backends.base import (
        BackendOptions,
        CancelToken,
        GenerationRequest,
        PromptPart,
    )
    from llmstep.backends.local import LockstepBeams, Step
    from llmstep.backends.slots import PromptSlot
    from llmstep.backends.tokens import Vocabulary

logger = logging.getLogger(__name__)

# Cells for the beams' own tokens. They share what they have in common, and a prompt seldom fills
# its window; where it does not suffice, the weakest beams are given up.
BEAM_CELLS = 1024
# Cells for each further prompt. A whole window would be gigabytes for a large model, and besides a
# prompt that fills it, the file's, stands one of a goal: that has room. Where it does not suffice,
# the older prompt is given up.
SLOT_CELLS = 1024
# Two questions of so many candidates are decoded together.
_JOINED_CANDIDATES = 24
# A prompt is computed in pieces of about this many seconds: a cancel is noticed between two.
_CHUNK_SECONDS = 0.1
_SMALLEST_CHUNK = 32


class LlamaCppBackend(LocalBackend):
    """A resident GGUF model.

    Raises:
        ModelNotFoundError: The options name no file.
        ModelFileError: The file cannot be used.
        BackendUnavailableError: llama-cpp-python is not installed.
    """

    def __init__(self, options: BackendOptions) -> None:
        super().__init__(options)
        self._options = options
        self._open()

    def _open(self) -> None:
        options = self._options
        if options.path is None:
            raise ModelNotFoundError("the llama.cpp backend needs a model file, and none is named")
        self._closed = False
        self._model = LlamaModel(options.path)
        facts = self._model.facts
        window = choose_window(options.context_tokens, facts.context_train)
        slots = len(self._slots)
        cells = window + BEAM_CELLS + (slots - 1) * min(window, SLOT_CELLS)
        widest = max(Search.width(options.max_candidates), 2 * Search.width(_JOINED_CANDIDATES))
        sequences = slots + widest
        try:
            self._model.open_context(cells, sequences, options.threads)
        except BaseException:
            self._model.close()
            raise
        self._info = BackendInfo(
            backend=LLAMA_CPP,
            model=facts.name,
            context_tokens=window,
            parameters=facts.parameters,
            size_bytes=facts.size_bytes,
        )
        self._chunk = 4 * _SMALLEST_CHUNK

    def close(self) -> None:
        """Free the model. A second call does nothing."""
        self._closed = True
        self._model.close()

    def _refresh(self) -> None:
        """Open the file anew if it has changed since, or could not be opened anew the last time."""
        if self._closed or (self._model.is_open and not self._model.is_changed):
            return
        logger.warning("%s has changed on disk: it is loaded anew", self._options.path)
        self._model.close()
        self._slots.forget()
        self._open()

    def fits_together(self, requests: Sequence[GenerationRequest]) -> bool:
        """Whether these questions can be decoded as one batch.

        Their beams need sequences, and their prompts cells, which one question could use alone.
        """
        free = self._model.sequences - len(self._slots)
        if sum(Search.width(r.sampling.n) for r in requests) > free:
            return False
        texts = ([*(part.text for part in r.prompt), r.prefix] for r in requests)
        lengths = (sum(map(self.count_tokens, many)) for many in texts)
        most = self._info.context_tokens - sum(r.sampling.max_tokens for r in requests)
        return sum(lengths) <= most

    def generate_together(self, asked: Sequence[Asked]) -> list[GenerationStats]:
        """Decode the candidates of several questions, each step of all of them as one batch.

        The candidates are those of `generate`. Only for questions that `fits_together`.

        Raises:
            GenerationError: The library failed.
        """
        self._refresh()
        self._require_open()
        free = list(range(self._model.sequences - 1, len(self._slots) - 1, -1))
        running: list[_Joined] = []
        try:
            for one in asked:
                check_sampling(one.request.sampling, self._most_candidates)
                joined, logits = self._join(one, free)
                running.append(joined)
                if logits is not None:
                    # From here on the beams hold the prompt; the slot may be another question's.
                    joined.advance(logits)
            self._decode_jointly(running)
        except GenerationError:
            self._forget()
            raise
        finally:
            for joined in running:
                joined.beams.release()
        return [self._finish(joined) for joined in running]

    def _join(self, one: Asked, free: list[int]) -> tuple[_Joined, npt.NDArray[np.float32] | None]:
        """Feed a question's prompt; its beams, and the logits to begin with."""
        request = one.request
        question = self._plan(request.prompt, request.prefix)
        slot, reused = self._feed(question, one.cancel)
        beams = BeamSequences(
            self._model, slot.index, [free.pop() for _ in range(Search.width(request.sampling.n))]
        )
        search = self._begin_search(question, request)
        return _Joined(one, question, search, beams, len(slot.tokens), reused), slot.logits

    def _decode_jointly(self, running: Sequence[_Joined]) -> None:
        while live := [joined for joined in running if joined.is_live]:
            counts = [len(joined.search.live) for joined in live]
            tokens = np.concatenate([joined.search.nodes.token for joined in live])
            positions = np.repeat([joined.position for joined in live], counts)
            sequences = [s for joined in live for s in joined.beams.sequences]
            try:
                logits = self._model.step(tokens, positions, sequences)
            except NoSlotError:
                if not self._give_up_prompt(None):
                    widest = max(live, key=lambda joined: len(joined.search.live))
                    widest.search.drop_weakest()
                    widest.beams.shrink(len(widest.search.live))
                continue
            # The search keeps nothing of the logits, which live until the next step.
            for joined, rows in zip(live, np.split(logits, np.cumsum(counts)[:-1]), strict=True):
                joined.position += 1
                joined.advance(rows)

    def _finish(self, joined: _Joined) -> GenerationStats:
        """What a question has cost; one whose prefix cannot be spelled so is asked once more."""
        question, one, generated = joined.question, joined.asked, joined.search.generated
        if not joined.found and question.opening.required and not one.cancel.is_set():
            question = self._plan(one.request.prompt, one.request.prefix, heal=False)
            slot, _ = self._feed(question, one.cancel)
            more = self._decode(question, slot, one.request, one.cancel, one.on_candidate)
            generated += more[0]
        return GenerationStats(question.length, joined.reused, generated)

    @property
    def _is_open(self) -> bool:
        return self._model.is_open

    @property
    def _vocabulary(self) -> Vocabulary:
        return self._model.vocabulary

    def _encode(self, text: str, *, special: bool) -> list[int]:
        return self._model.tokenize(encode_text(text), special=special)

    def _chat_template(self) -> ChatTemplate | None:
        facts = self._model.facts
        if not facts.chat_template:
            return None
        begin, end = self._model.end_texts()
        # Where the model puts a begin-of-text token itself, a second one would be a new text.
        return ChatTemplate(facts.chat_template, "" if facts.adds_bos else begin, end)

    def _plan(self, prompt: Sequence[PromptPart], prefix: str, *, heal: bool = True) -> Question:
        model = self._model
        lead = [model.first_token()] if model.facts.adds_bos else []
        fixed, tail, text = self._split(prompt, prefix, lead)
        if not fixed and not tail:
            fixed = [model.first_token()]
        self._check_length(len(fixed) + len(tail), "prompt and prefix have")
        data, given = encode_text(text), encode_text(prefix)
        return Question(plan_opening(model.vocabulary, fixed, tail, data, given, heal=heal))

    def _feed(self, question: Question, cancel: CancelToken) -> tuple[PromptSlot, int]:
        tokens = question.opening.tokens
        slot = self._slots.choose(question)
        if slot.holds(question):
            return slot, len(tokens)
        slot.logits = None
        common = min(slot.find_common(question), len(tokens) - 1)  # the last one gives the logits
        model = self._model
        if common < len(slot.tokens) and not model.cut_sequence(slot.index, common):
            # Recurrent states and sliding windows know no way back.
            model.cut_sequence(slot.index)
            common = 0
        slot.tokens = tokens[:common]
        while len(slot.tokens) < len(tokens) and not cancel.is_set():
            self._feed_piece(slot, tokens)
        return slot, common

    def _feed_piece(self, slot: PromptSlot, tokens: tuple[int, ...]) -> None:
        """Feed the next piece of a prompt; with the last one come the logits."""
        done = len(slot.tokens)
        count = min(self._chunk, len(tokens) - done)
        last = done + count == len(tokens)
        started = time.perf_counter()
        try:
            self._model.feed(tokens[done : done + count], done, logits=last, sequence=slot.index)
        except NoSlotError:
            if self._give_up_prompt(slot):
                return
            self._forget()
            raise
        except GenerationError:
            self._forget()
            raise
        self._adapt_chunk(count, time.perf_counter() - started)
        slot.tokens = tokens[: done + count]
        if last:
            slot.logits = self._model.read_logits(1).copy()

    def _adapt_chunk(self, count: int, seconds: float) -> None:
        if count >= _SMALLEST_CHUNK:
            fitting = int(count * _CHUNK_SECONDS / max(seconds, 1e-6))
            self._chunk = max(_SMALLEST_CHUNK, min(BATCH_TOKENS, fitting, 2 * self._chunk))

    @contextmanager
    def _fork(self, slot: PromptSlot) -> Iterator[Step]:
        position = len(slot.tokens)
        free = list(range(self._model.sequences - 1, len(self._slots) - 1, -1))
        beams = BeamSequences(self._model, slot.index, free)

        def step(search: LockstepBeams) -> npt.NDArray[np.float32] | None:
            nonlocal position
            beams.follow([beam.parent for beam in search.live])
            while search.live:
                try:
                    logits = self._model.step(search.nodes.token, position, beams.sequences)
                except NoSlotError:
                    if not self._give_up_prompt(slot):
                        search.drop_weakest()
                        beams.shrink(len(search.live))
                else:
                    position += 1
                    return logits
            return None

        try:
            yield step
        except GenerationError:
            self._forget()
            raise
        finally:
            beams.release()

    def _give_up_prompt(self, spared: PromptSlot | None) -> bool:
        """Give the cells of another prompt back; ``False`` if there is none."""
        other = self._slots.take_oldest(spared)
        if other is not None:
            self._model.cut_sequence(other.index)
            other.forget()
        return other is not None

    def _forget(self) -> None:
        """After a failure nobody knows what the cache holds."""
        self._model.clear()
        self._slots.forget()


@attrs.define(eq=False)
class _Joined:
    """A question that is decoded together with others.

    Attributes:
        position: Where the next tokens of its beams stand.
        reused: How many tokens of the prompt were held already.
        found: How many candidates it has given.
    """

    asked: Asked
    question: Question
    search: Search
    beams: BeamSequences
    position: int
    reused: int
    found: int = 0
    has_begun: bool = False

    @property
    def is_live(self) -> bool:
        return self.has_begun and bool(self.search.live) and not self.asked.cancel.is_set()

    def advance(self, logits: npt.NDArray[np.float32]) -> None:
        """Take the logits of the live beams."""
        self.has_begun = True
        for candidate in self.search.advance(logits):
            self.found += 1
            self.asked.on_candidate(candidate)
        self.beams.follow([beam.parent for beam in self.search.live])
