from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import attrs
import pytest

from llmstep.config import Settings
from llmstep_workshop.errors import ResultsFileError
from llmstep_workshop.evaluation import proof_search
from llmstep_workshop.evaluation.lean_project import LeanProject
from llmstep_workshop.evaluation.proof_search import (
    LLMSEARCH,
    ORIGINAL,
    PROVE,
    ProofResult,
    prove,
    recheck_text,
    search_environment,
    search_text,
    shape_protocol,
)
from llmstep_workshop.evaluation.results_file import ResultsFile, count_results
from llmstep_workshop.evaluation.search_run import search_all
from llmstep_workshop.evaluation.theorems import Theorem, find_theorems

posix = pytest.mark.skipif(os.name != "posix", reason="the stand-in for lake is a script")
ROOT = Path(__file__).resolve().parents[4]


def make(name: str) -> Theorem:
    text = f"import Mathlib\n\nnamespace N\n\ntheorem {name} (a : ℕ) :\n    a = a := by sorry\n"
    return next(iter(find_theorems(text, "N.lean")))


def environment() -> dict[str, str]:
    return search_environment(Settings(model="echo"), LLMSEARCH)


# Texts and environment


def test_the_file_that_searches() -> None:
    text, line = search_text(make("t"), ORIGINAL)
    assert text.startswith("import Mathlib\nimport LLMstep\n\nnamespace N\n\nset_option ")
    assert text.endswith("\n\ntheorem t (a : ℕ) :\n    a = a := by\n  llmsearch\n")
    assert text.splitlines()[line - 1] == "theorem t (a : ℕ) :"
    for option in (
        "llmstep.search.depth 0",
        "llmstep.search.width 32",
        "llmstep.search.maxNodes 100",
        'llmstep.search.closers ""',
        "llmstep.search.structural false",
        "llmstep.search.perLength false",
        "llmstep.search.timeoutMs 600000",
        "llmstep.search.report true",
        "llmstep.batch true",
    ):
        assert f"set_option {option}\n" in text
    ours, _ = search_text(make("t"), LLMSEARCH)
    assert "depth" not in ours
    assert "set_option llmstep.search.timeoutMs 60000\n" in ours


def test_the_options_of_the_protocols_are_lean_options() -> None:
    source = (ROOT / "LLMstep" / "Options.lean").read_text(encoding="utf-8")
    known = dict(re.findall(r"register_option (\S+) : \w+ := \{\s+defValue := (.*)\n", source))
    assert set(ORIGINAL.options) <= set(known)
    # What `llmsearch` gives a user is what the protocol of this name says.
    assert int(known["llmstep.search.timeoutMs"]) == 1000 * LLMSEARCH.seconds
    for option, word in (("depth", "depth {}"), ("width", "width {}"), ("maxNodes", "{} expan")):
        assert word.format(known[f"llmstep.search.{option}"]) in LLMSEARCH.about


def test_the_file_that_checks() -> None:
    text, line = recheck_text(make("t"), "constructor\n· rfl\n\n· simp")
    assert text == (
        "import Mathlib\n\nnamespace N\n\ntheorem t (a : ℕ) :\n    a = a := by\n"
        "  constructor\n  · rfl\n\n  · simp\n\n#print axioms t\n"
    )
    assert text.splitlines()[line - 1] == "theorem t (a : ℕ) :"


def test_the_environment_is_the_protocols(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.gguf").touch()
    settings = Settings(model="m.gguf", temperature=0.7, threads=3, sources=("model", "portfolio"))
    settings = attrs.evolve(settings, library="/mine.tactics")
    inherited = {"PATH": "/bin", "LLMSTEP_LEAN_SEARCH_WIDTH": "1", "LLMSTEP_HOME": "/h"}
    found = search_environment(settings, LLMSEARCH, inherited)
    assert found["LLMSTEP_MODEL"] == str(tmp_path / "m.gguf")
    assert found["LLMSTEP_LIBRARY"] == "/mine.tactics"
    assert found["LLMSTEP_TEMPERATURE"] == "0.7"
    assert found["LLMSTEP_SOURCES"] == "model,portfolio"
    assert (found["LLMSTEP_THREADS"], found["LLMSTEP_CACHE"]) == ("3", "false")
    assert (found["PATH"], found["LLMSTEP_HOME"]) == ("/bin", "/h")
    assert "LLMSTEP_LEAN_SEARCH_WIDTH" not in found
    assert "LLMSTEP_TOP_P" not in found
    assert found["LLMSTEP_COMMAND"] == f'"{sys.executable}" -m llmstep serve'
    original = search_environment(settings, ORIGINAL, inherited)
    assert (original["LLMSTEP_TEMPERATURE"], original["LLMSTEP_SOURCES"]) == ("0.0", "model")


# One theorem


@posix
@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("plain", "proved", "proof"),
        ("classical", "proved", "proof"),
        ("cheats", "failed", "the proof stands on sorryAx"),
        ("flaky", "failed", "the proof fails: tactic 'rfl' failed"),
        ("unchecked", "error", "the proof was not checked: some tool's own output"),
        ("exhausted", "failed", "exhausted"),
        ("nodes", "failed", "maxNodes"),
        ("used_up", "timeout", "timeoutMs"),
        ("misspelt", "error", "unknown identifier 'misspelt'"),
        ("silent", "error", "some tool's own output lean died"),
    ],
)
def test_what_becomes_of_a_theorem(
    project_folder: Path, name: str, status: str, reason: str
) -> None:
    result = prove(make(name), LeanProject(project_folder), LLMSEARCH, environment())
    assert (result.status, result.reason) == (status, reason)
    assert (result.protocol, result.model) == ("llmsearch 60 s", "echo")
    if status != "error" or name == "unchecked":
        assert (result.expansions, result.checked, result.search_seconds) == (3, 9, 1.5)
    if name == "classical":
        assert result.axioms == ("propext", "Classical.choice")
    if status == "proved":
        assert result.proof == "constructor\n· rfl\n· rfl"


@posix
def test_a_search_that_does_not_end_is_killed(
    project_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof_search, "STARTUP_SECONDS", 1)
    protocol = attrs.evolve(LLMSEARCH, seconds=1)
    result = prove(make("slow"), LeanProject(project_folder), protocol, environment())
    assert (result.status, result.reason) == ("timeout", "killed after 2 s")


# Many theorems


@posix
def test_a_run_goes_on_where_it_was_stopped(project_folder: Path, tmp_path: Path) -> None:
    theorems = [make(name) for name in ("plain", "exhausted", "misspelt", "classical", "used_up")]
    path = tmp_path / "deep" / "results.jsonl"
    project = LeanProject(project_folder)

    def run(jobs: int) -> tuple[list[ProofResult], list[str]]:
        new: list[str] = []
        results = ResultsFile(path, LLMSEARCH.label, "echo")
        try:
            found = search_all(
                theorems, project, LLMSEARCH, environment(), results, jobs,
                lambda result, known: None if known else new.append(result.name),
            )  # fmt: skip
        finally:
            results.close()
        return found, new

    first, new = run(jobs=2)
    assert sorted(new) == sorted(theorem.name for theorem in theorems)
    assert [result.status for result in first] == ["proved", "failed", "error", "proved", "timeout"]
    # A kill in the middle of a line: what was whole stays, the rest is done again.
    lines = path.read_bytes().splitlines(keepends=True)
    lost = json.loads(lines[-1])["name"]
    path.write_bytes(b"".join(lines[:-1]) + lines[-1][:40])
    again, new = run(jobs=1)
    assert sorted(new) == sorted({lost, "misspelt"})
    assert [result.status for result in again] == [result.status for result in first]
    assert all(json.loads(line) for line in path.read_bytes().splitlines())


@posix
def test_what_stops_a_run_stops_lean_too(project_folder: Path, tmp_path: Path) -> None:
    results = ResultsFile(tmp_path / "r.jsonl", LLMSEARCH.label, "echo")

    def interrupt(result: ProofResult, known: bool) -> None:
        raise KeyboardInterrupt

    project = LeanProject(project_folder)
    with pytest.raises(KeyboardInterrupt):
        search_all(
            [make("plain"), make("slow")], project, LLMSEARCH, environment(), results, 2, interrupt
        )
    results.close()
    assert [json.loads(line)["name"] for line in (tmp_path / "r.jsonl").open()] == ["plain"]


def test_results_of_another_protocol_or_model_are_not_mixed(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    theorem = make("t")
    result = ProofResult(
        "t", "N.lean", 5, theorem.digest, "proved", proof="rfl", protocol="a 1 s", model="m"
    )
    file = ResultsFile(path, "a 1 s", "m")
    file.add(result)
    file.close()
    again = ResultsFile(path, "a 1 s", "m")
    assert again.get(theorem) == result
    # The same name with another statement is another theorem.
    assert again.get(attrs.evolve(theorem, statement="theorem t : 1 = 2")) is None
    again.close()
    for protocol, model in (("b 1 s", "m"), ("a 1 s", "n")):
        with pytest.raises(ResultsFileError, match=r"r.jsonl:1: a result of 'a 1 s'"):
            ResultsFile(path, protocol, model)
    path.write_text('{"name": "t"}\n', encoding="utf-8")
    with pytest.raises(ResultsFileError, match=r"r.jsonl:1: no result"):
        ResultsFile(path, "a 1 s", "m")
    with pytest.raises(ResultsFileError):
        ResultsFile(tmp_path, "a 1 s", "m")


def test_counting() -> None:
    def result(status: proof_search.Status, seconds: float = 0.0) -> ProofResult:
        return ProofResult("t", "f", 1, "d", status, search_seconds=seconds, expansions=4)

    rate = count_results(
        [result("proved", 1), result("proved", 3), result("failed", 9), result("error")]
    )
    assert (rate.theorems, rate.proved, rate.failed, rate.timeout, rate.error) == (4, 2, 1, 0, 1)
    assert (rate.rate, rate.median_seconds, rate.expansions) == (0.5, 2, 4)
    assert rate.interval.low < 0.5 < rate.interval.high
    assert count_results([result("failed")]).median_seconds == 0


# Whole proofs


@posix
def test_a_theorem_is_tried_with_other_seeds_until_it_is_proved(
    project_folder: Path, tmp_path: Path
) -> None:
    protocol = shape_protocol(PROVE, 4, 3, None)
    project = LeanProject(project_folder)
    third = prove(make("third"), project, protocol, environment())
    assert (third.status, third.tries, third.mended) == ("proved", 3, True)
    assert (third.rounds, third.tokens, third.search_seconds) == (3 + 3 + 1, 700, 4.5)
    never = prove(make("never"), project, protocol, environment())
    assert (never.status, never.reason, never.tries) == ("failed", "rounds", 4)
    plain = prove(make("plain"), project, protocol, environment())
    assert (plain.tries, plain.tokens, plain.mended) == (1, 100, False)
    assert protocol.label == "prove 120 s, 3 rounds, 4 tries"
    rate = count_results([third, never, plain, plain], protocol.tries)
    assert rate.within == {1: 0.5, 2: 0.5, 4: 0.75}
    assert (rate.mended, rate.tokens, rate.rounds) == (1, (700 + 1200 + 200) / 4, (7 + 12 + 2) / 4)
    assert list(count_results([never], 3).within) == [1, 2, 3]


@posix
def test_a_stopped_run_of_proofs_goes_on(project_folder: Path, tmp_path: Path) -> None:
    protocol = shape_protocol(PROVE, 2, 1, False)
    theorems = [make("plain"), make("never")]
    for expected in (2, 0):
        new: list[str] = []
        results = ResultsFile(tmp_path / "r.jsonl", protocol.label, "echo")
        found = search_all(
            theorems, LeanProject(project_folder), protocol, environment(), results, 1,
            lambda result, known, new=new: None if known else new.append(result.name),
        )  # fmt: skip
        results.close()
        assert len(new) == expected
        assert [(result.tries, result.tokens) for result in found] == [(1, 100), (2, 600)]


def test_the_file_that_asks_for_proofs() -> None:
    protocol = shape_protocol(PROVE, None, 1, False)
    text, _ = search_text(make("t"), protocol)
    assert text.endswith("a = a := by\n  llmprove\n")
    for option in (
        "llmstep.prove.rounds 1",
        "llmstep.prove.gapMs 0",
        "llmstep.prove.timeoutMs 120000",
        "llmstep.prove.report true",
        "llmstep.batch true",
    ):
        assert f"set_option {option}\n" in text
    assert protocol.label == "prove 120 s, 1 rounds, 1 tries, gaps left open"
    source = (ROOT / "LLMstep" / "Options.lean").read_text(encoding="utf-8")
    known = dict(re.findall(r"register_option (\S+) : \w+ := \{\s+defValue := (.*)\n", source))
    assert known["llmstep.prove.timeoutMs"] == str(1000 * PROVE.seconds)
    assert {name: known[name] for name in PROVE.options} == PROVE.options
