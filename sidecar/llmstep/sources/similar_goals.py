"""Steps taken on similar goals, in the library and in the file, as they would read here."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping

import attrs

from llmstep.sources.libraries import AnyLibrary
from llmstep.sources.mixing import first_word
from llmstep.sources.ranking import normal_form
from llmstep.sources.steps import Surroundings, lemma_names, short_names, words

# A vote is this power of the similarity of two goals.
POWER = 4
# Steps of this many similar goals vote.
_NEIGHBOURS = 200
_LATER_STEP = 0.5
_MOST_RECALLED = 40
_SMALLEST_HEAD_SHARE = 1e-2


class Votes:
    """The votes for some tactics, each with its weight."""

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


@attrs.frozen(eq=False)
class LibraryVotes:
    """What the library's similar goals say.

    Attributes:
        steps: The strongest steps with their votes.
        similarity: For the normal form of each of them the similarity of the nearest goal, 0 to 1.
        names: The votes for each lemma, by its full name.
        full_names: For names that a step writes short, how they must be written here.
    """

    steps: dict[str, float]
    similarity: dict[str, float]
    names: defaultdict[str, float]
    full_names: dict[str, str]


def ask_library(
    index: AnyLibrary | None, features: frozenset[str], surroundings: Surroundings, prefix: str
) -> LibraryVotes:
    """The steps that a library's proofs took on goals with these features, as they read here.

    Weaker ones are kept, too, if they begin with the prefix.
    """
    votes: dict[str, float] = defaultdict(float)
    names: defaultdict[str, float] = defaultdict(float)
    nearest: dict[str, float] = {}
    full_names: dict[str, str] = {}
    for neighbour in index.nearest(features, _NEIGHBOURS) if index else []:
        weight = neighbour.similarity**POWER
        for namespace, name in short_names(neighbour.step):
            full_names.setdefault(name, surroundings.shorten(namespace, name))
        for name in lemma_names(neighbour.step):
            names[name] += weight
        step = surroundings.adapt(neighbour.step)
        if step is not None:
            votes[step] += weight
            nearest.setdefault(step, neighbour.similarity)
    steps = _recall_strongest(votes, prefix)
    similarity = {normal_form(step): nearest[step] for step in steps}
    return LibraryVotes(steps, similarity, names, full_names)


def ask_file(
    text_before: str,
    index: AnyLibrary | None,
    features: frozenset[str],
    surroundings: Surroundings,
    prefix: str,
) -> dict[str, float]:
    """The steps of the file's own proofs of similar statements, with their votes.

    The first step of a proof was taken on the statement itself; later ones count less.
    """
    from llmstep.sources.file_proofs import nearest_proofs, read_proofs

    declarations = read_proofs(text_before)
    votes: dict[str, float] = defaultdict(float)
    weigh = index.weigh if index is not None else None
    for declaration, similarity in nearest_proofs(declarations, features, weigh, _NEIGHBOURS):
        weight = similarity**POWER
        for number, step in enumerate(declaration.steps):
            adapted = surroundings.adapt(step)
            if adapted is not None:
                votes[adapted] += weight * (_LATER_STEP if number else 1.0)
    return _recall_strongest(votes, prefix)


def recall(votes: Mapping[str, float], count: int, prefix: str = "") -> dict[str, float]:
    """The strongest of those that start with the prefix, ties by text."""
    fitting = [item for item in votes.items() if item[0].startswith(prefix)]
    return dict(sorted(fitting, key=lambda item: (-item[1], item[0]))[:count])


def _recall_strongest(votes: Mapping[str, float], prefix: str) -> dict[str, float]:
    return recall(votes, _MOST_RECALLED) | recall(votes, _MOST_RECALLED, prefix)
