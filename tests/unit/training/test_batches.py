from __future__ import annotations

from itertools import islice

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llmstep.training.augmentation import Augmentation
from llmstep.training.batches import IGNORED, WIDTH_STEP, BatchStream, collate, group_by_length
from llmstep.training.data import Mix
from llmstep.training.synthetic import generate
from llmstep.training.tokenizer import EncodedPair, PairEncoder, train_tokenizer

ROWS = list(generate(150, seed=2))
ENCODER = PairEncoder(train_tokenizer((row.state for row in ROWS), 320), 200, 40)


def make_stream() -> BatchStream:
    sources = [(ROWS[:100], Mix(weight=0.7)), (ROWS[100:], Mix())]
    return BatchStream(sources, ENCODER, Augmentation(rename=0.5), 1, 50, 600)


def test_a_batch_predicts_the_tactic_and_nothing_else() -> None:
    pairs = [EncodedPair([1, 3, 9, 4], [7, 8, 2]), EncodedPair([1, 3, 4], [6, 2])]
    batch = collate(pairs)
    assert batch.inputs.shape == (2, WIDTH_STEP)
    assert batch.inputs.tolist() == [[1, 3, 9, 4, 7, 8, 2, 0], [1, 3, 4, 6, 2, 0, 0, 0]]
    x = IGNORED
    assert batch.targets.tolist() == [[x, x, x, 7, 8, 2, x, x], [x, x, 6, 2, x, x, x, x]]
    assert batch.prompts.tolist() == [[3, 9, 4, x, x, x, x, x], [3, 4, x, x, x, x, x, x]]


@given(st.lists(st.integers(2, 300), min_size=1, max_size=80), st.integers(300, 2000))
def test_groups_keep_to_the_budget_and_lose_nothing(lengths: list[int], budget: int) -> None:
    pairs = [EncodedPair([0] * (length - 1), [i]) for i, length in enumerate(lengths)]
    groups = group_by_length(pairs, budget)
    assert sorted(pair.target[0] for group in groups for pair in group) == list(range(len(pairs)))
    for group in groups:
        width = -(-max(map(len, group)) // WIDTH_STEP) * WIDTH_STEP
        assert len(group) == 1 or width * len(group) <= budget


def test_resuming_anywhere_gives_the_same_batches() -> None:
    whole = list(islice(make_stream().start_at(0, 0), 40))
    assert {position[0] for position in whole} >= {0, 1}
    for at in (1, 7, 25):
        pass_index, number, _ = whole[at]
        again = islice(make_stream().start_at(pass_index, number), 40 - at)
        for (p, n, batch), (p2, n2, batch2) in zip(whole[at:], again, strict=True):
            assert (p, n) == (p2, n2)
            assert torch.equal(batch.inputs, batch2.inputs)
            assert torch.equal(batch.targets, batch2.targets)


def test_two_passes_differ() -> None:
    first = next(make_stream().start_at(0, 0))[2].inputs
    second = next(make_stream().start_at(1, 0))[2].inputs
    assert first.shape != second.shape or not torch.equal(first, second)


def test_a_source_without_weight_is_an_error_not_an_endless_loop() -> None:
    stream = BatchStream([(ROWS, Mix(weight=0.0))], ENCODER, Augmentation(), 1, 50, 600)
    with pytest.raises(Exception, match="no rows"):
        next(stream.start_at(0, 0))
