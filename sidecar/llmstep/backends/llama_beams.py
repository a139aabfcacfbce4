"""The beams of one request as sequences of llama.cpp's KV cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from llmstep.backends.llama_model import LlamaModel


class BeamSequences:
    """Which sequence of the KV cache belongs to which live beam.

    Attributes:
        sequences: Sequence of each live beam, row by row.

    Args:
        model: The model.
        prompt: Sequence of the prompt they begin with.
        free: Sequences that no prompt has, and no other question.
    """

    def __init__(self, model: LlamaModel, prompt: int, free: list[int]) -> None:
        self._model = model
        self._prompt = prompt
        self._free = free
        self.sequences: list[int] = [prompt]

    def follow(self, parents: Sequence[int]) -> None:
        """Let the next beams take over the sequences of their parents' rows.

        The first child inherits its parent's sequence, so that only a beam that splits is copied.
        """
        before = self.sequences
        self._drop(before[row] for row in set(range(len(before))) - set(parents))
        heirs: set[int] = set()
        self.sequences = []
        for row in parents:
            sequence = before[row]
            if row in heirs or sequence == self._prompt:
                target = self._free.pop()
                self._model.copy_sequence(sequence, target)
                sequence = target
            heirs.add(row)
            self.sequences.append(sequence)

    def shrink(self, count: int) -> None:
        """Keep the first beams only."""
        self._drop(self.sequences[count:])
        self.sequences = self.sequences[:count]

    def release(self) -> None:
        """Give all cells back; the prompt stays."""
        if self._model.is_open:
            self._drop(self.sequences)
        self.sequences = []

    def _drop(self, sequences: Iterable[int]) -> None:
        for sequence in sequences:
            if sequence != self._prompt:
                self._model.cut_sequence(sequence)
                self._free.append(sequence)
