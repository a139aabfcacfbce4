"""What is checked of a request before a model sees it; how much two token sequences share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from llmstep.errors import InvalidParamsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmstep.backends.base import Sampling


def check_sampling(sampling: Sampling, most_candidates: int) -> None:
    """Refuse numbers that no decoder can work with.

    Raises:
        InvalidParamsError: n, the token limit, temperature or top-p are out of range.
    """
    wrong = ""
    if not 1 <= sampling.n <= most_candidates:
        wrong = f"n must lie in 1..{most_candidates}, not {sampling.n}"
    elif sampling.max_tokens < 1:
        wrong = f"max_tokens must be positive, not {sampling.max_tokens}"
    elif not 0 <= sampling.temperature < float("inf"):
        wrong = f"the temperature must be 0 or more, not {sampling.temperature}"
    elif not 0 < sampling.top_p <= 1:
        wrong = f"top_p must lie in (0, 1], not {sampling.top_p}"
    if wrong:
        raise InvalidParamsError(wrong)


def encode_text(text: str) -> bytes:
    """The text as UTF-8.

    Raises:
        InvalidParamsError: It holds half a surrogate pair, which JSON can carry but UTF-8 cannot.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidParamsError(
            f"the text holds half a surrogate pair at character {error.start}",
            hint="Send valid Unicode.",
        ) from error


def common_length(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of the longest common beginning of two token sequences."""
    shorter = min(len(a), len(b))
    different = np.flatnonzero(np.asarray(a[:shorter]) != np.asarray(b[:shorter]))
    return int(different[0]) if len(different) else shorter
