"""What is done before anybody asks: a model is found, loaded, and a file's text read into it."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Hashable
from concurrent.futures import Future

from llmstep.backends.base import CancelToken
from llmstep.errors import CancelledError, LLMStepError
from llmstep.service.finder import Found, ModelFinder
from llmstep.service.model_question import prefill
from llmstep.service.model_setup import ModelSetup
from llmstep.service.question import Document
from llmstep.service.resident import ResidentModels

log = logging.getLogger(__name__)


def prepare_soon(
    finder: ModelFinder,
    models: ResidentModels,
    name: str | None,
    document: Document | None,
    key: Hashable | None,
    on_found: Callable[[ModelSetup], None],
) -> None:
    """Find a model, load it, and prefill a file's text, all in the background.

    What goes wrong is logged.

    Args:
        finder: Finds the model.
        models: Loads it.
        name: Its name; the settings' for ``None``.
        document: The file, if there is one.
        key: Newer work with the same key takes this one's place.
        on_found: Told the model when it is found.
    """
    try:
        finding = finder.begin(name)
    except LLMStepError as error:
        log.warning("the model is not loaded: %s", error.message)
        return
    cancel = CancelToken()

    def load(setup: ModelSetup) -> None:
        try:
            backend = models.backend(setup)
            if document is not None:
                prefill(setup, backend, document, cancel)
        except LLMStepError as error:
            log.warning("the model is not loaded: %s", error.message)

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
