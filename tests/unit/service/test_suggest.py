from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from llmstep.backends.base import CancelToken
from llmstep.config import Settings
from llmstep.errors import (
    CancelledError,
    DeadlineError,
    GenerationError,
    InvalidParamsError,
    ModelNotFoundError,
    SupersededError,
)
from llmstep.service.model_setup import ModelSetup
from llmstep.service.question import Asker, Document, PrepareRequest, SuggestRequest
from llmstep.service.suggest import SuggestService
from llmstep.sources.ranking import Suggestion
from llmstep.sources.sources import Sources

GOAL = "p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q"
WAIT_S = 20

Open = Callable[..., SuggestService]


@pytest.fixture
def open_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path))
    opened: list[SuggestService] = []

    def open_it(script: list[dict[str, Any]] | None = None, **changes: Any) -> SuggestService:
        if script is not None:
            path = tmp_path / "script.json"
            path.write_text(json.dumps(script), encoding="utf-8")
            monkeypatch.setenv("LLMSTEP_ECHO_SCRIPT", str(path))
        service = SuggestService(
            attrs.evolve(Settings(model="echo", sources=("model",)), **changes)
        )
        opened.append(service)
        return service

    yield open_it
    for service in opened:
        service.close()


def ask(service: SuggestService, goal: str = GOAL, **fields: Any):
    return asyncio.run(service.suggest(SuggestRequest((goal,), **fields)))


def candidates(*tactics: str, delay_ms: int = 0) -> list[dict[str, Any]]:
    return [
        {"tactic": tactic, "score": -1.0 - index, "delayMs": delay_ms}
        for index, tactic in enumerate(tactics)
    ]


def test_suggestions_come_ranked_with_model_and_costs(open_service: Open) -> None:
    script = [
        {
            "candidates": [
                {"tactic": "simp", "score": -2},
                {"tactic": "constructor", "score": -0.5},
                {"tactic": "simp  ", "score": -3},
            ]
        }
    ]
    reply = ask(open_service(script))
    assert reply.suggestions == (Suggestion("constructor", -0.5), Suggestion("simp", -2))
    assert reply.model == "echo"
    assert not reply.cached
    assert reply.stats.prompt_tokens > 0


def test_suggestions_are_handed_over_as_they_finish_each_once(open_service: Open) -> None:
    service = open_service([{"candidates": candidates("simp", "rfl", "simp", "omega")}])
    seen: list[str] = []
    request = SuggestRequest((GOAL,))
    asyncio.run(service.suggest(request, on_suggestion=lambda s: seen.append(s.tactic)))
    assert seen == ["simp", "rfl", "omega"]


def test_hypotheses_that_find_no_place_are_told(open_service: Open) -> None:
    service = open_service([{"candidates": candidates("simp")}])
    # The scripted model has a window of 2,048 tokens of four characters.
    goal = "\n".join(f"h{number} : {'x' * 1000} = 0" for number in range(12)) + "\n⊢ p"
    reply = ask(service, goal)
    assert reply.dropped
    assert set(reply.dropped) < {f"h{number}" for number in range(12)}
    assert ask(service).dropped == ()


def test_forbidden_and_banned_candidates_are_dropped(open_service: Open) -> None:
    service = open_service([{"candidates": candidates("sorry", "exact both hp hq", "simp")}])
    reply = ask(service, banned=("both",))
    assert [s.tactic for s in reply.suggestions] == ["simp"]


def test_every_suggestion_starts_with_the_prefix(open_service: Open) -> None:
    script = [{"prefix": "exact h", "candidates": candidates("exact hp", "simp", "exact hq")}]
    reply = ask(open_service(script), prefix="exact h")
    assert [s.tactic for s in reply.suggestions] == ["exact hp", "exact hq"]


def test_the_same_question_is_answered_from_the_cache(open_service: Open) -> None:
    first = ask(open_service([{"candidates": candidates("simp", "rfl")}]))
    service = open_service([{"candidates": candidates("omega")}])
    seen: list[Suggestion] = []
    again = asyncio.run(service.suggest(SuggestRequest((GOAL,)), on_suggestion=seen.append))
    assert again.cached
    assert again.suggestions == first.suggestions == tuple(seen)
    assert again.stats.generated_tokens == 0
    assert service.status().cache_hits == 1


@pytest.mark.parametrize(
    "changed",
    [{"prefix": "s"}, {"n": 3}, {"banned": ("x",)}, {"goal": GOAL + " ∧ p"}],
    ids=["prefix", "n", "banned", "goal"],
)
def test_another_question_is_not(open_service: Open, changed: dict[str, Any]) -> None:
    service = open_service([{"candidates": candidates("simp")}])
    ask(service)
    assert not ask(service, **changed).cached


def test_premises_count_where_the_prompt_names_them(open_service: Open) -> None:
    script = [{"candidates": candidates("simp")}]
    for prompt, other in (("instruct", True), ("proofstep", False)):
        service = open_service(script, prompt=prompt)
        plain = ask(service)
        named = ask(service, premises=("And.intro",))
        assert named.cached is not other
        assert (named.stats.prompt_tokens > plain.stats.prompt_tokens) is other
    service = open_service(script, prompt="instruct")
    spared = ask(service, premises=("And.intro",), banned=("And.intro",))
    assert spared.stats.prompt_tokens == plain_tokens(service)


def test_a_prompt_that_shows_premises_is_given_what_the_library_and_the_file_state(
    open_service: Open,
) -> None:
    script = [{"candidates": candidates("simp")}]
    goal = "a b : ℕ\n⊢ a + b = b + a"
    plain = ask(open_service(script, prompt="proofstep", cache=False), goal)
    service = open_service(script, prompt="proofstep-premises", cache=False)
    shown = ask(service, goal)
    # Eight names with what they say, four characters a token.
    assert shown.stats.prompt_tokens > plain.stats.prompt_tokens + 60
    file = "theorem my_comm (a b : ℕ) : a + b = b + a := foo\n\nexample : p := by\n  "
    with spied_prompts() as prompts:
        ask(service, goal, document=Document("file:///A.lean", file))
        ask(service, goal, document=Document("file:///A.lean", file), banned=("my_comm",))
        for sources in (("model", "library", "file"), ("library",)):
            mixed = open_service(script, prompt="proofstep-premises", cache=False, sources=sources)
            ask(mixed, goal, document=Document("file:///A.lean", file))
    own, banned, served = prompts
    assert "my_comm : a + b = b + a" in own.split("[GOAL]")[0]
    assert "my_comm" not in banned.split("[GOAL]")[0]
    assert "my_comm : a + b = b + a" in served.split("[GOAL]")[0]


@contextlib.contextmanager
def spied_prompts() -> Iterator[list[str]]:
    """The texts of the prompts that are made meanwhile."""
    prompts: list[str] = []
    real = ModelSetup.prompts

    def spy(*args: Any, **named: Any):
        built = real(*args, **named)
        prompts.extend(prompt.text for prompt in built)
        return built

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ModelSetup, "prompts", spy)
        yield prompts


@pytest.mark.parametrize("sources", [("model",), ("model", "library", "file")])
def test_a_premise_that_the_client_names_is_shown_with_what_it_says(
    open_service: Open, sources: tuple[str, ...]
) -> None:
    script = [{"candidates": candidates("simp")}]
    setting = {"prompt": "proofstep-premises", "cache": False, "sources": sources}
    service = open_service(script, **setting)
    file = "namespace Foo\ntheorem bar (n : ℕ) : n * 7 = 7 * n := foo\n\nexample : p := by\n  "
    named = ("nobody_knows", "bar", "Foo.bar", "dvd_mul_left", "le_trans")
    with spied_prompts() as prompts:
        document = Document("file:///A.lean", file)
        ask(service, "p : Prop\n⊢ p", document=document, premises=named, banned=(named[-1],))
    shown = prompts[0].split("[GOAL]")[0].removeprefix("[PREM]").split("\n")
    # By the name that the client gave, and once.
    assert shown[:2] == ["nobody_knows", "bar : n * 7 = 7 * n"]
    assert shown[2] == "dvd_mul_left : a ∣ b * a"
    assert not [line for line in shown[3:] if line.startswith(named)]


def test_an_answer_with_premises_is_another_in_another_file(open_service: Open) -> None:
    script = [{"candidates": candidates("simp")}]
    document = Document("file:///A.lean", "theorem mine : p := foo\n\nexample : q := by\n  ")
    for prompt, same in (("proofstep-premises", False), ("proofstep", True)):
        service = open_service(script, prompt=prompt)
        ask(service)
        assert ask(service, document=document).cached is same


def test_a_library_that_is_damaged_costs_premises_and_no_answer(
    open_service: Open, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.tactics"
    broken.write_bytes(b"no index")
    script = [{"candidates": candidates("simp")}]
    service = open_service(script, prompt="proofstep-premises", library=str(broken), cache=False)
    assert [s.tactic for s in ask(service).suggestions] == ["simp"]
    with pytest.MonkeyPatch.context() as patch:

        def fail(*_: Any) -> Any:
            raise GenerationError("a damaged statement")

        patch.setattr(Sources, "look_around", fail)
        assert [s.tactic for s in ask(service).suggestions] == ["simp"]


def plain_tokens(service: SuggestService) -> int:
    return ask(service, n=1).stats.prompt_tokens


@pytest.mark.parametrize("changed", [{"seed": 1}, {"temperature": 0.1}, {"max_tokens": 5}])
def test_other_sampling_is_another_question(open_service: Open, changed: dict[str, Any]) -> None:
    script = [{"candidates": candidates("simp")}]
    ask(open_service(script))
    assert not ask(open_service(script, **changed)).cached


def test_without_the_cache_the_model_is_asked_again(open_service: Open) -> None:
    service = open_service([{"candidates": candidates("simp")}], cache=False)
    ask(service)
    assert not ask(service).cached
    assert service.status().cache_entries is None


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"n": 0}, "`n` must be from 1 to 64"),
        ({"n": 10_000}, "`n` must be from 1 to 64"),
        ({"timeout_ms": -5}, "`timeoutMs` must be from 1"),
        ({"goal": " \n"}, "at least one goal"),
    ],
)
def test_impossible_values_are_refused_by_name(
    open_service: Open, fields: dict[str, Any], words: str
) -> None:
    service = open_service()
    with pytest.raises(InvalidParamsError, match=words):
        ask(service, **fields)
    assert ask(service).suggestions


def test_what_is_finished_at_the_deadline_is_the_answer(open_service: Open) -> None:
    script = [{"candidates": [*candidates("simp"), *candidates("rfl", delay_ms=60_000)]}]
    service = open_service(script)
    reply = ask(service, timeout_ms=300)
    assert [s.tactic for s in reply.suggestions] == ["simp"]
    assert not ask(service, timeout_ms=300).cached, "a cut answer is not remembered"


def test_no_suggestion_by_the_deadline_is_an_error(open_service: Open) -> None:
    with pytest.raises(DeadlineError, match="within"):
        ask(open_service([{"candidates": candidates("simp", delay_ms=60_000)}]), timeout_ms=50)


def test_a_question_that_never_leaves_the_queue_meets_its_deadline(
    open_service: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmstep.service.suggest._GRACE_S", 0.05)
    service = open_service(
        [{"goal": "stuck", "hang": True}, {"candidates": candidates("simp")}], cache=False
    )

    async def both() -> None:
        stuck = asyncio.create_task(service.suggest(SuggestRequest(("stuck",))))
        await asyncio.sleep(0.05)
        with pytest.raises(DeadlineError, match="busy with other requests"):
            await service.suggest(SuggestRequest((GOAL,), timeout_ms=50))
        stuck.cancel()

    asyncio.run(asyncio.wait_for(both(), WAIT_S))


def test_a_set_token_withdraws_the_question(open_service: Open) -> None:
    service, cancel = open_service([{"hang": True}]), CancelToken()

    async def run() -> None:
        task = asyncio.create_task(service.suggest(SuggestRequest((GOAL,)), cancel))
        await asyncio.sleep(0.05)
        cancel.cancel()
        with pytest.raises(CancelledError):
            await task

    asyncio.run(asyncio.wait_for(run(), WAIT_S))


def test_cancelling_the_coroutine_stops_the_model(open_service: Open) -> None:
    script = [{"goal": "stuck", "hang": True}, {"candidates": candidates("simp")}]
    service = open_service(script)

    async def run() -> None:
        task = asyncio.create_task(service.suggest(SuggestRequest(("stuck",))))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await service.suggest(SuggestRequest((GOAL,)))).suggestions

    asyncio.run(asyncio.wait_for(run(), WAIT_S))


def test_a_newer_question_at_the_same_place_takes_over(open_service: Open) -> None:
    script = [{"prefix": "", "hang": True}, {"prefix": "s", "candidates": candidates("simp")}]
    service = open_service(script)
    place = Document("file:///a.lean", "theorem t : p := by\n  ")

    async def run() -> None:
        old = asyncio.create_task(service.suggest(SuggestRequest((GOAL,), "", place)))
        await asyncio.sleep(0.05)
        reply = await service.suggest(SuggestRequest((GOAL,), "s", place))
        assert [s.tactic for s in reply.suggestions] == ["simp"]
        with pytest.raises(SupersededError, match="newer request"):
            await old

    asyncio.run(asyncio.wait_for(run(), WAIT_S))


QUIET = Asker(1, None, background=True)


def test_for_what_nobody_has_asked_no_model_is_loaded(open_service: Open) -> None:
    service = open_service([{"candidates": candidates("simp")}], sources=("model", "portfolio"))
    reply = asyncio.run(service.suggest(SuggestRequest((GOAL,)), asker=QUIET))
    assert reply.suggestions
    assert all("model" not in suggestion.origin for suggestion in reply.suggestions)
    assert service.status().state == "unloaded"


def test_what_nobody_has_asked_for_gives_way_to_a_question(open_service: Open) -> None:
    script = [
        {"prefix": "", "candidates": candidates("rfl"), "hang": True},
        {"prefix": "s", "candidates": candidates("simp")},
    ]
    service = open_service(script, cache=False)
    begun = threading.Event()

    async def run() -> None:
        await service.suggest(SuggestRequest((GOAL,), "s"))  # the model is loaded
        quiet = asyncio.create_task(
            service.suggest(SuggestRequest((GOAL,)), None, lambda _: begun.set(), QUIET)
        )
        while not begun.is_set():
            await asyncio.sleep(0.01)
        reply = await service.suggest(SuggestRequest((GOAL,), "s"))
        assert [s.tactic for s in reply.suggestions] == ["simp"]
        with pytest.raises(SupersededError):
            await quiet

    asyncio.run(asyncio.wait_for(run(), WAIT_S))


def test_a_failing_model_is_told_and_the_service_goes_on(open_service: Open) -> None:
    script = [{"goal": "broken", "error": "out of luck"}, {"candidates": candidates("simp")}]
    service = open_service(script)
    with pytest.raises(GenerationError, match="out of luck"):
        ask(service, "⊢ broken")
    assert ask(service).suggestions


def test_an_unknown_model_is_told_and_stands_in_the_status(open_service: Open) -> None:
    service = open_service(model="no-such-model")
    with pytest.raises(ModelNotFoundError, match="no-such-model"):
        ask(service)
    status = service.status()
    assert (status.state, status.model) == ("failed", "no-such-model")
    assert "no-such-model" in (status.error or "")


def test_an_unknown_model_is_found_once_it_is_there(open_service: Open, tmp_path: Path) -> None:
    service = open_service(model="late")
    with pytest.raises(ModelNotFoundError):
        ask(service)
    folder = tmp_path / "data" / "models"
    (folder / "late").mkdir(parents=True)
    (folder / "late" / "late.json").write_text(
        '[{"candidates": [{"tactic": "simp", "score": -1}]}]'
    )
    (folder / "late.toml").write_text(
        'id = "late"\nname = "x"\nbackends = ["echo"]\nfile = "late.json"\n'
    )
    assert ask(service).model == "late"
    assert service.status().error is None


def test_a_model_that_cannot_be_loaded_is_tried_again(open_service: Open, tmp_path: Path) -> None:
    service = open_service([{"candidates": candidates("simp")}])
    script = tmp_path / "script.json"
    good = script.read_text(encoding="utf-8")
    script.write_text("not json", encoding="utf-8")
    with pytest.raises(Exception, match=r"script\.json"):
        ask(service)
    assert service.status().state == "failed"
    assert service.status().error is not None
    script.write_text(good, encoding="utf-8")
    assert ask(service).suggestions
    assert service.status().state == "ready"
    assert service.status().error is None


def test_start_loads_in_the_background(open_service: Open) -> None:
    service = open_service()
    service.start()
    deadline = threading.Event()
    while service.status().state != "ready":
        assert not deadline.wait(0.01)
    assert ask(service).stats.load_ms == 0
    assert service.status().load_ms > 0


def test_prepare_loads_the_model_and_gives_way(open_service: Open) -> None:
    service = open_service([{"candidates": candidates("simp")}])

    async def run() -> None:
        await service.prepare(PrepareRequest(Document("file:///a.lean", "import Mathlib\n")))
        assert (await service.suggest(SuggestRequest((GOAL,)))).suggestions

    asyncio.run(asyncio.wait_for(run(), WAIT_S))
    assert service.status().state == "ready"
