"""How likely the author's step names a premise, for each premise of one goal."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from llmstep.sources.binders import read_signature
from llmstep.sources.goal_view import GoalView, covered, fit
from llmstep.sources.mixing import Mixing
from llmstep.sources.premises import Premise
from llmstep.sources.proposition import is_variable, tokens_of

_WORST_RANK = 100
_SMALLEST_SHARE = 1e-3
_SMALLEST_MASS = 1e-3


class Lemmas:
    """The premises of one goal, with their names as they must be written here.

    Votes of similar goals go to full names; `uses` tells how often the library names a statement.
    """

    def __init__(
        self,
        premises: Sequence[Premise],
        view: GoalView,
        votes: Mapping[str, float],
        uses: Callable[[str], int],
        written: Mapping[str, str],
        mixing: Mixing,
    ) -> None:
        self._mixing = mixing
        self._mass: dict[str, float] = defaultdict(float)
        self._odds: dict[str, float] = {}
        total = sum(votes.values()) + 0.02
        words = set(view.words)
        for fact in view.facts:
            words.update(tokens_of(fact.text))
        for type_ in view.variables.values():
            words.update(tokens_of(type_))
        self._features: dict[str, dict[str, float]] = {}
        self._named: dict[str, str] = {}
        self._endings: dict[str, list[str]] = defaultdict(list)
        for premise in premises:
            name = premise.statement.name
            share = votes.get(name, 0.0) / total
            self._features[name] = _features(premise, view, words, share, uses(name))
            self._named.setdefault(name, name)
            self._named.setdefault(written.get(name, name), name)
            self._endings[name.rpartition(".")[2]].append(name)

    def ranked(self) -> list[str]:
        """Full names, the likeliest first."""
        return sorted(self._features, key=lambda name: (-self.log_odds(name), name))

    def named_in(self, words: Iterable[str], local: Callable[[str], bool]) -> list[str]:
        """The premises that a step's words name; `local` tells which words the goal declares."""
        found: dict[str, None] = {}
        for word in words:
            base, _, rest = word.partition(".")
            if word in self._named:
                found[self._named[word]] = None
            elif rest and local(base):
                found.update(dict.fromkeys(self._endings.get(rest, ())[:1]))
        return list(found)

    def add_model_vote(self, name: str, probability: float) -> None:
        """Count a candidate of the model that names a premise."""
        self._mass[name] += probability
        self._odds.pop(name, None)

    def features(self, name: str) -> dict[str, float]:
        """The numbers that the estimate of a premise weighs; see ``LEMMA_FEATURES``."""
        mass = math.log(self._mass.get(name, 0.0) + _SMALLEST_MASS) - math.log(_SMALLEST_MASS)
        return self._features[name] | {"model_log_mass": mass}

    def log_odds(self, name: str) -> float:
        """How likely the author's step names it."""
        odds = self._odds.get(name)
        if odds is None:
            odds = self._odds[name] = self._mixing.lemma_log_odds(self.features(name))
        return odds


def _features(
    premise: Premise, view: GoalView, words: set[str], share: float, uses: int
) -> dict[str, float]:
    statement, ranks = premise.statement, premise.ranks
    signature = read_signature(statement)
    says = signature.conclusion
    fits = fit(says, view.target, {})
    foreign = sum(part not in words for part in statement.name.split(".")[:-1])
    rewrites = 0.0
    if says.relation in ("=", "↔"):
        rewrites = max(covered(says.left, view.words), 0.7 * covered(says.right, view.words))
    own = {token for token in tokens_of(says.conclusion) if not is_variable(token)}
    return {
        "bias": 1.0,
        "library_rank": _closeness(ranks.get("library")),
        "votes_rank": _closeness(ranks.get("votes")),
        "file_rank": _closeness(ranks.get("file")),
        "project_rank": _closeness(ranks.get("project")),
        "file": float("file" in ranks),
        "project": float("project" in ranks),
        "vote_share": math.log(share + _SMALLEST_SHARE) - math.log(_SMALLEST_SHARE),
        "uses": math.log1p(uses),
        "fits": fits,
        "rewrites": rewrites,
        "covered": len(own & words) / len(own) if own else 0.0,
        "foreign_namespaces": float(foreign),
        "arguments": float(min(sum(a.is_proof for a in signature.arguments), 5)),
        "definition": float(statement.kind not in ("theorem", "lemma")),
    }


def _closeness(rank: int | None) -> float:
    """0 for what is not ranked, and the more the better the rank."""
    return math.log((_WORST_RANK + 1) / rank) if rank else 0.0
