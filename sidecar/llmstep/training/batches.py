"""Batches of similar length, in an order that is a pure function of (seed, pass)."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import attrs
import torch

from llmstep.training.augmentation import Augmentation
from llmstep.training.data import Mix, Row, draw_pass
from llmstep.training.errors import TrainingDataError
from llmstep.training.tokenizer import EncodedPair, PairEncoder

IGNORED = -100
# The CPU library compiles and keeps one matrix kernel per shape: widths are rounded up to a
# multiple of this, so that a run meets few shapes. Unrounded, memory grows by gigabytes.
WIDTH_STEP = 8


@attrs.frozen
class Batch:
    """One batch of B sequences of T tokens.

    Attributes:
        inputs: Shape (B, T); token ids, padded on the right with 0.
        targets: Shape (B, T); the next token where it belongs to the tactic, else ``IGNORED``.
        prompts: Shape (B, T); the same for the prompt's own tokens.
    """

    inputs: torch.Tensor
    targets: torch.Tensor
    prompts: torch.Tensor


def collate(pairs: Sequence[EncodedPair]) -> Batch:
    """Stack pairs into one right-padded batch, its width a multiple of ``WIDTH_STEP``."""
    width = _round_up(max(len(pair) for pair in pairs))
    inputs = torch.zeros(len(pairs), width, dtype=torch.long)
    targets = torch.full((len(pairs), width), IGNORED)
    prompts = torch.full((len(pairs), width), IGNORED)
    for i, pair in enumerate(pairs):
        cut, end = len(pair.prompt), len(pair)
        inputs[i, :end] = torch.tensor(pair.prompt + pair.target)
        targets[i, cut - 1 : end - 1] = torch.tensor(pair.target)
        prompts[i, : cut - 1] = torch.tensor(pair.prompt[1:])
    return Batch(inputs, targets, prompts)


def group_by_length(pairs: Sequence[EncodedPair], budget: int) -> list[list[EncodedPair]]:
    """Split ``pairs``, sorted by length, into groups of at most ``budget`` padded tokens each.

    A single longer pair makes a group of its own. All groups of one width, but for the last group
    of all, have the same number of rows.
    """
    ordered = sorted(pairs, key=len, reverse=True)
    groups: list[list[EncodedPair]] = []
    start = 0
    while start < len(ordered):
        rows = max(1, budget // _round_up(len(ordered[start])))
        groups.append(ordered[start : start + rows])
        start += rows
    return groups


def _round_up(length: int) -> int:
    return -(-length // WIDTH_STEP) * WIDTH_STEP


class BatchStream:
    """The endless sequence of training batches.

    Each pass draws its rows anew by their weights, shuffles them, and works through windows of
    ``window_rows`` rows that are augmented, encoded, sorted by length and cut into batches of
    ``batch_tokens`` padded tokens, shuffled within the window.
    """

    def __init__(
        self,
        sources: Sequence[tuple[Sequence[Row], Mix]],
        encoder: PairEncoder,
        augmentation: Augmentation,
        seed: int,
        window_rows: int,
        batch_tokens: int,
    ) -> None:
        self._sources = sources
        self._encoder = encoder
        self._augmentation = augmentation
        self._seed = seed
        self._window_rows = window_rows
        self._batch_tokens = batch_tokens

    def start_at(self, pass_index: int, batch_index: int) -> Iterator[tuple[int, int, Batch]]:
        """Yield (pass, batch number in the pass, batch), from the given position on.

        The windows before that position are encoded again, a fraction of a second each.
        """
        while True:
            number = 0
            for window in self._windows(pass_index):
                for group in window:
                    if number >= batch_index:
                        yield pass_index, number, collate(group)
                    number += 1
            pass_index, batch_index = pass_index + 1, 0

    def _windows(self, pass_index: int) -> Iterator[list[list[EncodedPair]]]:
        rng = random.Random(f"{self._seed}/{pass_index}")
        rows = [row for source, mix in self._sources for row in draw_pass(source, mix, rng)]
        if not rows:
            raise TrainingDataError(
                "the mix leaves no rows to train on",
                hint="Raise the weights in the recipe, or look at its skip_kinds and skip_files.",
            )
        rng.shuffle(rows)
        for start in range(0, len(rows), self._window_rows):
            window = rows[start : start + self._window_rows]
            pairs = self._encoder.encode([self._augmentation.apply(row, rng) for row in window])
            groups = group_by_length(pairs, self._batch_tokens)
            rng.shuffle(groups)
            yield groups
