from __future__ import annotations

import gc
import os
import threading
from typing import TYPE_CHECKING

import attrs
import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmstep.backends import llama_cpp
from llmstep.backends.base import (
    BackendOptions,
    CancelToken,
    Candidate,
    GenerationRequest,
    GenerationStats,
    PromptPart,
    Sampling,
)
from llmstep.backends.llama_cpp import LlamaCppBackend
from llmstep.backends.search import Search
from llmstep.backends.tokens import Opening
from llmstep.errors import GenerationError, InvalidParamsError, PromptTooLongError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.gguf

GOAL = "n : ℕ\nhn : 0 < n\n⊢ ∃ m, m < n"
FIXTURE_ONCE = [HealthCheck.function_scoped_fixture]


def goal_prompt(goal: str = GOAL) -> tuple[PromptPart, ...]:
    return (PromptPart("[GOAL]", True), PromptPart(goal), PromptPart("[PROOFSTEP]", True))


def ask(
    backend: LlamaCppBackend,
    prompt: tuple[PromptPart, ...] | None = None,
    prefix: str = "",
    stop: tuple[str, ...] = (),
    cancel: CancelToken | None = None,
    **sampling: float,
) -> tuple[list[Candidate], GenerationStats]:
    found: list[Candidate] = []
    request = GenerationRequest(
        goal_prompt() if prompt is None else prompt,
        prefix,
        stop,
        Sampling(**{"n": 4, "max_tokens": 12, **sampling}),  # pyright: ignore[reportArgumentType]
    )
    stats = backend.generate(request, cancel or CancelToken(), found.append)
    return found, stats


class CountedCancel(CancelToken):
    """Is set when it has been asked that often."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.left = times

    def is_set(self) -> bool:
        self.left -= 1
        if self.left < 0:
            self.cancel()
        return super().is_set()


def assert_same(a: list[Candidate], b: list[Candidate]) -> None:
    assert [(c.text, c.tokens, c.finish) for c in a] == [(c.text, c.tokens, c.finish) for c in b]
    np.testing.assert_allclose([c.logprob for c in a], [c.logprob for c in b], rtol=1e-3)


def test_the_model_tells_about_itself(tiny: LlamaCppBackend, tiny_gguf: Path) -> None:
    info = tiny.info
    assert (info.backend, info.model, info.context_tokens) == ("llama_cpp", "tiny", 512)
    assert info.size_bytes == tiny_gguf.stat().st_size
    assert info.parameters is not None
    assert 40_000 < info.parameters < 50_000


def test_markers_are_control_tokens_only_where_they_are_meant(tiny: LlamaCppBackend) -> None:
    _, special = ask(tiny, (PromptPart("[GOAL]", True),))
    _, plain = ask(tiny, (PromptPart("[GOAL] x"),))
    assert special.prompt_tokens == 2  # begin of text, [GOAL]
    assert plain.prompt_tokens > 3
    assert tiny.count_tokens("[GOAL]") > 1
    assert tiny.count_tokens("") == 0


@pytest.mark.parametrize(
    "prefix",
    ["", "exact", "exac", "exact ", "⟨", "refine ⟨", "ℕ", "𝕜", "  ", "\n", "\n  ", "simp [h",
     "rw [mul_comm, ← ad", "h.sy", "é", "e\u0301", "a" * 40, "\t", "-- ∀ε>0", "<s>", "[GOAL]"],
)  # fmt: skip
@pytest.mark.parametrize("plain", [False, True])
def test_every_candidate_starts_with_the_prefix(
    tiny: LlamaCppBackend, prefix: str, plain: bool
) -> None:
    prompt = (PromptPart("theorem foo : 0 < n := by\n  "),) if plain else goal_prompt()
    found, stats = ask(tiny, prompt, prefix, n=6, seed=len(prefix))
    assert found
    assert all(c.text.startswith(prefix) for c in found)
    assert len({c.text for c in found}) == len(found)
    assert stats.generated_tokens > 0


@given(
    before=st.text(max_size=20),
    prefix=st.text(max_size=12),
    seed=st.integers(0, 1000),
    temperature=st.sampled_from([0.0, 0.8]),
)
@settings(max_examples=80, deadline=None, suppress_health_check=FIXTURE_ONCE)
def test_any_unicode_may_stand_before_and_in_the_prefix(
    tiny: LlamaCppBackend, before: str, prefix: str, seed: int, temperature: float
) -> None:
    for prompt in ((PromptPart(before),), goal_prompt(before)):
        found, _ = ask(tiny, prompt, prefix, n=3, max_tokens=24, seed=seed, temperature=temperature)
        assert all(c.text.startswith(prefix) for c in found)
        assert len({c.text for c in found}) == len(found)
        for candidate in found:
            assert np.isfinite(candidate.logprob)
            candidate.text.encode()


def test_a_word_may_be_completed_in_one_token(tiny: LlamaCppBackend) -> None:
    """`exac` is no token boundary; the vocabulary has ` exact`, and bytes."""
    texts = {
        c.text
        for seed in range(20)
        for c in ask(tiny, (PromptPart("x "),), "exac", n=8, seed=seed, max_tokens=2)[0]
    }
    assert any(text.startswith("exact") for text in texts)


def test_batched_logits_are_those_of_one_sequence(tiny: LlamaCppBackend) -> None:
    model = tiny._model
    prompt = model.tokenize(GOAL.encode(), special=False)
    continuations = np.random.default_rng(0).integers(5, len(model.vocabulary), (4, 6))
    model.clear()
    model.feed(prompt, 0, logits=True)
    sequences = [1, 2, 3, 4]
    for sequence in sequences:
        model.copy_sequence(0, sequence)
    together = [
        model.step(continuations[:, i], len(prompt) + i, sequences).copy() for i in range(6)
    ]
    for row in range(4):
        model.clear()
        model.feed(prompt, 0, logits=False)
        for i in range(6):
            alone = model.step(continuations[row, i : i + 1], len(prompt) + i, [0])
            np.testing.assert_allclose(together[i][row], alone[0], atol=2e-2)
    model.clear()


def test_a_long_piece_has_the_logits_of_its_tokens_one_by_one(tiny: LlamaCppBackend) -> None:
    model = tiny._model
    tokens = np.random.default_rng(1).integers(5, len(model.vocabulary), 300)  # micro batches
    model.clear()
    model.feed(tokens.tolist(), 0, logits=True)
    together = model.read_logits(1).copy()
    model.clear()
    for position in range(299):
        model.step(tokens[position : position + 1], position, [0])
    alone = model.step(tokens[299:], 299, [0])
    np.testing.assert_allclose(together, alone, atol=2e-2)
    model.clear()


def test_greedy_decoding_is_the_models_argmax_and_its_logprob(tiny: LlamaCppBackend) -> None:
    found, _ = ask(tiny, n=1, temperature=0.0, max_tokens=8)
    model = tiny._model
    tokens = [1, *model.tokenize(b"[GOAL]", special=True)]
    tokens += model.tokenize(GOAL.encode(), special=False)
    tokens += model.tokenize(b"[PROOFSTEP]", special=True)
    model.clear()
    data, total, count = b"", 0.0, 0
    model.feed(tokens, 0, logits=True)
    logits = model.read_logits(1)[0].astype(np.float64)
    while count < 8:
        usable = (
            token
            for token in np.argsort(-logits).tolist()
            if token not in model.vocabulary.unusable
            and Opening(()).read(data + model.vocabulary.pieces[token]) is not None
        )
        best = next(usable)
        total += logits[best] - np.log(np.exp(logits).sum())
        count += 1
        if model.vocabulary.ends[best]:
            break
        data += model.vocabulary.pieces[best]
        step = model.step(np.array([best]), len(tokens) + count - 1, [0])
        logits = step[0].astype(np.float64)
    assert found[0].text.encode() == data[: len(found[0].text.encode())]
    assert found[0].tokens == count
    assert found[0].logprob == pytest.approx(total, abs=0.05)


def test_a_warm_cache_answers_as_a_cold_one(tiny: LlamaCppBackend, tiny_gguf: Path) -> None:
    prompts = [
        goal_prompt(),
        goal_prompt(GOAL + " ∧ True"),
        goal_prompt("h : p\n⊢ p"),
        goal_prompt(),
        (PromptPart("theorem foo : 0 < n := by\n  "),),
        (PromptPart("theorem foo : 0 < n := by\n  have h := hn\n  "),),
    ]
    for i, prompt in enumerate(prompts):
        for prefix in ("", "exact h"):
            cold = LlamaCppBackend(BackendOptions(path=tiny_gguf, threads=1))
            expected, cold_stats = ask(cold, prompt, prefix, seed=i)
            cold.close()
            found, stats = ask(tiny, prompt, prefix, seed=i)
            assert_same(found, expected)
            assert cold_stats.reused_tokens == 0
            assert stats.prompt_tokens == cold_stats.prompt_tokens
            if i or prefix:
                assert 0 < stats.reused_tokens <= stats.prompt_tokens


def test_a_grown_prompt_costs_only_its_new_tokens(tiny: LlamaCppBackend) -> None:
    text = "theorem foo (n : ℕ) : 0 < n := by\n  simp\n" * 4
    _, first = ask(tiny, (PromptPart(text),))
    _, grown = ask(tiny, (PromptPart(text + "theorem bar : 0 < 1 := by\n  "),))
    assert grown.reused_tokens >= first.prompt_tokens - 1
    assert grown.prompt_tokens > first.prompt_tokens + 5


def test_the_same_question_needs_no_prefill_and_has_the_same_answer(
    tiny: LlamaCppBackend,
) -> None:
    first, stats = ask(tiny, seed=3)
    again, repeated = ask(tiny, seed=3)
    other, _ = ask(tiny, seed=4)
    assert again == first
    assert repeated.reused_tokens == repeated.prompt_tokens == stats.prompt_tokens
    assert [c.text for c in other] != [c.text for c in first]


FILE = (PromptPart("theorem foo (n : ℕ) : 0 < n := by\n  simp\n" * 6),)


def test_prompts_asked_in_turn_each_keep_what_they_share(tiny_gguf: Path) -> None:
    backend = LlamaCppBackend(BackendOptions(path=tiny_gguf, threads=1, prompt_slots=2))
    expected = []
    for seed, goal in enumerate((GOAL, GOAL + " ∧ True")):
        grown = (*FILE, PromptPart("  exact h\n" * seed))
        for prompt in (goal_prompt(goal), grown):
            cold = LlamaCppBackend(BackendOptions(path=tiny_gguf, threads=1))
            expected.append((prompt, seed, ask(cold, prompt, seed=seed)[0]))
            cold.close()
    reused = []
    for prompt, seed, candidates in expected:
        found, stats = ask(backend, prompt, seed=seed)
        assert_same(found, candidates)
        reused.append(stats.reused_tokens / stats.prompt_tokens)
    assert reused[:2] == [0, 0]
    assert all(share > 0.7 for share in reused[2:])
    backend.close()


@pytest.mark.parametrize("cells", [0, 8])
def test_an_older_prompt_gives_way_before_a_beam_does(
    tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch, cells: int
) -> None:
    monkeypatch.setattr(llama_cpp, "BEAM_CELLS", 64)
    monkeypatch.setattr(llama_cpp, "SLOT_CELLS", cells)
    options = BackendOptions(path=tiny_gguf, context_tokens=256, threads=1, prompt_slots=2)
    backend = LlamaCppBackend(options)
    cold = LlamaCppBackend(attrs.evolve(options, prompt_slots=1))
    long = goal_prompt("h : a + b = c\n" * 20)
    ask(backend)
    for prompt in (FILE, long, goal_prompt(), FILE):
        cold._forget()
        assert_same(ask(backend, prompt, n=8)[0], ask(cold, prompt, n=8)[0])
    held = [slot for slot in backend._slots if slot.tokens]
    assert sum(len(slot.tokens) for slot in held) <= 256 + 64 + cells
    backend.close()
    cold.close()


def test_prefill_prepares_the_request(tiny: LlamaCppBackend) -> None:
    prompt = (PromptPart("theorem foo : 0 < n := by\n  "),)
    prepared = tiny.prefill(prompt, CancelToken())
    assert prepared.reused_tokens == 0
    _, stats = ask(tiny, prompt)
    assert stats.reused_tokens == stats.prompt_tokens == prepared.prompt_tokens


def test_stop_strings_end_candidates(tiny: LlamaCppBackend) -> None:
    finishes = set()
    for seed in range(10):
        found, _ = ask(tiny, stop=("a", " h", "\n"), n=8, max_tokens=20, seed=seed)
        for candidate in found:
            assert not any(s in candidate.text for s in ("a", " h", "\n"))
            finishes.add(candidate.finish)
    assert "stop" in finishes


@pytest.mark.parametrize("times", range(6))
def test_cancel_ends_the_request_and_the_next_one_is_untouched(
    tiny: LlamaCppBackend, tiny_gguf: Path, times: int
) -> None:
    tiny._chunk = 32
    long = goal_prompt("h : a + b = c\n" * 12)
    _, stats = ask(tiny, long, cancel=CountedCancel(times), max_tokens=50)
    assert stats.generated_tokens <= 4 * times
    cold = LlamaCppBackend(BackendOptions(path=tiny_gguf, threads=1))
    assert_same(ask(tiny, long, seed=1)[0], ask(cold, long, seed=1)[0])
    cold.close()


def test_cancel_between_two_steps(tiny: LlamaCppBackend) -> None:
    cancel = CancelToken()
    found: list[Candidate] = []
    request = GenerationRequest(goal_prompt(), sampling=Sampling(n=8, max_tokens=200))

    def take(candidate: Candidate) -> None:
        found.append(candidate)
        cancel.cancel()

    tiny.generate(request, cancel, take)
    steps = {candidate.tokens for candidate in found}
    assert len(steps) == 1  # all from the step in which the first one was finished


def test_a_deadline_in_the_past_gives_nothing(tiny: LlamaCppBackend) -> None:
    cancel = CancelToken()
    cancel.expire_in(-1.0)
    assert ask(tiny, cancel=cancel)[0] == []
    assert cancel.reason == "deadline"


def test_a_prompt_beyond_the_window_is_refused_with_numbers(tiny: LlamaCppBackend) -> None:
    with pytest.raises(PromptTooLongError, match=r"have \d{3,} tokens.* window of 512"):
        ask(tiny, goal_prompt("x y z " * 300))
    with pytest.raises(PromptTooLongError):
        tiny.prefill(goal_prompt("x y z " * 300), CancelToken())
    assert ask(tiny)[0]


def test_the_window_bounds_what_is_generated(tiny_gguf: Path) -> None:
    backend = LlamaCppBackend(BackendOptions(path=tiny_gguf, context_tokens=64, threads=1))
    assert backend.info.context_tokens == 64
    goal = "x" * 40
    found, stats = ask(backend, goal_prompt(goal), n=3, max_tokens=500)
    assert found
    assert all(stats.prompt_tokens + c.tokens <= 64 for c in found)
    backend.close()


def test_a_full_kv_cache_costs_the_weakest_beams_only(
    tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped: list[int] = []
    drop = Search.drop_weakest

    def count(search: Search) -> None:
        dropped.append(len(search.live))
        drop(search)

    monkeypatch.setattr(Search, "drop_weakest", count)
    monkeypatch.setattr(llama_cpp, "BEAM_CELLS", 0)
    backend = LlamaCppBackend(BackendOptions(path=tiny_gguf, context_tokens=256, threads=1))
    prompt = goal_prompt("h : x\n" * 40)
    found, stats = ask(backend, prompt, n=32, max_tokens=80, top_p=1.0, temperature=1.5)
    assert stats.prompt_tokens > 100
    assert dropped
    assert found
    assert ask(backend)[0]
    backend.close()


def test_n_is_honoured(tiny: LlamaCppBackend) -> None:
    for n in (1, 2, 32):
        found, _ = ask(tiny, n=n, max_tokens=6, temperature=1.0, top_p=1.0)
        assert len(found) >= n // 2


@pytest.mark.parametrize(
    ("field", "value"),
    [("n", 0), ("n", 33), ("max_tokens", 0), ("temperature", -1.0), ("temperature", float("nan")),
     ("temperature", float("inf")), ("top_p", 0.0), ("top_p", 1.1)],
)  # fmt: skip
def test_impossible_numbers_are_refused(tiny: LlamaCppBackend, field: str, value: float) -> None:
    with pytest.raises(InvalidParamsError, match=str(value)):
        ask(tiny, **{field: value})


def test_half_a_surrogate_pair_is_refused(tiny: LlamaCppBackend) -> None:
    with pytest.raises(InvalidParamsError, match="surrogate"):
        ask(tiny, prefix="\ud835")
    with pytest.raises(InvalidParamsError, match="surrogate"):
        tiny.count_tokens("a\udd5c")


def test_an_empty_prompt_is_answered(tiny: LlamaCppBackend) -> None:
    assert ask(tiny, ())[0]
    assert ask(tiny, (), "exact")[0][0].text.startswith("exact")


def test_zero_bytes_are_text(tiny: LlamaCppBackend) -> None:
    assert tiny.count_tokens("a\0b") == 3


def test_a_model_that_cannot_forget_a_part_is_prefilled_anew(
    tiny: LlamaCppBackend, tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = tiny._model.cut_sequence
    monkeypatch.setattr(
        tiny._model, "cut_sequence", lambda s, start=0: start == 0 and cut(s, start)
    )
    ask(tiny)
    other = goal_prompt("n : ℕ\n⊢ True")
    found, stats = ask(tiny, other)
    assert stats.reused_tokens == 0
    cold = LlamaCppBackend(BackendOptions(path=tiny_gguf, threads=1))
    assert_same(found, ask(cold, other)[0])
    cold.close()


def test_a_failed_decode_is_an_error_and_the_backend_goes_on(
    tiny: LlamaCppBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, _ = ask(tiny)
    library = tiny._model._library
    for at in (0, 3):
        calls = iter([*[0] * at, -3])
        real = library.llama_decode
        with monkeypatch.context() as patch:
            patch.setattr(
                library,
                "llama_decode",
                lambda c, b: next(calls) or real(c, b),  # noqa: B023
            )
            with pytest.raises(GenerationError, match="failed with -3"):
                ask(tiny, goal_prompt(f"h{at} : p\n⊢ p"))
        assert_same(ask(tiny)[0], expected)


def test_close_frees_once_and_says_so_afterwards(tiny_gguf: Path) -> None:
    backend = LlamaCppBackend(BackendOptions(path=tiny_gguf, threads=1))
    backend.close()
    backend.close()
    with pytest.raises(GenerationError, match="closed"):
        ask(backend)
    with pytest.raises(GenerationError, match="closed"):
        backend.count_tokens("x")


def test_nothing_is_written_to_the_standard_streams(
    tiny_gguf: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    backend = LlamaCppBackend(BackendOptions(path=tiny_gguf, threads=1))
    ask(backend)
    backend.close()
    assert capfd.readouterr() == ("", "")


def test_a_request_may_come_from_another_thread_than_the_load(tiny: LlamaCppBackend) -> None:
    answers: list[list[Candidate]] = []
    thread = threading.Thread(target=lambda: answers.append(ask(tiny)[0]))
    thread.start()
    thread.join()
    assert_same(answers[0], ask(tiny)[0])


def resident() -> int:
    gc.collect()
    return psutil.Process(os.getpid()).memory_info().rss


def test_thousands_of_requests_do_not_grow_the_process(tiny: LlamaCppBackend) -> None:
    def ask_many(count: int) -> None:
        for i in range(count):
            ask(tiny, goal_prompt(f"h{i % 97} : p\n⊢ p"), "exact"[: i % 6], max_tokens=3, seed=i)

    ask_many(500)
    before = resident()
    ask_many(2000)
    assert resident() - before < 4 * 2**20


def test_opening_and_closing_does_not_grow_the_process(tiny_gguf: Path) -> None:
    def open_many(count: int) -> None:
        for _ in range(count):
            backend = LlamaCppBackend(BackendOptions(path=tiny_gguf, threads=1))
            ask(backend, max_tokens=2)
            backend.close()

    open_many(20)
    before = resident()
    open_many(60)
    assert resident() - before < 16 * 2**20


def test_the_built_in_model_answers_real_goals(builtin_gguf: Path) -> None:
    backend = LlamaCppBackend(BackendOptions(path=builtin_gguf, threads=1))
    found, _ = ask(backend, goal_prompt("p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q"), n=8, max_tokens=48)
    assert len({c.text for c in found}) >= 8
    for prefix in ("exact", "exact ⟨hp", "con", "refine ⟨"):
        found, _ = ask(backend, goal_prompt("p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q"), prefix, n=8)
        assert found
        assert all(c.text.startswith(prefix) for c in found)
    backend.close()
