"""What speaks for a tactic besides the model: library, project, file, the goal itself, portfolio.

All sources propose tactics, and each says something about the tactics of the others: the share of
similar goals on which a tactic, its first word or its names were used, and how likely the author
names a lemma. `mixing` makes one estimate of it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

import attrs

from llmstep.lean_text.statements import Statement
from llmstep.prompts.goal import parse_goal
from llmstep.prompts.mention import Mention
from llmstep.sources.feasibility import is_impossible
from llmstep.sources.features import goal_features, goal_roles
from llmstep.sources.goal_readers import GoalReader
from llmstep.sources.goal_view import view_goal
from llmstep.sources.known_names import KnownNames
from llmstep.sources.lemmas import Lemmas
from llmstep.sources.libraries import AnyLibrary, NameReach
from llmstep.sources.mixing import (
    FORMS,
    LEMMA_ODDS,
    Judged,
    Mixing,
    choose_covering,
    first_word,
    log_sigmoid,
    sigmoid,
)
from llmstep.sources.module_reach import Reach
from llmstep.sources.portfolio import (
    LOWEST_LOG_ODDS,
    MATHLIB_TACTICS,
    Portfolio,
    imports_core_only,
    is_core_module,
)
from llmstep.sources.premise_source import (
    FoundLemma,
    find_named,
    origin_of,
    rank_premises,
)
from llmstep.sources.premise_steps import PremiseStep, premise_steps
from llmstep.sources.premises import Premise, Ranker
from llmstep.sources.ranking import Origin, normal_form
from llmstep.sources.similar_goals import POWER, Votes, ask_file, ask_library, recall
from llmstep.sources.steps import Surroundings, lemma_names, map_lemmas, words

# Each closer is a tactic of its own kind: more of them would push aside what the model proposes.
_MOST_CLOSERS = 3
# Premises that steps are made of.
_MADE_STEPS = 30
_SMALLEST_SHARE = 1e-3
_SMALLEST_MASS = 1e-2
_LOWEST_LOGPROB = -15.0
_SMALLEST_WORTH = 1e-30


@attrs.frozen
class Estimate:
    """How likely a tactic is the author's step, and which sources proposed it.

    The score is the log of the estimated probability (nats, below 0, finite).
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
        tables: Statements of the file and of the project.
        readers: Sources that look at the goal alone, by name.
        reaches: Whether lemmas of a module of the library may be proposed; by the file's imports
            if ``None``.
        imported: What the file's imports reach, where that is known better than from its text.
    """

    def __init__(
        self,
        goal: str,
        text_before: str,
        index: AnyLibrary | None,
        use_file: bool,
        portfolio: Portfolio | None,
        mixing: Mixing,
        prefix: str = "",
        *,
        tables: Mapping[Origin, Ranker] | None = None,
        readers: Mapping[Origin, GoalReader] | None = None,
        reaches: Callable[[str], bool] | None = None,
        imported: Reach | None = None,
    ) -> None:
        parsed = parse_goal(goal)
        self._view = view_goal(parsed)
        self._mixing = mixing
        self._prefix = prefix
        self._index = index
        self._text_before = text_before
        scope = None
        if text_before:
            from llmstep.lean_text.document import read_document

            scope = read_document(text_before).names()
        knows = index.knows if index is not None else lambda _: False
        self._surroundings = Surroundings.of(goal_roles(parsed), scope, knows)
        self._locals = local = self._surroundings.roles

        # No method: a question goes, with its document and indexes, as soon as it is answered.
        def is_own(name: str) -> bool:
            return name.partition(".")[0] in local or name in text_before

        self._in_goal = set(words(goal))
        core_only = imports_core_only(text_before) or bool(imported and imported.without_mathlib)
        self._unusable = MATHLIB_TACTICS if core_only else frozenset()
        known = is_core_module if imported is None and core_only else imported
        self._can_name = NameReach(index, known, core_only, is_own)
        reaches = reaches or known
        features = goal_features(parsed)
        library = ask_library(index, features, self._surroundings, prefix)
        self._full_names, self._similarity = library.full_names, library.similarity
        self._name_votes = library.names
        file: dict[str, float] = {}
        if use_file and text_before:
            file = ask_file(text_before, index, features, self._surroundings, prefix)
        self._tables = tables or {}
        premises = rank_premises(parsed, index, self._tables, self._name_votes, reaches)
        self._premises = {premise.statement.name: premise for premise in premises}
        self._written = {p.statement.name: self._write(p.statement) for p in premises}
        self._written_names = frozenset(self._written.values())
        uses = index.uses if index is not None else lambda _: 0
        self._lemmas = Lemmas(premises, self._view, self._name_votes, uses, self._written, mixing)
        closers = portfolio.choose(parsed) if portfolio else {}
        self._portfolio = {normal_form(tactic): odds for tactic, odds in closers.items()}
        self._texts: dict[str, str] = {}
        self._closer_heads: dict[str, float] = {}
        for tactic, odds in closers.items():
            head = first_word(tactic)
            self._closer_heads[head] = max(odds, self._closer_heads.get(head, LOWEST_LOG_ODDS))
        self._model_votes: dict[str, dict[str, float]] = defaultdict(dict)
        self._library_votes = Votes(self._remember(library.steps))
        self._file_votes = Votes(self._remember(file))
        self._premise_steps = self._make_steps()
        self._remember({step.tactic: 1.0 for step, _ in self._premise_steps.values()})
        self._read: dict[Origin, set[str]] = {}
        for origin, reader in readers.items() if readers else ():
            tactics = reader(self._view)
            self._read[origin] = set(map(normal_form, tactics))
            self._remember(dict.fromkeys(tactics, 1.0))
        self._remember(recall(closers, _MOST_CLOSERS, prefix))

    def propose(self) -> list[tuple[str, Estimate]]:
        """All tactics of these sources, the likeliest first."""
        found = [(text, self.estimate(text)) for text in self._texts.values()]
        found.sort(key=lambda item: (-item[1].score, item[0]))
        return found

    def premises(self) -> list[str]:
        """Full names of the statements that may help, the likeliest first."""
        return self._lemmas.ranked()

    def find_lemmas(self, count: int) -> list[FoundLemma]:
        """The ``count`` statements that most likely help, the likeliest first."""
        made: dict[str, PremiseStep] = {}
        for step, premise in self._premise_steps.values():
            made.setdefault(premise.statement.name, step)
        found: list[FoundLemma] = []
        for name in self._lemmas.ranked()[:count]:
            premise = self._premises[name]
            score = log_sigmoid(self._lemmas.log_odds(name))
            written, origin = self._written[name], origin_of(premise)
            found.append(FoundLemma(premise.statement, written, origin, score, made.get(name)))
        return found

    def mentions(self, named: Iterable[str] = ()) -> list[Mention]:
        """The same as a prompt shows them, each by its name as it must be written here.

        Behind them those that the client names, as far as a source knows what they say.
        """
        found = [
            Mention(self._written[name], self._premises[name].statement.conclusion, name)
            for name in self._lemmas.ranked()
        ]
        for name in named:
            if said := find_named(name, self._index, self._tables, self._surroundings.scope):
                found.append(Mention(name, said.conclusion, said.name))
        return found

    def known_names(self, banned: Iterable[str] = ()) -> KnownNames | None:
        """The names that a step may mention here, no banned one; ``None`` without a library."""
        if self._index is None:
            return None
        near = {*self._written, *self._written.values(), *self._name_votes, *self._in_goal}
        if self._text_before:
            from llmstep.sources.file_proofs import file_words

            near.update(file_words(self._text_before))
        for text in self._texts.values():
            near.update(words(text))
        common, knows = self._index.common_names(), self._index.knows
        return KnownNames(near, self._locals, common, knows, len(self._prefix), banned)

    def runs_here(self, tactic: str) -> bool:
        """Whether the file's imports and the goal's form leave a chance that the tactic runs."""
        head = first_word(tactic)
        if head in self._unusable or not self._is_tactic(head):
            return False
        if not all(map(self._can_name, lemma_names(tactic))):
            return False
        return not is_impossible(tactic, self._view)

    def complete_names(self, tactic: str) -> str:
        """A tactic of the model with its lemmas' names as they must be written here.

        Steps in a library are written inside the namespace of what they prove, and a model learns
        them so. Which namespace a name belongs to is taken from the steps on similar goals.
        """

        def complete(name: str) -> str:
            is_local = name.partition(".")[0] in self._locals
            return name if is_local else self._full_names.get(name, name)

        return map_lemmas(tactic, complete) if self._full_names else tactic

    def add_candidate(self, tactic: str, logprob: float, tokens: int) -> Estimate:
        """Judge a tactic that the model proposes; it counts as the model's vote for its first word.

        Its log-probability is in nats, summed over its tokens.
        """
        votes, key = self._model_votes[first_word(tactic)], normal_form(tactic)
        if key not in votes:
            for name in self.lemmas_of(tactic):
                self._lemmas.add_model_vote(name, math.exp(logprob))
        votes[key] = max(logprob, votes.get(key, logprob))
        return self.estimate(tactic, logprob, tokens)

    def estimate(self, tactic: str, logprob: float | None = None, tokens: int = 0) -> Estimate:
        """Judge a tactic; of one that the model proposed, see ``add_candidate``."""
        values = self.features(tactic, logprob, tokens)
        key = normal_form(tactic)
        said: dict[Origin, bool] = {
            "model": logprob is not None,
            "library": key in self._library_votes,
            "project": False,
            "file": key in self._file_votes,
            **{reader: key in tactics for reader, tactics in self._read.items()},
            "portfolio": key in self._portfolio,
        }
        if (made := self._premise_steps.get(key)) is not None:
            said[origin_of(made[1])] = True
        origin: list[Origin] = [source for source, speaks in said.items() if speaks]
        return Estimate(log_sigmoid(self._mixing.log_odds(values)), tuple(origin))

    def features(self, tactic: str, logprob: float | None, tokens: int) -> dict[str, float]:
        """The numbers that the estimate weighs; see ``FEATURES``."""
        key, head = normal_form(tactic), first_word(tactic)
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
        odds = [self._lemmas.log_odds(name) for name in self.lemmas_of(tactic)]
        made = self._premise_steps.get(key)
        step = made[0] if made else None
        return {
            "bias": 1.0,
            "library": float(key in library),
            "library_share": library.share(key),
            "library_log_share": math.log(library.share(key) + _SMALLEST_SHARE),
            "library_similarity": self._similarity.get(key, 0.0),
            "file": float(key in file),
            "file_share": file.share(key),
            "file_log_share": math.log(file.share(key) + _SMALLEST_SHARE),
            "file_strength": file.votes.get(key, 0.0) ** (1 / POWER),
            "portfolio": float(key in self._portfolio),
            "portfolio_log_odds": max(self._portfolio.get(key, 0.0), LOWEST_LOG_ODDS),
            "model": float(by_model),
            "model_probability": math.exp(logprob) if logprob is not None else 0.0,
            "model_logprob": max(logprob, _LOWEST_LOGPROB) if logprob is not None else 0.0,
            "model_mean": logprob / max(tokens, 1) if logprob is not None else 0.0,
            "library_head": library.log_head_share(head),
            "file_head": file.log_head_share(head),
            "names_known": known / len(foreign) if foreign else 1.0,
            "no_names": float(not foreign),
            "invented": float(any(self._is_invented(name) for name in foreign)),
            "length": min(len(tactic), 100) / 20,
            "uses_local": float(any(base in self._locals for base in bases)),
            "goal": float(any(key in tactics for tactics in self._read.values())),
            "lemma": float(bool(odds)),
            "lemma_log_odds": max(odds) + LEMMA_ODDS if odds else 0.0,
            "premise": float(step is not None),
            "premise_fit": step.fit if step else 0.0,
            "premise_filled": step.filled if step else 0.0,
            **{f"form_{form}": float(step is not None and step.form == form) for form in FORMS},
        }

    def lemma_features(self, name: str) -> dict[str, float]:
        """The numbers that the estimate of a premise weighs; see ``LEMMA_FEATURES``."""
        return self._lemmas.features(name)

    def lemmas_of(self, tactic: str) -> list[str]:
        """Full names of the premises that a tactic names."""
        return self._lemmas.named_in(words(tactic)[1:], self._locals.__contains__)

    def _is_tactic(self, head: str) -> bool:
        """Whether a prefix that is half a word was completed to a word that is known."""
        half = self._prefix.strip()
        if self._index is None or not half.isidentifier() or head == half:
            return True
        return self._index.knows(head) or head in MATHLIB_TACTICS or head in self._text_before

    def _is_invented(self, name: str) -> bool:
        """Whether neither the library nor the file has ever seen the name."""
        if self._index is None or self._index.knows(name) or name in self._written_names:
            return False
        return name not in self._text_before

    def head_features(self, head: str) -> dict[str, float]:
        """The numbers that the estimate of a first word weighs; see ``HEAD_FEATURES``."""
        votes = self._model_votes.get(head, {})
        mass = sum(map(math.exp, votes.values()))
        closer = self._closer_heads.get(head, LOWEST_LOG_ODDS)
        return {
            "bias": 1.0,
            "model_log_mass": math.log(mass + _SMALLEST_MASS),
            "model_count": math.log1p(len(votes)),
            "library_head": self._library_votes.log_head_share(head),
            "file_head": self._file_votes.log_head_share(head),
            "closer_odds": max(closer - LOWEST_LOG_ODDS, 0.0),
        }

    def choose(self, scored: Iterable[tuple[str, float]], n: int) -> list[tuple[str, float]]:
        """The ``n`` tactics to offer, given tactics with their scores (see `Estimate`).

        They come in order, each with the logarithm of what it adds to those before it.
        """
        judged = [
            Judged(tactic, math.exp(score), tuple(self.lemmas_of(tactic)))
            for tactic, score in scored
        ]
        heads = {
            head: sigmoid(self._mixing.head_log_odds(self.head_features(head)))
            for head in {first_word(item.tactic) for item in judged}
        }
        lemmas = {
            name: sigmoid(self._lemmas.log_odds(name))
            for name in {name for item in judged for name in item.lemmas}
        }
        mixing = self._mixing
        chosen = choose_covering(judged, heads, mixing.head_value, n, lemmas, mixing.lemma_value)
        return [(tactic, math.log(max(worth, _SMALLEST_WORTH))) for tactic, worth in chosen]

    def _write(self, statement: Statement) -> str:
        """A statement's name as it must be written here."""
        scope = self._surroundings.scope
        if scope is None:
            return statement.name
        has_name = self._index.has_name if self._index is not None else lambda _: False
        return scope.write(
            statement.name, protected=statement.protected, knows=has_name, taken=self._locals
        )

    def _make_steps(self) -> dict[str, tuple[PremiseStep, Premise]]:
        """What the best premises become, each step with the premise it names."""
        made: dict[str, tuple[PremiseStep, Premise]] = {}
        for name in self._lemmas.ranked()[:_MADE_STEPS]:
            premise = self._premises[name]
            for step in premise_steps(premise.statement, self._written[name], self._view):
                if step.tactic.startswith(self._prefix):
                    made.setdefault(normal_form(step.tactic), (step, premise))
        return made

    def _remember(self, votes: dict[str, float]) -> dict[str, float]:
        for text in votes:
            if self.runs_here(text):
                self._texts.setdefault(normal_form(text), text)
        return votes
