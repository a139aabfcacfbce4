"""Batches of similar length, in an order that is a pure function of (seed, pass)."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import attrs
import torch

from llmstep_workshop.data.rows import Mix, Row, draw_pass
from llmstep_workshop.errors import TrainingDataError
from llmstep_workshop.training.augmentation import Augmentation
from llmstep_workshop.training.tokenizer import EncodedPair

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
        source: Shape (B, S); the encoder's token ids, padded on the right with 0, or ``None`` for
            a decoder alone. The other three are the decoder's then, and ``prompts`` all ignored.
        mask: Shape (B, S); 1 where ``source`` is a token.
    """

    inputs: torch.Tensor
    targets: torch.Tensor
    prompts: torch.Tensor
    source: torch.Tensor | None = None
    mask: torch.Tensor | None = None

    def take(self, start: int, step: int) -> Batch:
        """The rows ``start``, ``start + step``, ...; where there is none, one that counts nothing.

        Processes that split a batch must all compute something, or they wait for each other.
        """
        if start >= len(self.inputs):
            blank = torch.full_like(self.targets[:1], IGNORED)
            return attrs.evolve(self.take(0, len(self.inputs)), targets=blank, prompts=blank)
        return self._map(lambda tensor: tensor[start::step])

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def _map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
        source = None if self.source is None else change(self.source)
        mask = None if self.mask is None else change(self.mask)
        kept = change(self.inputs), change(self.targets), change(self.prompts)
        return Batch(*kept, source, mask)


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


def collate_sides(pairs: Sequence[EncodedPair], start: int) -> Batch:
    """Stack pairs for an encoder, which reads the prompts, and a decoder, which writes the tactics.

    Args:
        pairs: The pairs.
        start: The token that a decoder starts with.
    """
    reads = _round_up(max(len(pair.prompt) for pair in pairs))
    writes = _round_up(max(len(pair.target) for pair in pairs))
    source = torch.zeros(len(pairs), reads, dtype=torch.long)
    mask = torch.zeros(len(pairs), reads, dtype=torch.long)
    inputs = torch.zeros(len(pairs), writes, dtype=torch.long)
    targets = torch.full((len(pairs), writes), IGNORED)
    for i, pair in enumerate(pairs):
        source[i, : len(pair.prompt)] = torch.tensor(pair.prompt)
        mask[i, : len(pair.prompt)] = 1
        inputs[i, : len(pair.target)] = torch.tensor([start, *pair.target[:-1]])
        targets[i, : len(pair.target)] = torch.tensor(pair.target)
    return Batch(inputs, targets, torch.full_like(targets, IGNORED), source, mask)


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


class RowEncoder(Protocol):
    """What turns rows into token ids."""

    def encode(self, rows: Sequence[Row]) -> list[EncodedPair]:
        """Encode ``rows``; the result has the same length and order."""
        ...


@attrs.frozen
class Portion:
    """The pairs of one batch, and their place in the run.

    Attributes:
        pass_index: The pass they belong to.
        number: Number of the batch within the pass.
        share: Share of the pass's rows up to and with this batch.
        pairs: The pairs, all of about one length.
    """

    pass_index: int
    number: int
    share: float
    pairs: list[EncodedPair]


class BatchStream:
    """The endless sequence of training batches.

    Each pass draws its rows anew by their weights, shuffles them, and works through windows of
    ``window_rows`` rows that are augmented, encoded, sorted by length and cut into batches of
    ``batch_tokens`` padded tokens, shuffled within the window.
    """

    def __init__(
        self,
        sources: Sequence[tuple[Sequence[Row], Mix]],
        encoder: RowEncoder,
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

    def start_at(self, pass_index: int, batch_index: int) -> Iterator[Portion]:
        """Yield the batches from the given position on.

        The windows before that position are encoded again, a fraction of a second each.
        """
        while True:
            for number, (share, pairs) in enumerate(self._groups(pass_index)):
                if number >= batch_index:
                    yield Portion(pass_index, number, share, pairs)
            pass_index, batch_index = pass_index + 1, 0

    def _groups(self, pass_index: int) -> Iterator[tuple[float, list[EncodedPair]]]:
        rng = random.Random(f"{self._seed}/{pass_index}")
        rows = [row for source, mix in self._sources for row in draw_pass(source, mix, rng)]
        if not rows:
            raise TrainingDataError(
                "the mix leaves no rows to train on",
                hint="Raise the weights in the recipe, or look at its skip_kinds and skip_files.",
            )
        rng.shuffle(rows)
        done = 0
        for start in range(0, len(rows), self._window_rows):
            window = rows[start : start + self._window_rows]
            pairs = self._encoder.encode([self._augmentation.apply(row, rng) for row in window])
            groups = group_by_length(pairs, self._batch_tokens)
            rng.shuffle(groups)
            for group in groups:
                done += len(group)
                yield done / len(rows), group
