from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstep_workshop.data.rows import Mix
from llmstep_workshop.data.synthetic import generate
from llmstep_workshop.training.augmentation import Augmentation
from llmstep_workshop.training.batches import (
    IGNORED,
    WIDTH_STEP,
    BatchStream,
    collate,
    collate_sides,
    group_by_length,
)
from llmstep_workshop.training.tokenizer import EncodedPair, PairEncoder, train_tokenizer

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


def test_an_encoder_reads_the_prompt_and_a_decoder_writes_the_tactic() -> None:
    batch = collate_sides([EncodedPair([5, 6, 1], [7, 8, 1]), EncodedPair([5, 1], [9, 1])], start=0)
    x = IGNORED
    assert batch.source is not None
    assert batch.mask is not None
    assert batch.source[:, :4].tolist() == [[5, 6, 1, 0], [5, 1, 0, 0]]
    assert batch.mask[:, :4].tolist() == [[1, 1, 1, 0], [1, 1, 0, 0]]
    assert batch.inputs[:, :4].tolist() == [[0, 7, 8, 0], [0, 9, 0, 0]]
    assert batch.targets[:, :4].tolist() == [[7, 8, 1, x], [9, 1, x, x]]
    assert bool((batch.prompts == x).all())


def test_rows_split_among_processes_are_all_of_the_batch() -> None:
    pairs = [EncodedPair([1, 2 + i], [7 + i, 2]) for i in range(5)]
    batch = collate(pairs)
    parts = [batch.take(rank, 3) for rank in range(3)]
    rows = [row for part in parts for row in part.inputs.tolist()]
    assert sorted(rows) == sorted(batch.inputs.tolist())
    filler = collate(pairs[:2]).take(2, 3)
    assert filler.inputs.shape == (1, WIDTH_STEP)
    assert bool((filler.targets == IGNORED).all())
    assert bool((filler.prompts == IGNORED).all())


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
    assert {portion.pass_index for portion in whole} >= {0, 1}
    for at in (1, 7, 25):
        place = whole[at]
        again = islice(make_stream().start_at(place.pass_index, place.number), 40 - at)
        assert list(again) == whole[at:]


def test_the_share_of_a_pass_grows_to_one() -> None:
    portions = list(islice(make_stream().start_at(0, 0), 40))
    first = [portion.share for portion in portions if portion.pass_index == 0]
    assert first == sorted(first)
    assert 0 < first[0] < 1
    assert first[-1] == 1.0


def test_two_passes_differ() -> None:
    first = next(make_stream().start_at(0, 0)).pairs
    second = next(make_stream().start_at(1, 0)).pairs
    assert first != second


def test_a_source_without_weight_is_an_error_not_an_endless_loop() -> None:
    stream = BatchStream([(ROWS, Mix(weight=0.0))], ENCODER, Augmentation(), 1, 50, 600)
    with pytest.raises(Exception, match="no rows"):
        next(stream.start_at(0, 0))
