"""Which prompts a model still holds: each keeps what it has in common with the next of its kind.

A template with several prompts (worked examples with the goal; the file as it is) asks them in
turn. With one KV cache each would push the other out and be computed anew every time; so there are
as many slots as the template has prompts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from llmstep.backends.tokens import Question


@attrs.define(eq=False)
class PromptSlot:
    """A prompt whose keys and values the model holds.

    Attributes:
        index: Its number; the model knows it by that.
        source: Tokens the encoder has read; empty for decoder-only models.
        tokens: Tokens the decoder was fed.
        logits: Shape (1, vocabulary), those after the last of ``tokens``; ``None`` where the
            prompt was not fed to its end.
    """

    index: int
    source: tuple[int, ...] = ()
    tokens: tuple[int, ...] = ()
    logits: npt.NDArray[np.float32] | None = None

    def forget(self) -> None:
        """Hold nothing."""
        self.source = self.tokens = ()
        self.logits = None

    def find_common(self, question: Question) -> int:
        """How many of the decoder's first tokens it holds already; none behind another source."""
        if question.source != self.source:
            return 0
        return common_length(self.tokens, question.opening.tokens)

    def holds(self, question: Question) -> bool:
        """Whether nothing is left to compute before the first token is drawn."""
        same = (question.source, question.opening.tokens) == (self.source, self.tokens)
        return same and self.logits is not None


class PromptSlots:
    """A fixed number of slots; the one used longest ago is given to a prompt of a new kind."""

    def __init__(self, count: int) -> None:
        # Used longest ago first.
        self._by_use = [PromptSlot(index) for index in range(max(1, count))]

    def __iter__(self) -> Iterator[PromptSlot]:
        return iter(self._by_use)

    def __len__(self) -> int:
        return len(self._by_use)

    def choose(self, question: Question) -> PromptSlot:
        """The slot to answer a question from.

        That is the one which loses the least by it: of its tokens at least half begin the
        question, too. If there is none, as for a prompt of a new kind, it is the one used longest
        ago.
        """

        def kept(slot: PromptSlot) -> float:
            held = len(slot.tokens)
            if slot.source and slot.source == question.source:
                return 1.0
            return slot.find_common(question) / held if held else 0.0

        best = max(self._by_use, key=kept)
        chosen = best if kept(best) >= 0.5 else self._by_use[0]
        self._by_use.remove(chosen)
        self._by_use.append(chosen)
        return chosen

    def take_oldest(self, spared: PromptSlot | None) -> PromptSlot | None:
        """Another slot than this one that holds something, the one used longest ago."""
        return next((slot for slot in self._by_use if slot is not spared and slot.tokens), None)

    def forget(self) -> None:
        """Let every slot hold nothing."""
        for slot in self:
            slot.forget()


def common_length(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of the longest common beginning of two token sequences."""
    shorter = min(len(a), len(b))
    different = np.flatnonzero(np.asarray(a[:shorter]) != np.asarray(b[:shorter]))
    return int(different[0]) if len(different) else shorter
