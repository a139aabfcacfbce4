"""Which sources answer, together, alone, and when something is missing."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path

import attrs
import pytest

from llmstep import paths
from llmstep.backends.base import CancelToken
from llmstep.config import SOURCES, Settings
from llmstep.service.question import Document, SuggestReply, SuggestRequest
from llmstep.service.suggest import SuggestService
from llmstep.sources.index_writer import write_index
from llmstep.sources.ranking import Suggestion
from llmstep.sources.sources import Sources
from llmstep.sources.steps import ProofStep

GOAL = "p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q"
FILE = "import Mathlib\n\ntheorem t (a b : Prop) (hp : a) (hq : b) : a ∧ b := by\n  {}\n\n"
OWN = Document("file:///A.lean", FILE.format("exact And.intro hp hq") + "example : p := by\n  ")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    script = tmp_path / "script.json"
    candidates = [{"tactic": "exact ⟨hp, hq⟩", "score": -0.1}, {"tactic": "use hp", "score": -1}]
    script.write_text(json.dumps([{"candidates": candidates}]), encoding="utf-8")
    monkeypatch.setenv("LLMSTEP_ECHO_SCRIPT", str(script))
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def settings(home: Path) -> Settings:
    library = home / "own.tactics"
    other = "n : ℕ\n⊢ n = n"
    pairs = [(GOAL, "exact ⟨hp, hq⟩"), (GOAL, "constructor"), (other, "rfl"), (other, "simp")]
    write_index(library, [ProofStep(*pair) for pair in pairs], [], fewest_rows=1)
    return Settings(model="echo", cache=False, library=str(library))


def ask(
    settings: Settings,
    prefix: str = "",
    document: Document | None = OWN,
    handed_on: list[Suggestion] | None = None,
    **fields: object,
) -> SuggestReply:
    service = SuggestService(settings)
    try:
        request = attrs.evolve(SuggestRequest((GOAL,), prefix, document), **fields)
        take = handed_on.append if handed_on is not None else None
        return asyncio.run(service.suggest(request, on_suggestion=take))
    finally:
        service.close()


def by_tactic(reply: SuggestReply) -> dict[str, tuple[str, ...]]:
    return {suggestion.tactic: suggestion.origin for suggestion in reply.suggestions}


def test_all_sources_answer_together(settings: Settings) -> None:
    found = by_tactic(ask(settings))
    assert found["exact ⟨hp, hq⟩"] == ("model", "library", "goal")
    assert found["exact And.intro hp hq"] == ("file",)
    assert any("portfolio" in origin for origin in found.values())


@pytest.mark.parametrize("source", SOURCES)
def test_each_source_answers_alone(settings: Settings, source: str) -> None:
    found = by_tactic(ask(attrs.evolve(settings, sources=(source,))))
    assert found
    assert all(origin == (source,) for origin in found.values())


def test_the_model_is_not_loaded_where_it_is_not_asked(settings: Settings) -> None:
    service = SuggestService(attrs.evolve(settings, sources=("portfolio",)))
    try:
        service.start()
        reply = asyncio.run(service.suggest(SuggestRequest((GOAL,))))
        assert service.status().state == "unloaded"
    finally:
        service.close()
    assert reply.suggestions
    assert reply.stats.generated_tokens == 0


def test_no_more_than_n_and_the_best_first(settings: Settings) -> None:
    reply = ask(settings, n=3)
    scores = [suggestion.score for suggestion in reply.suggestions]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)


def test_every_suggestion_starts_with_the_prefix_and_bans_hold(settings: Settings) -> None:
    found = by_tactic(ask(settings, "exact ", banned=("And.intro",)))
    assert found["exact ⟨hp, hq⟩"] == ("model", "library", "goal")
    assert all(tactic.startswith("exact ") for tactic in found)
    assert not any("And.intro" in tactic for tactic in found)


@pytest.mark.parametrize("prefix", ["omeg", "lina", "simp_a", "nor"])
def test_a_prefix_finds_closers_that_would_not_be_offered(settings: Settings, prefix: str) -> None:
    alone = attrs.evolve(settings, sources=("portfolio",))
    assert not any(tactic.startswith(prefix) for tactic in by_tactic(ask(alone)))
    found = by_tactic(ask(alone, prefix))
    assert found
    assert all(tactic.startswith(prefix) for tactic in found)


def test_the_likeliest_of_the_others_are_handed_on_before_the_models(settings: Settings) -> None:
    handed_on: list[Suggestion] = []
    ask(settings, handed_on=handed_on, n=4)
    assert "model" not in handed_on[0].origin
    assert "model" not in handed_on[1].origin
    assert [s.tactic for s in handed_on if "model" in s.origin] == ["use hp"]


def test_a_file_that_imports_only_core_gets_nothing_of_mathlib(settings: Settings) -> None:
    core = Document("file:///A.lean", "import LLMstep\n\nexample : p := by\n  ")
    assert "use hp" not in by_tactic(ask(settings, document=core, n=64))
    assert "use hp" in by_tactic(ask(settings, n=64))


def test_a_question_does_not_wait_until_the_names_are_counted(settings: Settings) -> None:
    def kept() -> list[Path]:
        return list((paths.cache_dir() / "names").glob("*.names"))

    sources, cancel = Sources(settings), CancelToken()
    cancel.cancel()
    sources.prepare("")
    sources.prepare_names(cancel)
    assert not kept()
    assert sources.gather(GOAL, "").propose()
    assert not kept()
    assert sources.gather(GOAL, "").known_names() is not None
    assert len(kept()) == 1


def test_without_a_question_the_names_are_counted_before_one_comes(settings: Settings) -> None:
    Sources(settings).prepare_names(CancelToken())
    assert list((paths.cache_dir() / "names").glob("*.names"))


def test_a_missing_library_is_told_once_and_done_without(
    settings: Settings, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sources = Sources(attrs.evolve(settings, library=str(home / "none.tactics")))
    with caplog.at_level(logging.WARNING):
        assert sources.gather(GOAL, "").propose()
        sources.gather(GOAL, "")
    assert [
        record.getMessage() for record in caplog.records if "none.tactics" in record.getMessage()
    ]
    assert len(caplog.records) == 1


def test_the_cache_knows_sources_and_finished_proofs_but_not_the_proof_at_hand(
    settings: Settings,
) -> None:
    service = SuggestService(attrs.evolve(settings, cache=True))

    def is_cached(text: str) -> bool:
        document = Document("file:///A.lean", text)
        return asyncio.run(service.suggest(SuggestRequest((GOAL,), document=document))).cached

    try:
        text = OWN.text_before
        assert not is_cached(text)
        assert is_cached(text)
        assert is_cached(text + "have := hp\n  ")
        assert not is_cached(FILE.format("simp [hp, hq]") + "example : p := by\n  ")
    finally:
        service.close()
    fingerprints = [
        Sources(attrs.evolve(settings, sources=wanted)).fingerprint("")
        for wanted in (("model",), ("model", "file"), ("model", "library"))
    ]
    assert len({json.dumps(f) for f in fingerprints}) == 3


def test_origins_survive_the_cache(settings: Settings) -> None:
    cached = attrs.evolve(settings, cache=True)
    first, second = ask(cached), ask(cached)
    assert not first.cached
    assert second.cached
    assert second.suggestions == first.suggestions


def test_a_completed_name_keeps_the_prefix_to_the_letter(home: Path) -> None:
    goal = "s t : Set α\n⊢ s ∩ t = t ∩ s"
    steps = [
        ProofStep(goal, "exact inter_comm s t", "Set.own"),
        ProofStep("⊢ True", "trivial", "Set.inter_comm"),
    ]
    write_index(home / "i.tactics", steps, [], fewest_rows=1)
    script = [{"candidates": [{"tactic": "exact inter_comm s t", "score": -0.1}]}]
    (home / "script.json").write_text(json.dumps(script), encoding="utf-8")
    text = Document("file:///A.lean", "import Mathlib\n\nexample : s ∩ t = t ∩ s := by\n  ")
    settings = Settings(model="echo", cache=False, library=str(home / "i.tactics"))
    settings = attrs.evolve(settings, sources=("model", "library"))
    for prefix, wanted in (("", "exact Set.inter_comm s t"), ("exact int", "exact inter_comm s t")):
        reply = ask(settings, prefix, text, goals=(goal,))
        tactics = [suggestion.tactic for suggestion in reply.suggestions]
        assert wanted in tactics
        assert all(tactic.startswith(prefix) for tactic in tactics)


@pytest.mark.parametrize("changed", ["library", "mixing.toml", "portfolio.json"])
def test_an_answer_is_not_kept_beyond_a_change_of_what_it_rests_on(
    settings: Settings, home: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    models = home / "models"
    models.mkdir()
    for name in ("mixing.toml", "portfolio.json"):
        (models / name).write_bytes((paths.models_dir() / name).read_bytes())
    monkeypatch.setattr(paths, "models_dir", lambda: models)
    sources = Sources(settings)
    before = sources.fingerprint("")
    assert sources.fingerprint("") == before
    file = Path(settings.library) if changed == "library" else models / changed
    file.write_bytes(file.read_bytes() + b"\n")
    assert sources.fingerprint("") != before
