"""The way of one suggestion: cache, prompt, model, one tactic each, ranking."""

from __future__ import annotations

import asyncio
import functools
import logging
import time

from llmstep import paths
from llmstep.backends.base import (
    Backend,
    CancelToken,
    GenerationRequest,
    GenerationStats,
    Sampling,
)
from llmstep.backends.machine_memory import resident_bytes
from llmstep.config import Settings
from llmstep.errors import DeadlineError, LLMStepError
from llmstep.service.cache import SuggestionCache, cache_key
from llmstep.service.collector import Collector, OnSuggestion
from llmstep.service.engine import Engine, find_engine
from llmstep.service.question import (
    Document,
    PrepareRequest,
    ServiceStatus,
    SuggestReply,
    SuggestRequest,
    SuggestStats,
)
from llmstep.service.resident import ResidentModel
from llmstep.service.scheduler import Scheduler, cancellation
from llmstep.sources.ranking import Suggestion
from llmstep.sources.sources import Sources

log = logging.getLogger(__name__)

# Stands in for the goal while a file's text is prefilled: only what comes before it is reused.
_ANY_GOAL = ("⊢ True",)

_GRACE_S = 1.0


class SuggestService:
    """Answers questions about goals with one resident model at a time.

    All public methods may be called from any thread; the model itself runs on the scheduler's.

    Args:
        settings: Resolved settings; the model named there is found at once, but not loaded.

    Raises:
        ModelNotFoundError: No card and no file answers to the model's name.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engine = find_engine(settings)
        self._resident = ResidentModel(self._engine)
        self._sources = Sources(settings)
        self._scheduler = Scheduler()
        self._cache = (
            SuggestionCache(paths.cache_dir() / "suggestions.sqlite", settings.cache_mb << 20)
            if settings.cache
            else None
        )
        self._hits = self._misses = 0

    def start(self) -> None:
        """Begin to load the model in the background; returns at once.

        A failure is kept in the status and told to the first request, which tries again.
        """

        def load() -> None:
            try:
                if self._sources.model:
                    self._resident.backend(self._engine)
                self._sources.prepare("")
            except LLMStepError as error:
                log.warning("the model is not loaded: %s", error.message)

        self._scheduler.submit(load, CancelToken())

    async def suggest(
        self,
        request: SuggestRequest,
        cancel: CancelToken | None = None,
        on_suggestion: OnSuggestion | None = None,
    ) -> SuggestReply:
        """Answer one question.

        Args:
            request: The question.
            cancel: Withdraws the question when set. Cancelling the coroutine does the same.
            on_suggestion: Called for each new suggestion as soon as it is finished; on the
                inference thread, or on the caller's for a cached answer.

        Raises:
            InvalidParamsError: A field has an impossible value.
            CancelledError: The question was withdrawn, or a newer one took its place.
            ModelNotFoundError: There is no model of the name the question brings.
            DeadlineError: Time ran out before the first suggestion.
            LLMStepError: The model cannot be loaded or failed.
        """
        request.check()
        begin = time.monotonic()
        token = cancel or CancelToken()
        timeout_s = (request.timeout_ms or self._settings.timeout_ms) / 1000
        token.expire_in(timeout_s)
        engine = self._engine
        if request.model is not None:
            # Reads cards, and may look into the Hugging Face cache.
            engine = await asyncio.to_thread(find_engine, self._settings, request.model)
        sampling = engine.sampling(request.n)
        key, known = "", None
        if self._cache:
            key, known = await asyncio.to_thread(self._look_up, request, engine, sampling)
        if known is not None:
            self._hits += 1
            for suggestion in known:
                if on_suggestion:
                    on_suggestion(suggestion)
            return SuggestReply(known, engine.model.id, True, SuggestStats(total_ms=_ms(begin)))
        self._misses += 1

        def work() -> SuggestReply:
            reply = self._generate(request, engine, sampling, token, on_suggestion, begin)
            if self._cache and token.reason is None:
                self._cache.put(key, reply.suggestions)
            return reply

        place = _place(request.document)
        future = asyncio.wrap_future(self._scheduler.submit(work, token, key=place))
        try:
            # The inference thread watches the deadline by itself; waiting a little longer is for
            # a question that never left the queue, or a library that does not return.
            return await asyncio.wait_for(future, timeout_s + _GRACE_S)
        except asyncio.CancelledError:
            token.cancel()
            raise
        except TimeoutError:
            token.cancel("deadline")
            raise DeadlineError(
                f"the model was busy with other requests for all of {timeout_s:g} s"
            ) from None

    async def prepare(self, request: PrepareRequest) -> None:
        """Load the model, and prefill the file's text where the prompt begins with it.

        Returns at once; the work runs in the background and gives way to every request. What goes
        wrong is logged.
        """
        cancel = CancelToken()
        document, name = request.document, request.model

        def work() -> None:
            try:
                engine = find_engine(self._settings, name) if name else self._engine
                backend = self._resident.backend(engine) if self._sources.model else None
                self._sources.prepare(document.text_before if document else "")
                if not backend or not document:
                    return
                for prompt in engine.prompts(backend, _ANY_GOAL, document, engine.sampling()):
                    if not cancel.is_set():
                        backend.prefill(prompt.parts, cancel)
            except LLMStepError as error:
                log.warning("preparing failed: %s", error.message)

        key = ("prepare", document.uri) if document else None
        self._scheduler.submit(work, cancel, key=key, background=True)

    def status(self) -> ServiceStatus:
        """The engine's state now."""
        backend, error = self._resident.loaded, self._resident.error
        model = self._resident.engine.model
        return ServiceStatus(
            model=model.id,
            backend=model.backend,
            state=self._resident.state,
            error=f"{error.message} {error.hint}" if error else None,
            load_ms=self._resident.load_ms,
            context_tokens=backend.info.context_tokens if backend else None,
            rss_bytes=resident_bytes(),
            running=int(self._scheduler.busy),
            waiting=self._scheduler.queued,
            cache_entries=self._cache.count() if self._cache else None,
            cache_hits=self._hits,
            cache_misses=self._misses,
        )

    def close(self) -> None:
        """Withdraw what runs, end the thread, free the model."""
        if self._scheduler.close():
            self._resident.close()
        if self._cache:
            self._cache.close()

    def _generate(
        self,
        request: SuggestRequest,
        engine: Engine,
        sampling: Sampling,
        cancel: CancelToken,
        on_suggestion: OnSuggestion | None,
        begin: float,
    ) -> SuggestReply:
        evidence = None
        if self._sources.others:
            evidence = self._sources.gather(request.goals[0], request.text_before, request.prefix)
        collector = Collector(request, evidence, cancel, on_suggestion)
        loaded_before = self._resident.holds(engine) or not self._sources.model
        backend, load_ms = None, 0.0
        # A question nobody waits for any more is not worth a load, nor the model before it.
        if self._sources.model and (loaded_before or not cancel.is_set()):
            # A model that cannot be loaded is told, even where other sources have an answer.
            backend = self._resident.backend(engine)
            load_ms = 0.0 if loaded_before else self._resident.load_ms
        collector.take_proposals(at_once=sampling.n // 2)
        costs: list[GenerationStats] = []
        dropped: tuple[str, ...] = ()
        if backend:
            dropped, costs = self._ask_model(engine, backend, request, sampling, cancel, collector)
        if cancel.is_set() and cancel.reason != "deadline":
            raise cancellation(cancel)
        if cancel.is_set() and not len(collector):
            raise DeadlineError(
                f"no suggestion was finished within {_ms(begin):.0f} ms"
                + (f", of which {load_ms:.0f} went into loading the model" if load_ms else "")
            )
        stats = SuggestStats(
            prompt_tokens=sum(cost.prompt_tokens for cost in costs),
            reused_tokens=sum(cost.reused_tokens for cost in costs),
            generated_tokens=sum(cost.generated_tokens for cost in costs),
            load_ms=load_ms,
            total_ms=_ms(begin),
        )
        return SuggestReply(collector.answer(sampling.n), engine.model.id, False, stats, dropped)

    def _ask_model(
        self,
        engine: Engine,
        backend: Backend,
        request: SuggestRequest,
        sampling: Sampling,
        cancel: CancelToken,
        collector: Collector,
    ) -> tuple[tuple[str, ...], list[GenerationStats]]:
        """Decode candidates; returns the names that found no place in a prompt, and the costs."""
        prompts = engine.prompts(
            backend,
            request.goals,
            request.document,
            sampling,
            request.prefix,
            # What no suggestion may mention is not worth mentioning to the model either.
            [name for name in request.premises if name not in request.banned],
        )
        dropped = tuple(dict.fromkeys(name for prompt in prompts for name in prompt.dropped))
        if dropped:
            log.info("the goal is too long for the model; left out: %s", ", ".join(dropped))
        costs: list[GenerationStats] = []
        for prompt in prompts:
            stop = (*engine.model.card.stop, *prompt.stop)
            question = GenerationRequest(prompt.parts, request.prefix, stop, sampling)
            take = functools.partial(collector.take_candidate, prompt=prompt, stop=stop)
            costs.append(backend.generate(question, cancel, take))
            if cancel.is_set():
                break
        return dropped, costs

    def _look_up(
        self, request: SuggestRequest, engine: Engine, sampling: Sampling
    ) -> tuple[str, tuple[Suggestion, ...] | None]:
        """The question's key, and its answer if it is known."""
        assert self._cache is not None
        key = self._cache_key(request, engine, sampling)
        return key, self._cache.get(key, request.prefix)

    def _cache_key(self, request: SuggestRequest, engine: Engine, sampling: Sampling) -> str:
        """Key over all that the answer depends on; the prompt itself needs the model to build."""
        document = request.document if engine.reads("context") else None
        return cache_key(
            goals=request.goals,
            text_before=document.text_before if document else "",
            prefix=request.prefix,
            banned=sorted(request.banned),
            premises=request.premises if engine.reads("premises") else (),
            sampling=sampling,
            **engine.fingerprint(),
            **self._sources.fingerprint(request.text_before),
        )


def _place(document: Document | None) -> tuple[str, int, int] | None:
    """Where in which file the question stands: two questions there are versions of one."""
    if document is None:
        return None
    text = document.text_before
    return document.uri, text.count("\n"), len(text) - text.rfind("\n")


def _ms(begin: float) -> float:
    return (time.monotonic() - begin) * 1000
