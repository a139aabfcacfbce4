from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from llmstep.cli import cli
from llmstep.config import Settings
from llmstep.errors import NoProofModeError
from llmstep_workshop.commands import evaluate_search
from llmstep_workshop.errors import LeanProjectError
from llmstep_workshop.evaluation.proof_search import PROTOCOLS, ProofResult

posix = pytest.mark.skipif(os.name != "posix", reason="the stand-in for lake is a script")


@pytest.fixture
def search(
    project_folder: Path,
    tmp_path: Path,
    write_rows: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., list[str]]:
    """Writes theorems (`name="what the stand-in goes by"`) and begins the command for them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path / "home"))

    def words(**theorems: str) -> list[str]:
        rows = (
            {"name": name, "formal_statement": f"theorem {known} : 1 = 1 := by"}
            for name, known in theorems.items()
        )
        return ["eval", "--lean", str(project_folder), "--theorems", str(write_rows(*rows))]

    return words


@posix
def test_the_command(
    project_folder: Path, tmp_path: Path, search: Callable[..., list[str]]
) -> None:
    words = search(mathd_algebra_1="plain", mathd_algebra_2="exhausted", mathd_algebra_3="silent")
    words += ["--model", "builtin"]

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
    assert run(words[4]).exit_code == 2  # rows of steps besides
    assert run("--report", "page.html").exit_code == 2


@posix
def test_jobs_share_the_cores(
    project_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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


@posix
def test_the_command_for_whole_proofs(
    tmp_path: Path, search: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = search(a="plain", b="never", c="third")

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
