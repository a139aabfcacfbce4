"""What is asked of the service and what it answers, free of any protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

from llmstep.config import BY_NAME, MAX_CANDIDATES, Settings
from llmstep.errors import InvalidParamsError
from llmstep.prompts.goal import clean_text
from llmstep.sources.ranking import Suggestion

if TYPE_CHECKING:
    from llmstep.sources.projects import ProjectStatus

MAX_TIMEOUT_MS = 3_600_000
MAX_PROOFS = 8
MAX_HINT = 2_000


@attrs.frozen
class Document:
    """A Lean file, cut at the place of the question.

    Attributes:
        uri: Name of the document; the project around it is found by it, the file is never opened
            for its text.
        text_before: The file's text from its start up to the call.
    """

    uri: str
    text_before: str = attrs.field(default="", converter=lambda text: text.removeprefix("\ufeff"))


Mode = Literal["tactic", "proof"]


@attrs.frozen
class Attempt:
    """A tactic block that did not go through: Lean's first error, and the goals at its place."""

    text: str
    error: str
    goals: tuple[str, ...] = ()


StopReason = Literal["end", "budget", "time", "repetition"]


@attrs.frozen
class WrittenProof:
    """A whole proof as the model wrote it; nobody has checked it.

    Attributes:
        text: One tactic block, its indentation beginning at column 0; may be empty unless the
            model came to its end.
        score: Mean log-probability per generated token (nats, at most 0).
        stop: Why the model stopped.
        problem: Why an answer holds no proof; empty if it does.
    """

    text: str
    score: float
    stop: StopReason = "end"
    problem: str = ""


@attrs.frozen
class WritingProgress:
    """How far a proof is that is being written."""

    proof: int  # its number among those of the request
    thinking: bool  # the model is still at its thought, which is not shown
    tokens: int
    text: str = ""  # what has been written since the last report


@attrs.frozen
class SuggestRequest:
    """One question.

    Attributes:
        goals: Pretty-printed goals, the main goal first; at least one.
        prefix: Characters every suggestion starts with; may be empty.
        document: The file around the question, if the client sends it.
        n: Number of candidates; the setting's value if ``None``.
        timeout_ms: Time for the whole request; the setting's value if ``None``.
        banned: Names that no suggestion may mention, such as the theorem being proved.
        premises: Names worth mentioning, the best first; some prompt templates name them.
        model: Name of the model to ask, as the setting ``model`` takes it; the setting's if
            ``None``.
        mode: Whether a step is wanted or a whole proof of the main goal.
        hint: Words of the user for the model, in a proof's prompt.
        attempt: What was tried before; the model is asked to mend it.
    """

    goals: tuple[str, ...] = attrs.field(converter=lambda goals: tuple(map(clean_text, goals)))
    prefix: str = ""
    document: Document | None = None
    n: int | None = None
    timeout_ms: int | None = None
    banned: tuple[str, ...] = ()
    premises: tuple[str, ...] = ()
    model: str | None = None
    mode: Mode = "tactic"
    hint: str = ""
    attempt: Attempt | None = None

    @property
    def text_before(self) -> str:
        """The file before the call; empty if the client did not send it."""
        return self.document.text_before if self.document else ""

    @property
    def uri(self) -> str:
        """Name of the file; empty if the client did not send it."""
        return self.document.uri if self.document else ""

    def check(self) -> None:
        """Raise :class:`InvalidParamsError`, naming the field, if a value is impossible."""
        texts = (("prefix", self.prefix), ("document", self.text_before))
        lists = (("goals", self.goals), ("banned", self.banned), ("premises", self.premises))
        for name, text in (*texts, *((name, text) for name, many in lists for text in many)):
            check_unicode(name, text)
        if not self.goals or not any(goal.strip() for goal in self.goals):
            raise InvalidParamsError(
                "`goals` must hold at least one goal that is not empty",
                hint="Send the pretty-printed tactic state; with no goals left there is no step.",
            )
        check_range("n", self.n, MAX_CANDIDATES)
        check_range("timeoutMs", self.timeout_ms, MAX_TIMEOUT_MS)
        if self.mode == "proof":
            self._check_proof()
        _check_model(self.model)

    def _check_proof(self) -> None:
        if self.prefix:
            raise InvalidParamsError(
                '`prefix` must be empty where `mode` is "proof"',
                hint="Send words for the model as `hint`.",
            )
        check_range("n", self.n, MAX_PROOFS, " proofs")
        if len(self.hint) > MAX_HINT:
            raise InvalidParamsError(
                f"`hint` must have {MAX_HINT} characters at most, not {len(self.hint)}"
            )


@attrs.frozen
class PrepareRequest:
    """What will be asked for soon: in which file, and which model if not the setting's."""

    document: Document | None = None
    model: str | None = None

    def check(self) -> None:
        """Raise :class:`InvalidParamsError`, naming the field, if a value is impossible."""
        _check_model(self.model)


def check_unicode(name: str, text: str) -> None:
    """Refuse half a surrogate pair: JSON carries it, and so does an argument that is no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidParamsError(
            f"`{name}` is no valid Unicode at character {error.start}",
            hint="Send it as UTF-8; in a file, save it as UTF-8.",
        ) from None


def check_range(name: str, value: int | None, most: int, what: str = "") -> None:
    """Refuse a number below 1 or above the most; ``None`` stands for the setting's."""
    if value is not None and not 1 <= value <= most:
        raise InvalidParamsError(f"`{name}` must be from 1 to {most}{what}, not {value}")


def _check_model(name: str | None) -> None:
    if name is None:
        return
    try:
        BY_NAME["model"].parse(name)
    except ValueError as error:
        raise InvalidParamsError(f"`model` must be {error}") from None


@attrs.frozen
class SuggestStats:
    """What an answer cost: counts of tokens, times in milliseconds."""

    prompt_tokens: int = 0
    reused_tokens: int = 0
    generated_tokens: int = 0
    load_ms: float = 0.0
    total_ms: float = 0.0


@attrs.frozen
class Asker:
    """Who asks, and how they want to be answered.

    Attributes:
        client: Tells one client from another: they take turns, and only questions of one client
            take each other's place.
        settings: Settings that hold for this client's questions; those of the service if ``None``.
        background: Whether the answer is worth less than anybody else's: it gives way to every
            other question, and no model is loaded for it.
        folder: Where relative paths of this client are seen from; empty for this process's folder.
    """

    client: int = 0
    settings: Settings | None = None
    background: bool = False
    folder: str = ""


@attrs.frozen
class Partial:
    """Why an answer lacks what one of its sources would have said, and what to do about it."""

    reason: str
    hint: str


@attrs.frozen
class SuggestReply:
    """One answer: suggestions, the best first.

    Attributes:
        suggestions: Distinct tactics with their scores and origins.
        model: Id of the model that answered.
        cached: Whether the answer came from the cache.
        stats: What it cost; a cached answer cost no tokens.
        dropped: Names of hypotheses that found no place in the prompt; empty if all did, and for
            a cached answer.
        partial: Set where a source could not speak, the model above all.
        proofs: The proofs that were asked for; a question about a step has none.
    """

    suggestions: tuple[Suggestion, ...]
    model: str
    cached: bool
    stats: SuggestStats
    dropped: tuple[str, ...] = ()
    partial: Partial | None = None
    proofs: tuple[WrittenProof, ...] = ()


@attrs.frozen
class ServiceStatus:
    """The service's state as plain values.

    Attributes:
        model: Id of the model that is loaded; before the first load, of the setting's.
        state: ``unloaded``, ``loading``, ``ready`` or ``failed``.
        rss_bytes: Resident memory of this process.
        running: Requests being decoded (0 or 1); those in the queue are ``waiting``.
        cache_entries: Answers on disk; ``None`` if the cache is off. Hits and misses are counted
            from the start.
        projects: How far the projects that were asked about have been read.
    """

    model: str
    backend: str
    state: str
    error: str | None
    load_ms: float
    context_tokens: int | None
    rss_bytes: int
    running: int
    waiting: int
    cache_entries: int | None
    cache_hits: int
    cache_misses: int
    projects: tuple[ProjectStatus, ...] = ()
