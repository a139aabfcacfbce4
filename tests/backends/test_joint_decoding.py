"""Two questions as one batch have the candidates that each has alone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import attrs
import pytest

pytest.importorskip("llama_cpp")

from llmstep import paths
from llmstep.backends.base import (
    Asked,
    BackendOptions,
    CancelToken,
    Candidate,
    GenerationRequest,
    PromptPart,
    Sampling,
)
from llmstep.backends.llama_cpp import LlamaCppBackend
from llmstep.config import Settings
from llmstep.service.question import Asker, SuggestRequest
from llmstep.service.suggest import SuggestService
from llmstep.sources.evidence import Evidence
from llmstep.sources.library_index import LibraryIndex
from llmstep.sources.mixing import load_mixing

pytestmark = pytest.mark.gguf
GOALS = (
    "p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q",
    "n : ℕ\n⊢ n + 0 = n",
    "a b c : ℕ\nh : a < b\n⊢ a < b + c",
)


@pytest.fixture(scope="module")
def backend() -> Any:
    path = paths.models_dir() / "llmstep-builtin.gguf"
    backend = LlamaCppBackend(BackendOptions(path=path, max_candidates=24))
    yield backend
    backend.close()


def question(
    goal: str, prefix: str = "", n: int = 6, temperature: float = 0.0
) -> GenerationRequest:
    parts = (
        PromptPart("[GOAL]", special=True),
        PromptPart(goal),
        PromptPart("[PROOFSTEP]", special=True),
    )
    return GenerationRequest(
        parts, prefix, (), Sampling(n=n, max_tokens=24, temperature=temperature, seed=3)
    )


def alone(backend: LlamaCppBackend, request: GenerationRequest) -> list[Candidate]:
    found: list[Candidate] = []
    backend.generate(request, CancelToken(), found.append)
    return found


def together(backend: LlamaCppBackend, *requests: GenerationRequest) -> list[list[Candidate]]:
    found: list[list[Candidate]] = [[] for _ in requests]
    asked = [
        Asked(request, CancelToken(), rows.append)
        for request, rows in zip(requests, found, strict=True)
    ]
    assert backend.fits_together(requests)
    costs = backend.generate_together(asked)
    assert all(cost.generated_tokens > 0 for cost in costs)
    return found


@pytest.mark.parametrize("temperature", [0.0, 0.8])
@pytest.mark.parametrize("prefixes", [("", ""), ("exact ", ""), ("simp", "exact h")])
def test_the_candidates_are_the_same(
    backend: LlamaCppBackend, prefixes: tuple[str, str], temperature: float
) -> None:
    requests = [
        question(goal, prefix, temperature=temperature)
        for goal, prefix in zip(GOALS, prefixes, strict=False)
    ]
    wanted = [alone(backend, request) for request in requests]
    found = together(backend, *requests)
    for mine, theirs in zip(found, wanted, strict=True):
        assert mine
        assert {c.text for c in mine} == {c.text for c in theirs}
        scores = {c.text: c.logprob for c in theirs}
        assert all(abs(c.logprob - scores[c.text]) < 1e-2 for c in mine)
    # Nothing of it is left in the cache of the next.
    assert {c.text for c in alone(backend, requests[0])} == {c.text for c in wanted[0]}


def test_three_fit_too_and_one_may_be_withdrawn(backend: LlamaCppBackend) -> None:
    requests = [question(goal, n=4) for goal in GOALS]
    cancel = CancelToken()
    cancel.cancel()
    rows: list[Candidate] = []
    asked = [
        Asked(requests[0], CancelToken(), rows.append),
        Asked(requests[1], cancel, lambda _: None),
        Asked(requests[2], CancelToken(), lambda _: None),
    ]
    backend.generate_together(asked)
    assert {c.text for c in rows} == {c.text for c in alone(backend, requests[0])}


def test_what_does_not_fit_is_not_joined(backend: LlamaCppBackend) -> None:
    assert backend.fits_together([question(GOALS[0], n=24), question(GOALS[1], n=24)])
    assert not backend.fits_together([question(GOALS[0], n=30), question(GOALS[1], n=30)])
    long = question("\n".join(f"h{n} : a + b = {n}" for n in range(300)))
    assert not backend.fits_together([long, long])


def test_two_clients_are_served_as_one_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path))
    batches: list[int] = []
    generate = LlamaCppBackend.generate_together

    def count(self: LlamaCppBackend, asked: Any) -> Any:
        batches.append(len(asked))
        return generate(self, asked)

    monkeypatch.setattr(LlamaCppBackend, "generate_together", count)
    service = SuggestService(Settings(sources=("model",), cache=False, n=6))

    async def ask(goal: str, client: int) -> tuple[str, ...]:
        reply = await service.suggest(SuggestRequest((goal,)), asker=Asker(client))
        return tuple(s.tactic for s in reply.suggestions)

    async def run() -> None:
        one = [await ask(goal, 0) for goal in GOALS[:2]]
        # The first of them occupies the thread; the others wait, and go together.
        rest = asyncio.gather(*(ask(goal, n) for n, goal in enumerate(GOALS[:2] * 3)))
        for n, tactics in enumerate(await rest):
            assert set(tactics) == set(one[n % 2])

    asyncio.run(run())
    service.close()
    assert 2 in batches


@pytest.mark.parametrize(
    ("sources", "n", "begun", "share"),
    [
        (("model",), 8, 8, 0.0),
        (("model", "goal", "portfolio"), 8, 24, 0.03),
        (("model", "goal", "portfolio"), 1, 3, 0.03),
        (("model", "goal", "portfolio"), 30, 30, 0.03),
    ],
)
def test_where_others_fill_the_list_the_model_follows_what_is_likely(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sources: tuple[Any, ...],
    n: int,
    begun: int,
    share: float,
) -> None:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path))
    asked: list[Sampling] = []
    generate = LlamaCppBackend.generate

    def note(self: LlamaCppBackend, request: GenerationRequest, *rest: Any) -> Any:
        asked.append(request.sampling)
        return generate(self, request, *rest)

    monkeypatch.setattr(LlamaCppBackend, "generate", note)
    service = SuggestService(Settings(sources=sources, cache=False, n=n))
    reply = asyncio.run(service.suggest(SuggestRequest((GOALS[2],))))
    service.close()
    assert [(sampling.n, sampling.least_share) for sampling in asked] == [(begun, share)]
    assert any("model" in suggestion.origin for suggestion in reply.suggestions)


class NoWord:
    """Refuses all texts with a word in them."""

    def __init__(self, word: str) -> None:
        self.word = word

    def admits(self, text: str, *, finished: bool) -> bool:
        return self.word not in text


def test_names_are_refused_alone_and_together(backend: LlamaCppBackend) -> None:
    free = alone(backend, question(GOALS[0], temperature=0.8))
    word = free[0].text.split()[0]
    held = attrs.evolve(question(GOALS[0], temperature=0.8), names=NoWord(word))
    found = alone(backend, held)
    assert found
    assert not any(word in candidate.text for candidate in found)
    both = together(backend, held, question(GOALS[1], temperature=0.8))
    assert both[0] == found
    assert both[1] == alone(backend, question(GOALS[1], temperature=0.8))


def test_inventions_of_the_built_in_model_are_cut_unless_the_setting_says_no(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path))
    goal = "a b c : ℕ\nh : a < b\n⊢ a * c ≤ b * c"
    written: dict[bool, list[str]] = {}
    for cut in (True, False):
        chosen = Settings(sources=("model",), known_names=cut, cache=False, n=10)
        service = SuggestService(chosen)
        try:
            reply = asyncio.run(service.suggest(SuggestRequest((goal,))))
        finally:
            service.close()
        written[cut] = [suggestion.tactic for suggestion in reply.suggestions]
    index = LibraryIndex(paths.models_dir() / "llmstep-builtin.tactics")
    names = Evidence(goal, "", index, False, None, load_mixing()).known_names()
    assert names is not None
    assert written[True]
    assert all(names.admits(tactic, finished=True) for tactic in written[True])
    assert not all(names.admits(tactic, finished=True) for tactic in written[False])
