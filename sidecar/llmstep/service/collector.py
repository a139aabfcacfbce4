"""One question's tactics, from all sources: cut to one step, judged, handed on, and chosen from."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

import attrs

from llmstep.backends.base import CancelToken, Candidate
from llmstep.prompts.template import BuiltPrompt
from llmstep.service.postprocess import extract_tactic
from llmstep.service.question import SuggestRequest
from llmstep.sources.evidence import Estimate, Evidence
from llmstep.sources.ranking import Ranking, Suggestion, normal_form

log = logging.getLogger(__name__)

OnSuggestion = Callable[[Suggestion], None]


class Collector:
    """Takes tactics in as they arrive.

    Args:
        request: The question.
        evidence: What sources besides the model say, or ``None`` if the model is the only one.
        cancel: Once set, nothing is handed on.
        on_suggestion: Called for each new suggestion.
    """

    def __init__(
        self,
        request: SuggestRequest,
        evidence: Evidence | None,
        cancel: CancelToken,
        on_suggestion: OnSuggestion | None,
    ) -> None:
        self._request = request
        self._evidence = evidence
        self._cancel = cancel
        self._on_suggestion = on_suggestion
        self._ranking = Ranking()
        self._handed_on: set[str] = set()
        # When time runs out, the answer is made while the model may still finish a candidate.
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._ranking)

    @property
    def evidence(self) -> Evidence | None:
        """What the sources besides the model say; ``None`` if they were not asked."""
        return self._evidence

    def take_proposals(self, at_once: int) -> None:
        """Take in what the sources besides the model propose.

        Args:
            at_once: How many of them, the likeliest, are handed on before the model is asked.
        """
        for text, estimate in self._evidence.propose() if self._evidence else ():
            verdict = extract_tactic(text, self._request.prefix, banned=self._request.banned)
            if verdict.tactic is not None:
                self._add(verdict.tactic, estimate, hand_on=len(self._ranking) < at_once)

    def take_candidate(
        self, candidate: Candidate, prompt: BuiltPrompt, stop: Sequence[str]
    ) -> None:
        """Take in one of the model's candidates."""
        verdict = extract_tactic(
            candidate.text,
            self._request.prefix,
            banned=self._request.banned,
            stop=stop,
            column=prompt.column,
            truncated=candidate.finish == "length",
        )
        if verdict.tactic is None:
            log.debug("dropped %r: %s", candidate.text, verdict.reason)
        elif self._evidence is None:
            self._add(verdict.tactic, Estimate(candidate.mean_logprob, ("model",)), hand_on=True)
        elif self._evidence.runs_here(verdict.tactic):
            tactic = self._evidence.complete_names(verdict.tactic)
            if not tactic.startswith(self._request.prefix):
                tactic = verdict.tactic  # what the user has written stays
            with self._lock:
                estimate = self._evidence.add_candidate(tactic, candidate.logprob, candidate.tokens)
                self._add(tactic, estimate, hand_on=True)

    def answer(self, n: int) -> tuple[Suggestion, ...]:
        """The ``n`` suggestions to offer, the best first."""
        with self._lock:
            if self._evidence is None:
                return self._ranking.top(n)
            every = {suggestion.tactic: suggestion for suggestion in self._ranking.top()}
            chosen = self._evidence.choose([(s.tactic, s.score) for s in every.values()], n)
        return tuple(attrs.evolve(every[tactic], score=score) for tactic, score in chosen)

    def _add(self, tactic: str, estimate: Estimate, *, hand_on: bool) -> None:
        suggestion = Suggestion(tactic, estimate.score, estimate.origin)
        key = normal_form(tactic)
        with self._lock:
            self._ranking.add(suggestion)
        if not hand_on or key in self._handed_on or key not in self._ranking:
            return
        self._handed_on.add(key)
        if self._on_suggestion and not self._cancel.is_set():
            self._on_suggestion(suggestion)
