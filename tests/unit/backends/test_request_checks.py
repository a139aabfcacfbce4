"""What every backend asks of a request."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstep.backends.base import Sampling
from llmstep.backends.local import check_sampling, encode_text
from llmstep.backends.slots import common_length
from llmstep.errors import InvalidParamsError

TOKENS = st.lists(st.integers(0, 3), max_size=8)


@given(TOKENS, TOKENS, TOKENS)
def test_common_length(shared: list[int], a: list[int], b: list[int]) -> None:
    first, second = (*shared, *a), [*shared, *b]
    length = common_length(first, second)
    assert length >= len(shared)
    assert list(first[:length]) == second[:length]
    shorter = min(len(first), len(second))
    assert length == shorter or first[length] != second[length]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_is_encoded_as_it_is(text: str) -> None:
    assert encode_text(text).decode() == text


def test_half_a_surrogate_pair() -> None:
    with pytest.raises(InvalidParamsError, match="character 2"):
        encode_text("ab\ud835c")


@pytest.mark.parametrize(
    "good", [{}, {"n": 64}, {"temperature": 0.0}, {"top_p": 1.0}, {"max_tokens": 1}]
)
def test_possible_sampling(good: dict[str, float]) -> None:
    check_sampling(attrs.evolve(Sampling(), **good), 64)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 0),
        ("n", 65),
        ("max_tokens", 0),
        ("temperature", -0.1),
        ("temperature", float("nan")),
        ("temperature", float("inf")),
        ("top_p", 0.0),
        ("top_p", 1.01),
        ("top_p", float("nan")),
    ],
)
def test_impossible_sampling(name: str, value: float) -> None:
    with pytest.raises(InvalidParamsError, match=f"{name.split('_')[0]}.*{value}"):
        check_sampling(attrs.evolve(Sampling(), **{name: value}), 64)
