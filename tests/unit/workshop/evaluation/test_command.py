from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner, Result
from tests.unit.backends.scripted_server import ScriptedServer, status, texts

from llmstep.cli import cli
from llmstep.errors import LLMStepError, ModelNotFoundError
from llmstep_workshop.commands.evaluate import evaluate
from llmstep_workshop.errors import TrainingDataError
from llmstep_workshop.evaluation.proof_search import PROTOCOLS, Status

ROOT = Path(__file__).resolve().parents[4]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["eval", *map(str, arguments)], catch_exceptions=False)


def test_scores_as_text(scripted: Path) -> None:
    done = run(scripted, "--model", "echo", "-n", 4)
    assert done.exit_code == 0, done.output
    assert "rows.jsonl, echo: 4 rows" in done.stdout
    assert "nll per token not to be had" in done.stdout
    assert "exact@1 0.250 (0.046-0.699)   exact@4 0.500" in done.stdout
    assert "first-word@1 0.500" in done.stdout
    assert "the model failed on 1 rows:\n    row 4: the model <failed>" in done.stdout


def test_scores_as_json_for_each_model_and_file(
    scripted: Path, write_rows: Callable[..., Path]
) -> None:
    other = write_rows({"state": "⊢ p", "tactic": "exact h"}, name="other.jsonl")
    done = run(scripted, other, "--model", "echo", "--only", "model", "--json", "-n", 1)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(r["model"], r["file"], r["rows"]) for r in records] == [
        ("echo [model]", "rows.jsonl", 4),
        ("echo [model]", "other.jsonl", 1),
    ]
    first = records[0]
    assert (first["exact_at_1"], first["exact_at_n"], first["n"]) == (0.25, 0.25, 1)
    assert first["failed"] == [{"row": 4, "reason": "the model <failed>"}]
    assert set(first["intervals"]) == {"exact_at_1", "exact_at_n", "head_at_1", "head_at_n"}
    assert first["nll"] is None


def test_a_sample_is_drawn_by_the_seed(scripted: Path) -> None:
    def rows(seed: int) -> str:
        return run(scripted, "--model", "echo", "--limit", 2, "--seed", seed, "--json").stdout

    assert json.loads(rows(0))["rows"] == 2
    heads = {str(json.loads(rows(seed))["heads"]) for seed in range(8)}
    assert len(heads) > 1


def test_a_page_is_written(scripted: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = run(scripted, "--model", "echo", "--report", page)
    assert done.exit_code == 0
    assert f"written: {page}" in done.stderr
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_model_that_is_missing_is_named_and_the_others_scored(scripted: Path) -> None:
    done = run(scripted, "--model", "/no/such.gguf", "--model", "echo", "--json")
    assert done.exit_code == 1
    assert "/no/such.gguf is left out: there is no file" in done.stderr
    assert json.loads(done.stdout)["model"] == "echo"
    with pytest.raises(ModelNotFoundError):
        run(scripted, "--model", "/no/such.gguf")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "holds no rows"),
        (['{"state": "⊢ p"'], r"rows.jsonl:1: not JSON"),
        ([{"state": "⊢ p", "tactic": "rfl"}, {"state": "⊢ p"}], r"rows.jsonl:2: field 'tactic'"),
        ([{"state": 3, "tactic": "rfl"}], r"rows.jsonl:1: field 'state'"),
    ],
)
def test_bad_data_names_line_and_field(
    lines: list[object], message: str, write_rows: Callable[..., Path]
) -> None:
    with pytest.raises(TrainingDataError, match=message):
        run(write_rows(*lines), "--model", "echo")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--theorems", "ROWS"),
        ("ROWS", "--lean", "."),
        ("ROWS", "--only", "oracle"),
        ("ROWS", "-n", "0"),
        ("ROWS", "--temperature", "9"),
        ("ROWS", "--context-tokens", "-1"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], scripted: Path) -> None:
    done = run(*(str(scripted) if word == "ROWS" else word for word in arguments))
    assert done.exit_code == 2
    assert "Error" in done.output


def test_the_page_names_real_options_and_statuses() -> None:
    page = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    # Lake has options of its own.
    page = re.sub(r"`lake [^`]*`", "", page)
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page))
    options = {
        word
        for parameter in evaluate.params
        for word in (*parameter.opts, *parameter.secondary_opts)
    }
    assert named <= options
    for word in get_args(Status):
        assert f"| `{word}` |" in page
    for protocol in PROTOCOLS.values():
        assert f"`{protocol.name}`" in page
        assert f"{protocol.seconds} s" in page


def test_a_model_at_a_server(
    write_rows: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path / "home"))
    data = write_rows(
        {"state": "p : Prop\nh : p\n⊢ p", "tactic": "exact h"},
        {"state": "⊢ 1 = 1", "tactic": "decide"},
    )
    refusal = status(400, {"error": {"message": "this prompt is refused"}})
    warm = texts("trivial", "rfl")
    with ScriptedServer(warm, texts("exact h", "simp"), refusal) as server:
        monkeypatch.setenv("LLMSTEP_OPENAI_BASE_URL", server.url)
        words = [data, "--model", "openai:tiny", "--only", "model", "-n", 2, "--json"]
        done = run(*words, "--temperature", 0.8)
    record = json.loads(done.stdout)
    assert (record["nll"], record["exact_at_n"], record["failures"]) == (None, 0.5, 1)
    assert record["failed"][0]["row"] == 2
    assert "refused" in record["failed"][0]["reason"]
    # Nobody listens any more: the model as a whole cannot be had.
    with pytest.raises(LLMStepError):
        run(*words)
