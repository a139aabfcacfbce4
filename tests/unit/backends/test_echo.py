from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstep.backends import open_backend
from llmstep.backends.base import (
    BackendOptions,
    CancelToken,
    Candidate,
    GenerationRequest,
    PromptPart,
    Sampling,
)
from llmstep.backends.echo import UNIVERSAL_TACTICS, EchoBackend
from llmstep.environment import ECHO_SCRIPT
from llmstep.errors import GenerationError, ModelFileError, ModelNotFoundError, PromptTooLongError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ECHO_SCRIPT, raising=False)


def write_script(folder: Path, rules: Any) -> Path:
    path = folder / "script.json"
    path.write_text(json.dumps(rules), encoding="utf-8")
    return path


def ask(backend: EchoBackend, goal: str = "⊢ p", prefix: str = "", n: int = 8) -> list[Candidate]:
    found: list[Candidate] = []
    request = GenerationRequest((PromptPart(goal),), prefix=prefix, sampling=Sampling(n=n))
    backend.generate(request, CancelToken(), found.append)
    return found


def test_without_a_script_it_answers_universal_tactics_best_first() -> None:
    found = ask(EchoBackend(BackendOptions()))
    assert [c.text for c in found] == list(UNIVERSAL_TACTICS)
    scores = [c.mean_logprob for c in found]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores)


@given(prefix=st.sampled_from([t[:i] for t in UNIVERSAL_TACTICS for i in range(len(t) + 1)]))
def test_every_answer_starts_with_the_prefix(prefix: str) -> None:
    found = ask(EchoBackend(BackendOptions()), prefix=prefix)
    assert [c.text for c in found] == [t for t in UNIVERSAL_TACTICS if t.startswith(prefix)]


def test_n_bounds_the_answers() -> None:
    assert [c.text for c in ask(EchoBackend(BackendOptions()), n=2)] == ["rfl", "simp"]


def test_the_first_matching_rule_answers(tmp_path: Path) -> None:
    path = write_script(
        tmp_path,
        [
            {"prefix": "ex", "candidates": [{"tactic": "exact h", "score": -1}]},
            {"goal": "ℕ", "candidates": [{"tactic": "omega", "score": -0.5}]},
            {"candidates": [{"tactic": "simp", "score": -2}]},
        ],
    )
    backend = EchoBackend(BackendOptions(path=path))
    assert [c.text for c in ask(backend, "n : ℕ", "ex")] == ["exact h"]
    assert [c.text for c in ask(backend, "n : ℕ")] == ["omega"]
    assert [(c.text, c.mean_logprob) for c in ask(backend, "x : ℤ")] == [("simp", -2.0)]
    assert backend.info.model == "script"


def test_no_matching_rule_answers_nothing(tmp_path: Path) -> None:
    path = write_script(tmp_path, [{"goal": "ℕ", "candidates": []}])
    assert ask(EchoBackend(BackendOptions(path=path))) == []


def test_the_environment_names_the_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_script(tmp_path, [{"candidates": [{"tactic": "ring", "score": 0}]}])
    monkeypatch.setenv(ECHO_SCRIPT, str(path))
    assert [c.text for c in ask(EchoBackend(BackendOptions()))] == ["ring"]


def test_a_scripted_error_comes_after_the_rules_candidates(tmp_path: Path) -> None:
    path = write_script(
        tmp_path, [{"candidates": [{"tactic": "simp", "score": -1}], "error": "out of luck"}]
    )
    found: list[Candidate] = []
    with pytest.raises(GenerationError, match="out of luck"):
        EchoBackend(BackendOptions(path=path)).generate(
            GenerationRequest((PromptPart("⊢ p"),)), CancelToken(), found.append
        )
    assert [c.text for c in found] == ["simp"]


@pytest.mark.parametrize(
    "rule",
    [
        {"hang": True},
        {"candidates": [{"tactic": "simp", "score": -1, "delayMs": 3_600_000}]},
    ],
)
def test_hang_and_delay_end_when_cancelled(tmp_path: Path, rule: dict[str, Any]) -> None:
    backend = EchoBackend(BackendOptions(path=write_script(tmp_path, [rule])))
    cancel = CancelToken()
    found: list[Candidate] = []
    thread = threading.Thread(
        target=backend.generate,
        args=(GenerationRequest((PromptPart("⊢ p"),)), cancel, found.append),
        daemon=True,
    )
    thread.start()
    thread.join(0.1)
    assert thread.is_alive()
    cancel.cancel()
    thread.join(60)
    assert not thread.is_alive()
    assert found == []


def test_exit_ends_the_process_with_its_code(tmp_path: Path) -> None:
    path = write_script(tmp_path, [{"exit": 7}])
    code = (
        "import sys, pathlib\n"
        "from llmstep.backends.base import *\n"
        "from llmstep.backends.echo import EchoBackend\n"
        "backend = EchoBackend(BackendOptions(path=pathlib.Path(sys.argv[1])))\n"
        "request = GenerationRequest((PromptPart('x'),))\n"
        "backend.generate(request, CancelToken(), print)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == 7


def test_a_second_request_shows_the_reused_part() -> None:
    backend = EchoBackend(BackendOptions())
    first = backend.prefill((PromptPart("a" * 40),), CancelToken())
    second = backend.prefill((PromptPart("a" * 40 + "b" * 8),), CancelToken())
    assert (first.prompt_tokens, first.reused_tokens) == (10, 0)
    assert (second.prompt_tokens, second.reused_tokens) == (12, 10)


def test_a_prompt_beyond_the_window_is_refused_with_numbers() -> None:
    backend = EchoBackend(BackendOptions(context_tokens=10))
    with pytest.raises(PromptTooLongError, match=r"100 tokens.*10"):
        ask(backend, "x" * 400)


def test_close_twice() -> None:
    backend = open_backend("echo", BackendOptions())
    backend.close()
    backend.close()


def test_an_unknown_backend_is_named_with_the_known_ones() -> None:
    with pytest.raises(ModelNotFoundError, match="gpt") as caught:
        open_backend("gpt", BackendOptions())
    assert "echo" in caught.value.hint


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"candidates": []}, "no list of rules"),
        (["simp"], "rule 0 is no JSON object"),
        ([{}, {"candidate": []}], "rule 1: unknown field 'candidate'"),
        ([{"prefix": 3}], "rule 0: 'prefix' must be a string, not 3"),
        ([{"candidates": "simp"}], "rule 0: 'candidates' must be a list"),
        ([{"candidates": [{"score": 1}]}], "rule 0, candidate 0: 'tactic' is missing"),
        ([{"candidates": [{"tactic": "simp"}]}], "candidate 0: 'score' is missing"),
        ([{"candidates": [{"tactic": "a", "score": True}]}], "'score' must be a number, not true"),
        ([{"candidates": [{"tactic": "a", "score": float("nan")}]}], "'score' must be finite"),
        ([{"candidates": [{"tactic": "a", "score": 0, "delayMs": -1}]}], "'delayMs' must be 0"),
        ([{"exit": 999}], "'exit' must lie in 0..255"),
        ([{"exit": True}], "'exit' must be an integer"),
        ([{"hang": 1}], "'hang' must be true or false"),
    ],
)
def test_a_wrong_script_is_refused_by_rule_and_field(
    tmp_path: Path, rules: Any, message: str
) -> None:
    with pytest.raises(ModelFileError) as caught:
        EchoBackend(BackendOptions(path=write_script(tmp_path, rules)))
    assert message in caught.value.message
    assert "echo script" in caught.value.hint


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff\xfe\x00"])
def test_an_unreadable_script_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "script.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"script\.json"):
        EchoBackend(BackendOptions(path=path))
