"""Getting a model ready: before anybody asks, and when the first question finds it not loaded."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Hashable
from concurrent.futures import Future

from llmstep.backends.base import CancelToken, Sampling
from llmstep.errors import CancelledError, LLMStepError
from llmstep.service.ask import Ask
from llmstep.service.finder import Found, ModelFinder
from llmstep.service.model_question import prefill
from llmstep.service.model_setup import ModelSetup
from llmstep.service.question import Document, SuggestRequest
from llmstep.service.resident import ResidentModels

log = logging.getLogger(__name__)

_POLL_S = 0.05
# Stands in for the goal while a file's text is prefilled: only what comes before it is reused.
_ANY_GOAL = ("⊢ True",)


def prepare_soon(
    finder: ModelFinder,
    models: ResidentModels,
    name: str | None,
    document: Document | None,
    key: Hashable | None,
    on_found: Callable[[ModelSetup], None],
    folder: str = "",
) -> None:
    """Find a model (the settings' for ``None``), load it, and prefill a file, in the background.

    A relative path is one of the folder. Newer work with the same key takes this one's place. What
    goes wrong is logged.
    """
    try:
        finding = finder.begin(name, folder)
    except LLMStepError as error:
        log.warning("the model is not loaded: %s", error.message)
        return
    cancel = CancelToken()

    def load(setup: ModelSetup) -> None:
        try:
            models.backend(setup)
            if document is not None:
                request = SuggestRequest(_ANY_GOAL, document=document)
                prefill(models, setup, request, setup.sampling(), cancel)
        except LLMStepError as error:
            log.warning("the model is not prepared: %s", error.message)

    def submit(finding: Future[Found]) -> None:
        if (error := finding.exception()) is not None:
            log.warning("the model is not loaded: %s", error)
            return
        setup = finding.result().setup
        on_found(setup)
        try:
            # A model that is prepared gives way to every question; one that is started is what
            # the first question will wait for.
            background = document is not None or name is not None
            models.lane(setup).submit(
                functools.partial(load, setup), cancel, key=key, background=background
            )
        except CancelledError:
            log.debug("closed before the model was found")

    finding.add_done_callback(submit)


def prefill_meanwhile(
    models: ResidentModels, setup: ModelSetup, ask: Ask, sampling: Sampling
) -> None:
    """Bring a question's prompt into its model while other sources are asked, on its own thread.

    A model that is not loaded, that is a server's, or that reads what those sources find has to
    wait; one that is used by others is not kept from it.
    """

    def run(cancel: CancelToken) -> None:
        # By its turn the question may be withdrawn, and another model have taken this one's place.
        if ask.token.is_set() or not models.holds(setup):
            return
        try:
            prefill(models, setup, ask.request, sampling, cancel)
        except LLMStepError as error:
            log.debug("the prompt is not computed ahead: %s", error.message)

    if models.holds(setup) and setup.chooses_tokens and not setup.states_premises:
        models.lane(setup).do_meanwhile(run)


async def load_patiently(models: ResidentModels, found: Found, ask: Ask) -> None:
    """Wait until a model is loaded, but only for its `Found.patience_s`.

    Raises:
        LLMStepError: It cannot be loaded, or not that soon; then it is loaded all the same.
    """
    setup = found.setup

    def load() -> None:
        if not ask.token.is_set():
            models.backend(setup)

    # A token of its own: the load goes on when the question is answered without it.
    future = models.lane(setup).submit(load, CancelToken(), client=ask.asker.client)
    waiting = asyncio.wrap_future(future)
    loading_s = 0.0
    while not (await asyncio.wait({waiting}, timeout=_POLL_S))[0]:
        ask.check()
        if models.state(setup).state == "loading":
            loading_s += _POLL_S
        if loading_s > found.patience_s:
            raise LLMStepError(
                f"the model {setup.model.id} is still being loaded",
                hint="Ask again in a moment; `llmstep ps` tells when it is ready.",
            )
    waiting.result()
