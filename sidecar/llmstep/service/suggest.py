"""The way of one suggestion: cache, sources, prompt, model, one tactic each, ranking.

One deadline holds for all of it. Whatever can hang (a disk, a server, a library) has a thread of
its own, so that one question that is stuck delays no other; and where the model cannot answer, the
other sources do, with a word on why it was silent.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from typing import TYPE_CHECKING, TypeVar

import attrs

from llmstep import paths
from llmstep.backends.base import CancelToken, Sampling
from llmstep.backends.machine_memory import resident_bytes
from llmstep.config import Settings
from llmstep.errors import (
    CancelledError,
    DeadlineError,
    InvalidParamsError,
    LLMStepError,
    NoProofModeError,
)
from llmstep.service.ask import Ask, Places
from llmstep.service.cache import cache_key
from llmstep.service.collector import Collector, OnSuggestion
from llmstep.service.finder import Found, ModelFinder
from llmstep.service.lookups import Lookups
from llmstep.service.model_question import ModelAnswer, ModelQuestion, ask_models
from llmstep.service.model_setup import ModelSetup
from llmstep.service.near import look_around, looks_around
from llmstep.service.preparing import load_patiently, prefill_meanwhile, prepare_soon
from llmstep.service.question import (
    Asker,
    Partial,
    PrepareRequest,
    ServiceStatus,
    SuggestReply,
    SuggestRequest,
    SuggestStats,
)
from llmstep.service.remembered import Known, RememberedAnswers
from llmstep.service.resident import ResidentModels
from llmstep.service.scheduler import Joint, Scheduler
from llmstep.sources.sources import Sources

if TYPE_CHECKING:
    from llmstep.service.proofs import OnWritingProgress

log = logging.getLogger(__name__)

T = TypeVar("T")

_GRACE_S = 1.0
_FIND_PATIENCE_S = 2.0
_NOBODY = Asker()


class SuggestService:
    """Answers questions about goals.

    All public methods may be called from any thread; they neither wait for a disk nor for a model.

    Args:
        settings: Resolved settings; the model they name is looked for when it is needed.
        models: The models in memory; services that share them load each once.

    Attributes:
        lookups: Answers what needs no model.
    """

    def __init__(self, settings: Settings, models: ResidentModels | None = None) -> None:
        self._settings = settings
        self._models = models or ResidentModels()
        self._owns_models = models is None
        self._finder = ModelFinder(settings)
        self._last: ModelSetup | None = None  # the model that was asked, or looked for, last
        self._sources = Sources(settings)
        self._reading = Scheduler("llmstep-sources")
        self.lookups = Lookups(self._sources)
        path = paths.cache_dir() / "suggestions.sqlite" if settings.cache else None
        self._remembered = RememberedAnswers(path, settings.cache_mb << 20)
        self._places = Places()

    @property
    def models(self) -> ResidentModels:
        """The models in memory."""
        return self._models

    def start(self) -> None:
        """Begin to load the model in the background; returns at once.

        A failure is kept in the status and told to the first request, which tries again.
        """
        self._reading.do_meanwhile(lambda _: self._sources.prepare(""))
        if self._sources.model:
            # Behind the sources, which have the first word: two threads of Python are not faster.
            self._reading.do_meanwhile(
                lambda _: prepare_soon(self._finder, self._models, None, None, None, self._note)
            )
        self._reading.do_meanwhile(self._sources.prepare_names)

    async def suggest(
        self,
        request: SuggestRequest,
        cancel: CancelToken | None = None,
        on_suggestion: OnSuggestion | None = None,
        asker: Asker = _NOBODY,
        on_writing: OnWritingProgress | None = None,
    ) -> SuggestReply:
        """Answer one question.

        Args:
            request: The question.
            cancel: Withdraws the question when set. Cancelling the coroutine does the same.
            on_suggestion: Called for each new suggestion as soon as it is finished, on any thread.
            asker: Who asks.
            on_writing: Told how far whole proofs are, on any thread.

        Raises:
            InvalidParamsError: A field has an impossible value.
            CancelledError: The question was withdrawn, or a newer one took its place.
            ModelNotFoundError: There is no model of that name, and no other source has an answer.
            DeadlineError: Time ran out before the first suggestion.
            LLMStepError: The model cannot be loaded or failed, and no other source has an answer.
        """
        request.check()
        token = cancel or CancelToken()
        timeout_ms = request.timeout_ms or self._settings_of(asker).timeout_ms
        token.expire_in(timeout_ms / 1000)
        begin, timeout_s = time.monotonic(), timeout_ms / 1000
        ask = Ask(request, asker, token, on_suggestion, on_writing, begin, timeout_s)
        place = self._places.take(ask)
        try:
            # The threads watch the deadline by themselves; waiting a little longer is for a
            # question that never left a queue, or a call that does not return.
            async with asyncio.timeout(ask.timeout_s + _GRACE_S):
                return await self._answer(ask)
        except asyncio.CancelledError:
            token.cancel()
            raise
        except TimeoutError:
            token.cancel("deadline")
            error = DeadlineError(f"{ask.stage} for all of {ask.timeout_s:g} s")
            return self._answer_without(ask, error)
        finally:
            self._places.give(place, token)

    async def prepare(self, request: PrepareRequest, asker: Asker = _NOBODY) -> None:
        """Load the model, and prefill the file's text where the prompt begins with it.

        Returns at once; the work runs in the background and gives way to every request. What goes
        wrong is logged.
        """
        document = request.document
        text, uri = (document.text_before, document.uri) if document else ("", "")
        key = ("prepare", asker.client, document.uri) if document else None
        self._reading.do_meanwhile(lambda _: self._sources.prepare(text, uri), key=key)
        if self._sources.model:
            name, folder = request.model, asker.folder
            prepare_soon(self._finder, self._models, name, document, key, self._note, folder)

    @property
    def reads_files(self) -> bool:
        """Whether the model that answers reads the file's text, and not the goal alone."""
        setup = self._last or self._finder.default
        return self._sources.model and setup is not None and setup.reads("context")

    def note_document(self, uri: str, text: str | None) -> None:
        """A document was opened or changed in an editor; ``None`` when it was closed."""
        self._sources.note_document(uri, text)

    def status(self) -> ServiceStatus:
        """The service's state now."""
        setup = self._last or self._finder.default
        state = self._models.state(setup) if setup else None
        error = state.error if state else self._finder.error
        name = "failed" if self._finder.error and not setup else "unloaded"
        return ServiceStatus(
            model=setup.model.id if setup else self._settings.model,
            backend=setup.model.backend if setup else "",
            state=state.state if state else name,
            error=f"{error.message} {error.hint}" if error else None,
            load_ms=state.load_ms if state else 0.0,
            context_tokens=state.backend.info.context_tokens if state and state.backend else None,
            rss_bytes=resident_bytes(),
            running=self._models.running,
            waiting=self._models.waiting,
            cache_entries=self._remembered.count(),
            cache_hits=self._remembered.hits,
            cache_misses=self._remembered.misses,
            projects=tuple(self._sources.project_status()),
        )

    def close(self) -> None:
        """Withdraw what runs, end the threads, free the models unless they are shared."""
        self._places.cancel_all()
        self._reading.close(0.2)
        if self._owns_models:
            self._models.close()
        self._remembered.close()
        self.lookups.close()
        self._sources.close()

    # The way of a question -----------------------------------------------------------------

    async def _answer(self, ask: Ask) -> SuggestReply:
        found, problem = await self._find(ask)
        setup = found.setup if found else None
        if setup is not None:
            self._last = setup
        if ask.request.mode == "proof":
            return await self._write_proofs(ask, found, problem)
        sampling = self._sampling(ask, setup)
        known = Known()
        if problem is None:
            ask.stage = "the cache did not answer"
            make_key = functools.partial(self._cache_key, ask, setup, sampling)
            known = await self._remembered.look_up(make_key, ask.request.prefix)
        ask.check()
        if known.suggestions is not None:
            for suggestion in known.suggestions:
                if ask.on_suggestion:
                    ask.on_suggestion(suggestion)
            stats = SuggestStats(total_ms=ask.elapsed_ms)
            return SuggestReply(known.suggestions, self._name(setup), True, stats)
        drawn = sampling
        if setup is not None and self._sources.others:
            drawn = setup.beside_others(sampling)
            if not ask.asker.background:
                prefill_meanwhile(self._models, setup, ask, drawn)
        silent = await self._ask_sources(ask, sampling)
        answer = ModelAnswer()
        if found is not None:
            try:
                answer = await self._ask_model(ask, found, drawn)
            except (CancelledError, InvalidParamsError):
                raise
            except LLMStepError as error:
                problem = error
        ask.check()
        if problem is not None:
            return self._answer_without(ask, problem)
        assert ask.collector is not None
        if ask.token.is_set() and not len(ask.collector):
            loading = f", of which {answer.load_ms:.0f} went into loading the model"
            raise DeadlineError(
                f"no suggestion was finished within {ask.elapsed_ms:.0f} ms"
                + (loading if answer.load_ms else "")
            )
        suggestions = ask.collector.answer(sampling.n)
        if ask.token.reason is None and silent is None:
            self._remembered.remember(known.key, suggestions)
        stats = answer.stats(ask.elapsed_ms)
        return SuggestReply(
            suggestions, self._name(setup), False, stats, answer.dropped, _partial(silent)
        )

    async def _find(self, ask: Ask) -> tuple[Found | None, LLMStepError | None]:
        """The model, or why there is none; neither where it is not asked."""
        if not self._sources.model:
            return None, None
        others = self._sources.others
        ask.stage = self._finder.explain_silence(ask.request.model).message
        try:
            patience = _FIND_PATIENCE_S if others else None
            return await self._finder.find(ask.request.model, patience, ask.asker.folder), None
        except LLMStepError as error:
            if not others:
                raise
            return None, error

    async def _ask_sources(self, ask: Ask, sampling: Sampling) -> LLMStepError | None:
        """Let the sources besides the model speak; the error says why they were silent."""
        request, silent = ask.request, None
        ask.stage = "the sources besides the model were busy"

        def gather() -> Collector:
            evidence = self._sources.gather(
                request.goals[0], request.text_before, request.prefix, request.uri
            )
            collector = Collector(request, evidence, ask.token, ask.on_suggestion)
            collector.take_proposals(at_once=sampling.n // 2)
            return collector

        if self._sources.others:
            future = ask.submit(self._reading, gather)
            # The model is worth half of the time, whatever a library on a slow disk does.
            patience = ask.timeout_s / 2 if self._sources.model else None
            try:
                ask.collector = await asyncio.wait_for(asyncio.wrap_future(future), patience)
            except TimeoutError:
                silent = DeadlineError(
                    f"the sources besides the model took more than {patience:g} s",
                    hint="Is the `library` of the settings on a disk that does not answer?",
                )
        if ask.collector is None:
            ask.collector = Collector(request, None, ask.token, ask.on_suggestion)
        return silent

    async def _ask_model(self, ask: Ask, found: Found, sampling: Sampling) -> ModelAnswer:
        assert ask.collector is not None
        setup, models = found.setup, self._models
        ask.stage = "the model was busy with other requests"
        loaded_before = models.holds(setup)
        if ask.asker.background and not loaded_before:
            return ModelAnswer()
        settings = self._settings_of(ask.asker)
        looking = look_around(ask, setup, settings, self._sources, self._reading)
        if self._sources.others and not loaded_before:
            near, _ = await asyncio.gather(looking, load_patiently(models, found, ask))
        else:
            near = await looking
        question = ModelQuestion(
            setup, ask.request, sampling, ask.token, ask.collector, loaded_before, near
        )
        run = functools.partial(ask_models, models)
        work = Joint((setup.model.backend, setup.options), question, run)
        return await asyncio.wrap_future(ask.submit(models.lane(setup), work))

    async def _write_proofs(
        self, ask: Ask, found: Found | None, problem: LLMStepError | None
    ) -> SuggestReply:
        """Whole proofs come from the model alone."""
        from llmstep.service.proofs import ProofJob, list_provers

        if found is None:
            raise problem or NoProofModeError(self._name(None), list_provers())
        setup = found.setup
        seed = self._settings_of(ask.asker).seed
        job = ProofJob(setup, ask.request, seed, ask.token, ask.on_writing)
        job.template()  # known before any model is loaded
        ask.stage = "the model was busy with other requests"
        future = self._models.lane(setup).submit(
            functools.partial(job.run, self._models), ask.token, client=ask.asker.client
        )
        proofs, answer = await asyncio.wrap_future(future)
        ask.check()
        stats = answer.stats(ask.elapsed_ms)
        return SuggestReply((), setup.model.id, False, stats, proofs=proofs)

    def _answer_without(self, ask: Ask, problem: LLMStepError) -> SuggestReply:
        """The answer of the other sources, or the problem if they have none."""
        ask.check()
        if ask.collector is None or not len(ask.collector):
            raise problem
        setup = self._last if ask.request.model is None else None
        sampling = self._sampling(ask, setup)
        return SuggestReply(
            ask.collector.answer(sampling.n),
            ask.request.model or self._name(setup),
            False,
            SuggestStats(total_ms=ask.elapsed_ms),
            partial=_partial(problem),
        )

    # What it needs -------------------------------------------------------------------------

    def _settings_of(self, asker: Asker) -> Settings:
        return asker.settings or self._settings

    def _sampling(self, ask: Ask, setup: ModelSetup | None) -> Sampling:
        settings = self._settings_of(ask.asker)
        if setup is None:
            return Sampling(n=ask.request.n or settings.n)
        return attrs.evolve(setup, settings=settings).sampling(ask.request.n)

    def _name(self, setup: ModelSetup | None) -> str:
        return setup.model.id if setup else self._settings.model

    def _note(self, setup: ModelSetup) -> None:
        self._last = setup

    def _cache_key(self, ask: Ask, setup: ModelSetup | None, sampling: Sampling) -> str:
        """Key over all that the answer depends on; the prompt itself needs the model to build."""
        request, settings = ask.request, self._settings_of(ask.asker)
        around = looks_around(setup, settings)
        document = request.document if setup and setup.reads("context") else None
        return cache_key(
            goals=request.goals,
            text_before=document.text_before if document else "",
            prefix=request.prefix,
            banned=sorted(request.banned),
            premises=request.premises if setup and setup.reads("premises") else (),
            sampling=sampling,
            **(setup.fingerprint() if setup else {}),
            known_names=around and settings.known_names,
            **self._sources.fingerprint(request.text_before, request.uri, looks_around=around),
        )


def _partial(problem: LLMStepError | None) -> Partial | None:
    return Partial(problem.message, problem.hint) if problem else None
