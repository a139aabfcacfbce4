"""Votes of similar goals for tactics, added up by tactic, by first word and by name."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping

from llmstep.sources.mixing import first_word
from llmstep.sources.ranking import normal_form
from llmstep.sources.steps import words

# A vote is this power of the similarity of two goals.
POWER = 4
_SMALLEST_HEAD_SHARE = 1e-2


class Votes:
    """The votes for some tactics.

    Args:
        votes: The weight of each tactic.
    """

    def __init__(self, votes: Mapping[str, float]) -> None:
        # The constant keeps a lone vote of hardly any similarity from being a share of one.
        self._total = sum(votes.values()) + 0.02
        self.votes: dict[str, float] = {}
        self._heads: dict[str, float] = defaultdict(float)
        self.names: set[str] = set()
        for text, weight in votes.items():
            key = normal_form(text)
            self.votes[key] = self.votes.get(key, 0.0) + weight
            self._heads[first_word(text)] += weight
            self.names.update(words(text))

    def __contains__(self, key: str) -> bool:
        return key in self.votes

    def share(self, key: str) -> float:
        """A tactic's share of all votes."""
        return self.votes.get(key, 0.0) / self._total

    def log_head_share(self, head: str) -> float:
        """The logarithm of a first word's share, bounded below."""
        return math.log(self._heads.get(head, 0.0) / self._total + _SMALLEST_HEAD_SHARE)


def strongest(votes: Mapping[str, float], count: int) -> dict[str, float]:
    """The strongest votes, ties by text."""
    ordered = sorted(votes.items(), key=lambda item: (-item[1], item[0]))
    return dict(ordered[:count])
