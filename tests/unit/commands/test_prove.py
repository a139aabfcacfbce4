from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from llmstep.commands.prove import prove
from llmstep.errors import NoProofModeError

BLOCK = "constructor\n· exact hp\n· exact hq"
GOAL = "p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q"


@pytest.fixture(autouse=True)
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [
        {"text": f"<think>secret</think>\n```lean4\n{BLOCK}\n```", "score": -0.1},
        {"text": "begin\nend", "score": -0.2},
    ]
    path = tmp_path / "script.json"
    path.write_text(json.dumps([{"answers": answers}]), encoding="utf-8")
    monkeypatch.setenv("LLMSTEP_ECHO_SCRIPT", str(path))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(prove, [GOAL, "--model", "echo", *arguments])


def test_the_proof_stands_on_stdout_and_all_else_on_stderr() -> None:
    result = run()
    assert result.exit_code == 0
    assert result.stdout.strip() == BLOCK
    assert "not checked by Lean" in result.stderr
    assert "secret" not in result.output


def test_one_json_object_for_each_proof() -> None:
    lines = [json.loads(line) for line in run("-n", "2", "--json").stdout.splitlines()]
    assert [line["proof"] for line in lines] == [BLOCK, ""]
    assert "Lean 3" in lines[1]["problem"]


def test_a_model_that_writes_steps_is_refused_by_name() -> None:
    result = CliRunner().invoke(prove, [GOAL, "--model", "builtin"])
    assert isinstance(result.exception, NoProofModeError)
    assert "llmstep models pull" in result.exception.hint
