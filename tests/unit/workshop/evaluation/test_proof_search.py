from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from llmstep.config import Settings
from llmstep.errors import NoProofModeError
from llmstep_workshop.errors import LeanProjectError, ResultsFileError
from llmstep_workshop.evaluation import proof_search
from llmstep_workshop.evaluation.exposure import is_minif2f, warn_about
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
    inherited = {"PATH": "/bin", "LLMSTEP_LEAN_SEARCH_WIDTH": "1", "LLMSTEP_HOME": "/h"}
    found = search_environment(settings, LLMSEARCH, inherited)
    assert found["LLMSTEP_MODEL"] == str(tmp_path / "m.gguf")
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


@posix
def test_the_command_for_whole_proofs(
    project_folder: Path,
    tmp_path: Path,
    write_rows: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from click.testing import CliRunner

    from llmstep.cli import cli

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path / "home"))
    data = write_rows(
        {"name": "a", "formal_statement": "theorem plain : 1 = 1 := by"},
        {"name": "b", "formal_statement": "theorem never : 1 = 1 := by"},
        {"name": "c", "formal_statement": "theorem third : 1 = 1 := by"},
    )
    words = ["eval", "--lean", str(project_folder), "--theorems", str(data)]

    def run(*more: str, model: str = "echo"):
        arguments = [*words, "--model", model, *more]
        return CliRunner().invoke(cli, arguments, catch_exceptions=False)

    done = run("--protocol", "prove", "--tries", "3")
    assert done.exit_code == 0, done.output
    assert "echo, prove 120 s, 3 rounds, 3 tries: 2 of 3 proved, 66.7 %" in done.stdout
    assert "pass@1 33.3 %, pass@2 33.3 %, pass@3 66.7 %; 1 of the proofs were mended" in done.stdout
    assert "5.7 proofs asked for, 567 tokens" in done.stdout
    record = json.loads(run("--protocol", "prove", "--tries", "3", "--json").stdout)
    assert record["within"] == {"1": 1 / 3, "2": 1 / 3, "3": 2 / 3}
    assert run("--tries", "3").exit_code == 2
    with pytest.raises(NoProofModeError) as caught:
        run("--protocol", "prove", model="builtin")
    assert "models pull" in caught.value.hint
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LeanProjectError, match="no `lake` on the PATH"):
        run("--protocol", "prove")


# Contamination


def test_the_built_in_model_is_warned_about_on_minif2f() -> None:
    by_name = [make("mathd_algebra_478"), make("amc12a_2021_p3"), make("other")]
    by_file = [attrs.evolve(make("x"), file="data/minif2f.jsonl")]
    assert is_minif2f(by_name)
    assert is_minif2f(by_file)
    assert not is_minif2f([make("add_comm"), make("imo_1959_p1")])
    assert "Compfiles" in warn_about("builtin", by_name)
    assert warn_about("my-model", by_name) == warn_about("builtin", [make("t")]) == ""


# The command


@posix
def test_the_command(
    project_folder: Path,
    tmp_path: Path,
    write_rows: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from click.testing import CliRunner

    from llmstep.cli import cli

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path / "home"))
    data = write_rows(
        {"name": "mathd_algebra_1", "formal_statement": "theorem plain : 1 = 1 := by"},
        {"name": "mathd_algebra_2", "formal_statement": "theorem exhausted : 1 = 1 := by"},
        {"name": "mathd_algebra_3", "formal_statement": "theorem silent : 1 = 1 := by"},
    )
    words = ["eval", "--lean", str(project_folder), "--theorems", str(data), "--model", "builtin"]

    def run(*more: str):
        return CliRunner().invoke(cli, [*words, *more], catch_exceptions=False)

    done = run("--limit", "2", "--seconds", "7")
    assert done.exit_code == 0, done.output
    assert "builtin, llmsearch 7 s: 1 of 2 proved, 50.0 %" in done.stdout
    assert "Compfiles" in done.stderr
    assert "proved" in done.stderr
    assert "constructor; · rfl; · rfl" in done.stderr
    path = tmp_path / "runs" / "search" / "llmsearch-7-s-builtin.jsonl"
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2
    record = json.loads(run("--seconds", "7", "--json").stdout)
    assert (record["theorems"], record["proved"], record["error"]) == (3, 1, 1)
    assert record["protocol"] == "llmsearch 7 s"
    # All known: not even the project is asked.
    calls = (project_folder / "calls.txt").read_text(encoding="utf-8")
    run("--limit", "2", "--seconds", "7")
    assert (project_folder / "calls.txt").read_text(encoding="utf-8") == calls
    assert run("--model", "echo").exit_code == 2
    assert run(str(data)).exit_code == 2
    assert run("--report", "page.html").exit_code == 2


@posix
def test_jobs_share_the_cores(
    project_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llmstep_workshop.commands import evaluate_search
    from llmstep_workshop.evaluation.proof_search import PROTOCOLS

    seen: list[str | None] = []

    def prove_nothing(theorem, project, protocol, environment):
        seen.append(environment.get("LLMSTEP_THREADS"))
        return ProofResult(theorem.name, theorem.file, 1, theorem.digest, "failed")

    monkeypatch.setattr("llmstep_workshop.evaluation.search_run.prove", prove_nothing)
    monkeypatch.setattr("psutil.cpu_count", lambda logical=True: 8)
    file = tmp_path / "A.lean"
    file.write_text("theorem a : 1 = 1 := by sorry\n", encoding="utf-8")
    for number, (jobs, threads) in enumerate([(1, 0), (3, 0), (20, 0), (3, 5)]):
        evaluate_search.search_proofs(
            Settings(model="echo", threads=threads),
            project_folder,
            (file,),
            None,
            PROTOCOLS["llmsearch"],
            tmp_path / f"{number}.jsonl",
            jobs,
            None,
            None,
            True,
        )
    assert seen == ["0", "2", "1", "5"]
