"""Where the candidates that are scored come from: the answer a user would be served."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import attrs

from llmstep.config import Settings
from llmstep.errors import LLMStepError
from llmstep.prompts.goal import split_goals
from llmstep.service.question import Document, PrepareRequest, SuggestRequest
from llmstep.service.suggest import SuggestService

_ANY_STATE = "⊢ True"
_URI = "file:///evaluation.lean"
_PROJECT_S = 300.0
_POLL_S = 0.05


@attrs.frozen
class Answer:
    """Candidates for one state.

    Attributes:
        tactics: Distinct tactics, the best first.
        seconds: Time the answer took, without the time to load the model.
        trimmed: Whether a part of the state found no place in the prompt.
        origins: For each tactic the sources that proposed it.
    """

    tactics: tuple[str, ...]
    seconds: float
    trimmed: bool = False
    origins: tuple[tuple[str, ...], ...] = ()


# All that evaluation knows of a model's candidates: a printed tactic state and the text of the file
# before the step (empty if unknown) go in, the names that no suggestion may mention, and the path
# of the file if it lies on this machine; an answer comes out. It may raise an `LLMStepError` for a
# state that cannot be answered.
CandidateSource = Callable[[str, str, tuple[str, ...], str], Answer]


class ServedCandidates:
    """What `llmstep/suggest` answers: all sources, checks of the text and ranking together.

    Args:
        settings: As resolved for a suggestion; the cache is not used, so that times are real.
    """

    def __init__(self, settings: Settings) -> None:
        self._service = SuggestService(attrs.evolve(settings, cache=False))
        self._loop = asyncio.Runner()
        self._placed: set[str] = set()

    def __call__(
        self, state: str, text_before: str = "", banned: tuple[str, ...] = (), path: str = ""
    ) -> Answer:
        """Ask for candidates.

        Raises:
            LLMStepError: The state cannot be answered, or the model cannot be loaded.
        """
        uri = Path(path).as_uri() if path else _URI
        document = Document(uri, text_before) if text_before else None
        self._wait_for_project(document)
        goals = tuple(split_goals(state)) or ("",)
        request = SuggestRequest(goals, document=document, banned=banned)
        begin = time.perf_counter()
        reply = self._loop.run(self._service.suggest(request))
        if reply.partial is not None:
            # What the other sources say alone is no figure of this model.
            raise LLMStepError(reply.partial.reason, hint=reply.partial.hint)
        seconds = time.perf_counter() - begin - reply.stats.load_ms / 1000
        tactics = tuple(suggestion.tactic for suggestion in reply.suggestions)
        origins = tuple(suggestion.origin for suggestion in reply.suggestions)
        return Answer(tactics, seconds, bool(reply.dropped), origins)

    def _wait_for_project(self, document: Document | None) -> None:
        """Until what the project states can be used: what is measured is not how soon it can."""
        if document is None or document.uri == _URI or document.uri in self._placed:
            return
        self._placed.add(document.uri)
        self._loop.run(self._service.prepare(PrepareRequest(document)))
        end = time.monotonic() + _PROJECT_S
        while time.monotonic() < end:
            indexes = [i for p in self._service.status().projects for i in p.indexes]
            own = [i for i in indexes if i.key.startswith("project-")]
            if own and all(index.state in ("ready", "failed") for index in own):
                break
            time.sleep(_POLL_S)

    def load(self) -> None:
        """Load the model, and answer one question so that the next ones find all warm.

        Raises:
            LLMStepError: The model cannot be loaded.
        """
        try:
            self(_ANY_STATE)
        except LLMStepError:
            # A loaded model that fails on this goal may well answer others.
            if self._service.status().state == "failed":
                raise

    def close(self) -> None:
        """Free the model."""
        self._service.close()
        self._loop.close()
