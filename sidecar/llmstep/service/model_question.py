"""A question as the model is asked it: prompts in, candidates into the collector, costs counted."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from contextlib import ExitStack

import attrs

from llmstep.backends.base import (
    Asked,
    Backend,
    CancelToken,
    GenerationRequest,
    GenerationStats,
    Sampling,
)
from llmstep.errors import LLMStepError
from llmstep.prompts.template import BuiltPrompt
from llmstep.service.collector import Collector
from llmstep.service.model_setup import ModelSetup
from llmstep.service.near import Near
from llmstep.service.question import SuggestRequest, SuggestStats
from llmstep.service.resident import ResidentModels

log = logging.getLogger(__name__)


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
    """One question for one model, whose candidates the collector takes."""

    setup: ModelSetup
    request: SuggestRequest
    sampling: Sampling
    cancel: CancelToken
    collector: Collector
    loaded_before: bool
    near: Near = attrs.field(factory=Near)

    def begin(self, models: ResidentModels) -> _Asking | None:
        """Load the model if need be, and make the prompts; ``None`` if nobody waits any more."""
        # A question nobody waits for any more is not worth a load, nor the model before it.
        if self.cancel.is_set() and not models.holds(self.setup):
            return None
        backend = models.backend(self.setup)
        load_ms = 0.0 if self.loaded_before else models.state(self.setup).load_ms
        request = self.request
        prompts = _make_prompts(self.setup, backend, request, self.sampling, self.near)
        dropped = tuple(dict.fromkeys(name for prompt in prompts for name in prompt.dropped))
        if dropped:
            log.info("the goal is too long for the model; left out: %s", ", ".join(dropped))
        asked: list[Asked] = []
        for prompt in prompts:
            stop = (*self.setup.model.card.stop, *prompt.stop)
            question = GenerationRequest(
                prompt.parts, request.prefix, stop, self.sampling, self.near.names
            )
            take = functools.partial(self.collector.take_candidate, prompt=prompt, stop=stop)
            asked.append(Asked(question, self.cancel, take))
        return _Asking(self, backend, asked, dropped, load_ms)


@attrs.define(eq=False)
class _Asking:
    """A question whose prompts are made, and what has come of it so far."""

    question: ModelQuestion
    backend: Backend
    asked: list[Asked]  # what is left to ask: one entry for each prompt
    dropped: tuple[str, ...]
    load_ms: float
    costs: list[GenerationStats] = attrs.Factory(list)
    error: LLMStepError | None = None

    def next(self) -> Asked | None:
        """What to ask next; ``None`` at the end."""
        # One that is over time is asked its first prompt, which ends at once.
        over = bool(self.costs) and self.question.cancel.is_set()
        if over or self.error is not None or not self.asked:
            return None
        return self.asked.pop(0)

    def outcome(self) -> ModelAnswer | LLMStepError:
        """What came of it."""
        return self.error or ModelAnswer(self.dropped, tuple(self.costs), self.load_ms)


def ask_models(
    models: ResidentModels, questions: Sequence[ModelQuestion]
) -> list[ModelAnswer | LLMStepError]:
    """Ask one model some questions, those that fit as one batch. On its lane's thread."""
    outcomes: dict[int, ModelAnswer | LLMStepError] = {}
    running: list[tuple[int, _Asking]] = []
    for index, question in enumerate(questions):
        try:
            asking = question.begin(models)
        except LLMStepError as error:
            outcomes[index] = error
            continue
        if asking is None:
            outcomes[index] = ModelAnswer()
        else:
            running.append((index, asking))
    while turn := [(asking, one) for _, asking in running if (one := asking.next()) is not None]:
        if len(turn) > 1 and _fit(turn):
            _ask_jointly(models, turn)
        else:
            for asking, one in turn:
                _ask_alone(models, asking, one)
    for index, asking in running:
        outcomes[index] = asking.outcome()
    return [outcomes[index] for index in range(len(questions))]


def _fit(turn: Sequence[tuple[_Asking, Asked]]) -> bool:
    backend = turn[0][0].backend
    fits = getattr(backend, "fits_together", None)
    return fits is not None and fits([one.request for _, one in turn])


def _ask_alone(models: ResidentModels, asking: _Asking, one: Asked) -> None:
    try:
        with _watch(models, asking, one):
            cost = asking.backend.generate(one.request, one.cancel, one.on_candidate)
    except LLMStepError as error:
        asking.error = error
    else:
        asking.costs.append(cost)


def _ask_jointly(models: ResidentModels, turn: Sequence[tuple[_Asking, Asked]]) -> None:
    """Ask several as one batch; if that fails, each for itself, so that it fails for itself."""
    together = getattr(turn[0][0].backend, "generate_together")  # noqa: B009
    try:
        with ExitStack() as watches:
            for asking, one in turn:
                watches.enter_context(_watch(models, asking, one))
            costs = together([one for _, one in turn])
    except LLMStepError as error:
        log.info("not decoded together: %s", error.message)
        for asking, one in turn:
            _ask_alone(models, asking, one)
        return
    for (asking, _), cost in zip(turn, costs, strict=True):
        asking.costs.append(cost)


def _watch(models: ResidentModels, asking: _Asking, one: Asked):
    question = asking.question
    what = _what_it_is(question.setup, question.request, question.sampling)
    return models.guard.watch("this request", what, one.request.prompt)


def _what_it_is(
    setup: ModelSetup, request: SuggestRequest, sampling: Sampling
) -> tuple[object, ...]:
    return setup.options, request.goals, request.prefix, sampling


def prefill(
    models: ResidentModels,
    setup: ModelSetup,
    request: SuggestRequest,
    sampling: Sampling,
    cancel: CancelToken,
) -> None:
    """Bring a question's prompts into its model before it is asked. On the model's thread.

    Where premises are to be stated that nobody has looked for yet, as far as they begin alike. An
    engine that dies of it has died of the question.
    """
    backend = models.backend(setup)
    what = _what_it_is(setup, request, sampling)
    for prompt in _make_prompts(setup, backend, request, sampling, Near()):
        if not cancel.is_set():
            with models.guard.watch("this request", what, prompt.parts, whole=False):
                backend.prefill(prompt.parts, cancel)


def _make_prompts(
    setup: ModelSetup, backend: Backend, request: SuggestRequest, sampling: Sampling, near: Near
) -> list[BuiltPrompt]:
    return setup.prompts(
        backend,
        request.goals,
        request.document,
        sampling,
        request.prefix,
        # What no suggestion may mention is not worth mentioning to the model either.
        [name for name in request.premises if name not in request.banned],
        [m for m in near.mentions if not m.is_one_of(request.banned)],
    )
