"""A server without streams: messages go in as values and come out as values."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import attrs
import pytest

from llmstep.config import Settings
from llmstep.errors import GenerationError
from llmstep.server.server import LLMStepServer
from llmstep.server.session import Session
from llmstep.service.proofs import OnWritingProgress
from llmstep.service.question import (
    Asker,
    PrepareRequest,
    ServiceStatus,
    SuggestReply,
    SuggestRequest,
    SuggestStats,
)
from llmstep.service.suggest import SuggestService
from llmstep.sources.name_completion import FoundNames, NameQuestion
from llmstep.sources.projects import ProjectStatus
from llmstep.sources.ranking import Suggestion

CONTRACT = Path(__file__).parents[2] / "contract"


def golden(name: str) -> dict[str, Any]:
    return json.loads((CONTRACT / f"{name}.json").read_text(encoding="utf-8"))


class FakeSources:
    """Know nothing."""

    def complete_names(self, _question: NameQuestion) -> FoundNames:
        return FoundNames()


class FakeLookups:
    """Asks those."""

    async def look_up(self, work: Callable[[Any], Any], _key: str, _asker: Asker) -> Any:
        return work(FakeSources())


@attrs.define
class FakeService:
    """Plays the engine: what it does hangs on words in the goal."""

    settings: Settings
    started: bool = False
    asked: list[SuggestRequest] = attrs.field(factory=list)
    prepared: list[PrepareRequest] = attrs.field(factory=list)
    noted: list[tuple[str, str | None]] = attrs.field(factory=list)
    cancelled: int = 0
    report: Callable[[Suggestion], None] | None = None
    state: str = "ready"
    projects: tuple[ProjectStatus, ...] = ()
    lookups: Any = attrs.field(factory=lambda: FakeLookups())

    def start(self) -> None:
        self.started = True

    async def suggest(
        self,
        ask: SuggestRequest,
        *,
        on_suggestion: Callable[[Suggestion], None],
        asker: Asker,
        on_writing: OnWritingProgress,
    ) -> SuggestReply:
        self.asked.append(ask)
        self.report = on_suggestion
        goal = ask.goals[0]
        if "slow" in goal:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        if "broken" in goal:
            raise GenerationError("the model failed", hint="try another one")
        if "bug" in goal:
            raise ZeroDivisionError("a bug at /home/ada/secret")
        score = float("nan") if "nan" in goal else -0.5
        suggestion = Suggestion(f"exact {ask.prefix}𝕜", score)
        on_suggestion(suggestion)
        await asyncio.sleep(0)
        return SuggestReply((suggestion,), "fake", False, SuggestStats(3, 2, 1, 0.25, 1.5))

    def note_document(self, uri: str, text: str | None) -> None:
        self.noted.append((uri, text))

    async def prepare(self, ask: PrepareRequest, _asker: Asker) -> None:
        self.prepared.append(ask)
        document = ask.document
        if document is not None and "broken" in document.text_before:
            raise GenerationError("cannot prefill")

    def status(self) -> ServiceStatus:
        found = ServiceStatus("fake", "echo", self.state, None, 1.0, 2048, 1 << 20, 0, 0, 2, 1, 0)
        return attrs.evolve(found, projects=self.projects)

    def close(self) -> None:
        self.started = False


class Connection:
    """One client of one server, both in this process."""

    def __init__(self, flags: dict[str, Any] | None = None) -> None:
        self.sent: list[dict[str, Any]] = []
        self.services: list[FakeService] = []
        self.server = LLMStepServer(Session(flags or {}, self._open), self)
        self.protocol = self.server.protocol

    def _open(self, settings: Settings) -> SuggestService:
        self.services.append(FakeService(settings))
        return cast("SuggestService", self.services[-1])

    @property
    def service(self) -> FakeService:
        return self.services[-1]

    def write(self, data: bytes) -> None:
        header, _, body = data.partition(b"\r\n\r\n")
        assert header == b"Content-Length: %d" % len(body)
        self.sent.append(json.loads(body, parse_constant=pytest.fail))

    def give(self, method: Any, params: Any = None, **fields: Any) -> None:
        message = {"jsonrpc": "2.0", "method": method, **fields}
        if params is not None:
            message["params"] = params
        self.protocol.receive(message)

    async def request(self, method: str, params: Any = None, *, id: int | str = 7) -> Any:  # noqa: A002
        """The answer to one request."""
        self.give(method, params, id=id)
        return await self.answer(id)

    async def answer(self, identifier: Any) -> dict[str, Any]:
        for turn in range(600):
            for message in self.sent:
                if "method" not in message and message["id"] == identifier:
                    self.sent.remove(message)
                    await asyncio.sleep(0)  # the service is opened behind the first answer
                    return message
            await asyncio.sleep(0 if turn < 100 else 0.01)
        raise AssertionError(f"no answer to {identifier} in {self.sent}")

    def begin(self, **options: Any) -> None:
        message = golden("client.initialize")
        message["params"]["initializationOptions"].update(options)
        self.protocol.receive(message)

    async def initialize(self, **options: Any) -> dict[str, Any]:
        self.begin(**options)
        answer = await self.answer(1)
        self.protocol.receive(golden("client.initialized"))
        return answer

    async def initialize_editor(self, **capabilities: Any) -> dict[str, Any]:
        params = {"processId": None, "rootUri": None, "capabilities": capabilities}
        answer = await self.request("initialize", params)
        self.protocol.receive(golden("client.initialized"))
        return answer


@pytest.fixture
def connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path))
    return Connection()
