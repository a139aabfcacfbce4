"""What speaks for a tactic besides the model: the library, the file, and the portfolio.

All sources propose tactics, and each says something about the tactics of the others: the share of
similar goals on which a tactic, its first word or its names were used. A logistic regression over
these numbers (``models/mixing.toml``, fitted by `llmstep index fit` on proofs that neither the
model nor the library has seen) gives one estimate of how likely the tactic is the author's step.
"""

from __future__ import annotations

import functools
import math
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import attrs

from llmstep import paths
from llmstep.errors import ModelFileError
from llmstep.prompts.goal import parse_goal
from llmstep.retrieval.features import goal_features, local_names
from llmstep.retrieval.index import TacticIndex
from llmstep.retrieval.lean_file import Declaration, read_declarations
from llmstep.retrieval.steps import fits, plain, words
from llmstep.service.portfolio import (
    LOWEST_LOG_ODDS,
    MATHLIB_TACTICS,
    Portfolio,
    imports_core_only,
)
from llmstep.service.ranking import Origin, normal_form

FILE_NAME = "mixing.toml"
# Steps of this many similar goals vote; each vote is the fourth power of the similarity.
NEIGHBOURS = 200
_POWER = 4
_LATER_STEP = 0.5
_MOST_RECALLED = 40
# Each closer is a tactic of its own kind: more of them would push aside what the model proposes.
_MOST_CLOSERS = 3
_SMALLEST_SHARE = 1e-3
_SMALLEST_HEAD_SHARE = 1e-2
_LOWEST_LOGPROB = -15.0
FEATURES = (
    "bias",
    "library",
    "library_share",
    "library_log_share",
    "library_similarity",
    "file",
    "file_share",
    "file_log_share",
    "file_strength",
    "portfolio",
    "portfolio_log_odds",
    "model",
    "model_probability",
    "model_logprob",
    "model_mean",
    "library_head",
    "file_head",
    "names_known",
    "no_names",
    "invented",
    "length",
    "uses_local",
)


@attrs.frozen
class Mixing:
    """The fitted regression.

    Attributes:
        weights: Weight of each of ``FEATURES``.
        repeat_penalty: Log-odds that a tactic loses for each chosen one with the same first word.
    """

    weights: Mapping[str, float]
    repeat_penalty: float

    def log_odds(self, values: Mapping[str, float]) -> float:
        """The estimate for one tactic."""
        return sum(self.weights[name] * value for name, value in values.items())


@functools.cache
def load_mixing(path: Path | None = None) -> Mixing:
    """Read the weights, by default those that come with the package.

    Raises:
        ModelFileError: The file is missing or damaged.
    """
    path = path or paths.models_dir() / FILE_NAME
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        weights = {name: float(values["weights"][name]) for name in FEATURES}
        return Mixing(weights, float(values["repeat_penalty"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(
            f"{path}: the weights of the sources cannot be read: {error!r}",
            hint="Restore the file, or set `sources` to `model`.",
        ) from error


@attrs.frozen
class Estimate:
    """How likely a tactic is the author's step.

    Attributes:
        score: Log of the estimated probability (nats, below 0, finite).
        origin: The sources that proposed it.
    """

    score: float
    origin: tuple[Origin, ...]


class Evidence:
    """What the sources other than the model say about one goal.

    Args:
        goal: The printed goal.
        text_before: The file up to the question, or empty.
        index: The library, or ``None`` to do without.
        use_file: Whether the file's own proofs count.
        portfolio: The closers, or ``None`` to do without.
        mixing: Weights of all this.
        prefix: Of all the tactics that may be proposed, those that start with it are recalled.
    """

    def __init__(
        self,
        goal: str,
        text_before: str,
        index: TacticIndex | None,
        use_file: bool,
        portfolio: Portfolio | None,
        mixing: Mixing,
        prefix: str = "",
    ) -> None:
        parsed = parse_goal(goal)
        self._mixing = mixing
        self._prefix = prefix
        self._index = index
        self._text_before = text_before
        self._locals = local_names(parsed)
        self._in_goal = set(words(goal))
        features = goal_features(parsed)
        library, self._similarity = self._ask_library(index, features)
        file = self._ask_file(text_before, index, features) if use_file else {}
        self._unusable = MATHLIB_TACTICS if imports_core_only(text_before) else frozenset()
        closers = portfolio.choose(parsed) if portfolio else {}
        self._portfolio = {normal_form(tactic): odds for tactic, odds in closers.items()}
        self._texts: dict[str, str] = {}
        self._library_votes = _Votes(self._remember(library))
        self._file_votes = _Votes(self._remember(file))
        self._remember(self._recall(closers, _MOST_CLOSERS))

    def propose(self) -> list[tuple[str, Estimate]]:
        """All tactics of these sources, the likeliest first."""
        found = [(text, self.estimate(text)) for text in self._texts.values()]
        found.sort(key=lambda item: (-item[1].score, item[0]))
        return found

    def runs_here(self, tactic: str) -> bool:
        """Whether the file's imports leave a chance that the tactic exists."""
        return _head(tactic) not in self._unusable

    def estimate(self, tactic: str, logprob: float | None = None, tokens: int = 0) -> Estimate:
        """Judge a tactic.

        Args:
            tactic: Its text.
            logprob: What the model gives it (nats, summed over its tokens), if it proposed it.
            tokens: Number of these tokens.
        """
        values = self.features(tactic, logprob, tokens)
        origin: list[Origin] = []
        if logprob is not None:
            origin.append("model")
        key = normal_form(tactic)
        if key in self._library_votes:
            origin.append("library")
        if key in self._file_votes:
            origin.append("file")
        if key in self._portfolio:
            origin.append("portfolio")
        return Estimate(_log_sigmoid(self._mixing.log_odds(values)), tuple(origin))

    def features(self, tactic: str, logprob: float | None, tokens: int) -> dict[str, float]:
        """The numbers that the estimate weighs; see ``FEATURES``."""
        key, head = normal_form(tactic), _head(tactic)
        used = words(tactic)
        bases = [word.partition(".")[0] for word in used]
        foreign = [
            word
            for word, base in zip(used, bases, strict=True)
            if word != head and word not in self._in_goal and base not in self._locals
        ]
        known = sum(w in self._library_votes.names or w in self._file_votes.names for w in foreign)
        library, file = self._library_votes, self._file_votes
        by_model = logprob is not None
        return {
            "bias": 1.0,
            "library": float(key in library),
            "library_share": library.share(key),
            "library_log_share": math.log(library.share(key) + _SMALLEST_SHARE),
            "library_similarity": self._similarity.get(key, 0.0),
            "file": float(key in file),
            "file_share": file.share(key),
            "file_log_share": math.log(file.share(key) + _SMALLEST_SHARE),
            "file_strength": file.votes.get(key, 0.0) ** (1 / _POWER),
            "portfolio": float(key in self._portfolio),
            "portfolio_log_odds": max(self._portfolio.get(key, 0.0), LOWEST_LOG_ODDS),
            "model": float(by_model),
            "model_probability": math.exp(logprob) if logprob is not None else 0.0,
            "model_logprob": max(logprob, _LOWEST_LOGPROB) if logprob is not None else 0.0,
            "model_mean": logprob / max(tokens, 1) if logprob is not None else 0.0,
            "library_head": math.log(library.head_share(head) + _SMALLEST_HEAD_SHARE),
            "file_head": math.log(file.head_share(head) + _SMALLEST_HEAD_SHARE),
            "names_known": known / len(foreign) if foreign else 1.0,
            "no_names": float(not foreign),
            "invented": float(any(self._is_invented(name) for name in foreign)),
            "length": min(len(tactic), 100) / 20,
            "uses_local": float(any(base in self._locals for base in bases)),
        }

    def _is_invented(self, name: str) -> bool:
        """Whether neither the library nor the file has ever seen the name."""
        if self._index is None or self._index.knows(name):
            return False
        return name not in self._text_before

    def choose(self, scored: Iterable[tuple[str, float]], n: int) -> list[str]:
        """The ``n`` tactics to offer, given tactics with their scores (see `Estimate`)."""
        odds = [(tactic, _logit(score)) for tactic, score in scored]
        return choose_varied(odds, self._mixing.repeat_penalty, n)

    def _ask_library(
        self, index: TacticIndex | None, features: frozenset[str]
    ) -> tuple[dict[str, float], dict[str, float]]:
        votes: dict[str, float] = defaultdict(float)
        nearest: dict[str, float] = {}
        for neighbour in index.nearest(features, NEIGHBOURS) if index else []:
            if fits(neighbour.step, self._locals):
                step = plain(neighbour.step)
                votes[step] += neighbour.similarity**_POWER
                nearest.setdefault(step, neighbour.similarity)
        strongest = _strongest(votes, _MOST_RECALLED) | self._recall(votes, _MOST_RECALLED)
        return strongest, {normal_form(step): nearest[step] for step in strongest}

    def _ask_file(
        self, text_before: str, index: TacticIndex | None, features: frozenset[str]
    ) -> dict[str, float]:
        declarations = read_declarations(text_before) if text_before else []
        votes: dict[str, float] = defaultdict(float)
        for declaration, similarity in _compare(declarations, index, features):
            weight = similarity**_POWER
            for number, step in enumerate(declaration.steps):
                if fits(step, self._locals):
                    votes[plain(step)] += weight * (_LATER_STEP if number else 1.0)
        return _strongest(votes, _MOST_RECALLED) | self._recall(votes, _MOST_RECALLED)

    def _recall(self, votes: Mapping[str, float], count: int) -> dict[str, float]:
        """The strongest of those that start with the prefix."""
        if not self._prefix:
            return _strongest(votes, count)
        fitting = {text: vote for text, vote in votes.items() if text.startswith(self._prefix)}
        return _strongest(fitting, count)

    def _remember(self, votes: dict[str, float]) -> dict[str, float]:
        for text in votes:
            if self.runs_here(text):
                self._texts.setdefault(normal_form(text), text)
        return votes


def choose_varied(judged: Iterable[tuple[str, float]], repeat_penalty: float, n: int) -> list[str]:
    """Choose likely tactics of different kinds, one after the other.

    Args:
        judged: Tactics with their log-odds.
        repeat_penalty: What a tactic loses for each chosen one with the same first word.
        n: How many.
    """
    left = sorted(((odds, tactic) for tactic, odds in judged), reverse=True)
    chosen: list[str] = []
    heads: Counter[str] = Counter()
    while left and len(chosen) < n:
        best = max(left, key=lambda item: item[0] - repeat_penalty * heads[_head(item[1])])
        left.remove(best)
        chosen.append(best[1])
        heads[_head(best[1])] += 1
    return chosen


class _Votes:
    """Votes for tactics, added up by tactic, by first word and by name."""

    def __init__(self, votes: Mapping[str, float]) -> None:
        # The constant keeps a lone vote of hardly any similarity from being a share of one.
        self._total = sum(votes.values()) + 0.02
        self.votes: dict[str, float] = {}
        self._heads: dict[str, float] = defaultdict(float)
        self.names: set[str] = set()
        for text, weight in votes.items():
            key = normal_form(text)
            self.votes[key] = self.votes.get(key, 0.0) + weight
            self._heads[_head(text)] += weight
            self.names.update(words(text))

    def __contains__(self, key: str) -> bool:
        return key in self.votes

    def share(self, key: str) -> float:
        return self.votes.get(key, 0.0) / self._total

    def head_share(self, head: str) -> float:
        return self._heads.get(head, 0.0) / self._total


def _compare(
    declarations: Sequence[Declaration], index: TacticIndex | None, features: frozenset[str]
) -> Iterable[tuple[Declaration, float]]:
    """The declarations that share a feature with the goal, with the cosine of the two."""
    every = set(features).union(*(declaration.features for declaration in declarations))
    weights = index.weigh(every) if index else dict.fromkeys(every, 1.0)
    length = sum(weights[feature] for feature in features)
    for declaration in declarations:
        common = sum(weights[feature] for feature in declaration.features & features)
        if common > 0.0:
            own = sum(weights[feature] for feature in declaration.features)
            yield declaration, common / math.sqrt(own * length)


def _strongest(votes: Mapping[str, float], count: int) -> dict[str, float]:
    ordered = sorted(votes.items(), key=lambda item: (-item[1], item[0]))
    return dict(ordered[:count])


def _head(tactic: str) -> str:
    """The first word: the tactic's name."""
    return tactic.split(None, 1)[0] if tactic.strip() else ""


def _log_sigmoid(value: float) -> float:
    return -math.log1p(math.exp(-value)) if value > -30.0 else value


def _logit(score: float) -> float:
    """The log-odds of a log-probability."""
    probability = math.exp(score)
    return score - math.log(max(1.0 - probability, 1e-12))
