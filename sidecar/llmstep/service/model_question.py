"""A question as the model is asked it: prompts in, candidates into the collector, costs counted."""

from __future__ import annotations

import functools
import logging

import attrs

from llmstep.backends.base import Backend, CancelToken, GenerationRequest, GenerationStats, Sampling
from llmstep.service.collector import Collector
from llmstep.service.engine import Engine
from llmstep.service.question import Document, SuggestRequest, SuggestStats
from llmstep.service.resident import ResidentModels

log = logging.getLogger(__name__)

# Stands in for the goal while a file's text is prefilled: only what comes before it is reused.
_ANY_GOAL = ("⊢ True",)


@attrs.frozen
class ModelAnswer:
    """What came of asking the model, besides the candidates.

    Attributes:
        dropped: Names of the hypotheses that found no place in a prompt.
        costs: What each prompt cost.
        load_ms: Milliseconds the question waited for the model to load.
    """

    dropped: tuple[str, ...] = ()
    costs: tuple[GenerationStats, ...] = ()
    load_ms: float = 0.0

    def stats(self, total_ms: float) -> SuggestStats:
        """The costs in one."""
        return SuggestStats(
            prompt_tokens=sum(cost.prompt_tokens for cost in self.costs),
            reused_tokens=sum(cost.reused_tokens for cost in self.costs),
            generated_tokens=sum(cost.generated_tokens for cost in self.costs),
            load_ms=self.load_ms,
            total_ms=total_ms,
        )


@attrs.frozen(eq=False)
class ModelQuestion:
    """One question for one model.

    Attributes:
        engine: The model.
        request: The question.
        sampling: How to draw candidates.
        cancel: Withdraws it.
        collector: Takes the candidates.
    """

    engine: Engine
    request: SuggestRequest
    sampling: Sampling
    cancel: CancelToken
    collector: Collector

    def ask(self, models: ResidentModels, loaded_before: bool) -> ModelAnswer:
        """Ask the model, which is loaded first if need be. On its lane's thread.

        Args:
            models: Holds the model.
            loaded_before: Whether it was loaded when the question came.

        Raises:
            LLMStepError: The model cannot be loaded or failed.
        """
        # A question nobody waits for any more is not worth a load, nor the model before it.
        if self.cancel.is_set() and not models.holds(self.engine):
            return ModelAnswer()
        backend = models.backend(self.engine)
        load_ms = 0.0 if loaded_before else models.state(self.engine).load_ms
        request = self.request
        prompts = self.engine.prompts(
            backend,
            request.goals,
            request.document,
            self.sampling,
            request.prefix,
            # What no suggestion may mention is not worth mentioning to the model either.
            [name for name in request.premises if name not in request.banned],
        )
        dropped = tuple(dict.fromkeys(name for prompt in prompts for name in prompt.dropped))
        if dropped:
            log.info("the goal is too long for the model; left out: %s", ", ".join(dropped))
        costs: list[GenerationStats] = []
        for prompt in prompts:
            stop = (*self.engine.model.card.stop, *prompt.stop)
            question = GenerationRequest(prompt.parts, request.prefix, stop, self.sampling)
            take = functools.partial(self.collector.take_candidate, prompt=prompt, stop=stop)
            with models.guard.watch("this request", self._what_it_is(), prompt.parts):
                costs.append(backend.generate(question, self.cancel, take))
            if self.cancel.is_set():
                break
        return ModelAnswer(dropped, tuple(costs), load_ms)

    def _what_it_is(self) -> tuple[object, ...]:
        request = self.request
        return self.engine.options, request.goals, request.prefix, self.sampling


def prefill(engine: Engine, backend: Backend, document: Document, cancel: CancelToken) -> None:
    """Bring a file's text into the model where its prompt begins with it."""
    for prompt in engine.prompts(backend, _ANY_GOAL, document, engine.sampling()):
        if not cancel.is_set():
            backend.prefill(prompt.parts, cancel)
