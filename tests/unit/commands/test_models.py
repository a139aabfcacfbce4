"""The `llmstep models` commands."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from llmstep import paths
from llmstep.commands.models import models
from llmstep.errors import ModelFileError, ModelNotFoundError

WEIGHTS = b"GGUF" + b"0123456789" * 100


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path))
    monkeypatch.delenv("LLMSTEP_MODEL", raising=False)
    folder = paths.data_dir() / "models"
    (folder / "tiny").mkdir(parents=True)
    (folder / "tiny.toml").write_text(
        'id = "tiny"\nname = "Tiny"\nbackends = ["abacus", "echo"]\nfile = "tiny.gguf"\n'
        f'licence = "MIT"\nsize_bytes = {len(WEIGHTS)}\nstop = ["\\n"]\n',
        encoding="utf-8",
    )
    return folder


@pytest.fixture
def weights(folder: Path) -> Path:
    file = folder / "tiny" / "tiny.gguf"
    file.write_bytes(WEIGHTS)
    return file


def run(*arguments: str) -> Result:
    return CliRunner().invoke(models, arguments)


def rows() -> dict[str, dict]:
    result = run("list", "--json")
    assert result.exit_code == 0
    return {row["id"]: row for row in map(json.loads, result.stdout.splitlines())}


def test_list_says_what_can_run() -> None:
    found = rows()
    assert found["tiny"]["status"] == "file not on this machine"
    assert found["echo"]["status"] == "ready"
    assert "llemma-7b" in found
    lines = run("list").stdout.splitlines()
    assert len(lines) == len(found)
    assert any(line.startswith("tiny ") and line.endswith("not on this machine") for line in lines)


def test_list_with_the_file_there(weights: Path) -> None:
    row = rows()["tiny"]
    assert row["status"] == "ready"
    assert row["path"] == str(weights)
    assert row["sizeBytes"] == len(WEIGHTS)


def test_list_tells_of_a_wrong_card(folder: Path) -> None:
    (folder / "bad.toml").write_text("id = 3", encoding="utf-8")
    result = run("list")
    assert result.exit_code == 0
    assert "not taken: " in result.stderr
    assert "bad.toml" in result.stderr


def test_info(weights: Path) -> None:
    text = run("info", "tiny").stdout
    assert "licence         MIT" in text
    assert "stop            '\\n'" in text
    facts = json.loads(run("info", "tiny", "--json").stdout)
    assert facts["sizeBytes"] == len(WEIGHTS)
    assert facts["stop"] == ["\n"]
    assert facts["path"] == str(weights)
    assert "sha256" not in facts
    assert json.loads(run("info", str(weights), "--json").stdout)["id"] == "tiny"
    assert run("info", "echo").exit_code == 0
    assert isinstance(run("info", "tinny").exception, ModelNotFoundError)


def test_path(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("path", "tiny").stdout == f"{weights}\n"
    assert json.loads(run("path", "tiny", "--json").stdout) == {"id": "tiny", "path": str(weights)}
    monkeypatch.setenv("LLMSTEP_MODEL", "tiny")
    assert run("path").stdout == f"{weights}\n"
    assert run("path", "echo").exit_code == 1


def test_verify(weights: Path) -> None:
    assert run("verify", "tiny").stdout == f"tiny: {weights}: size as on the card\n"
    outcome = json.loads(run("verify", "tiny", "--json").stdout)
    assert outcome == {
        "id": "tiny",
        "ok": True,
        "path": str(weights),
        "sizeBytes": len(WEIGHTS),
        "sha256": hashlib.sha256(WEIGHTS).hexdigest(),
        "compared": ["size"],
    }


def test_verify_a_damaged_file(weights: Path) -> None:
    weights.write_bytes(WEIGHTS[:-1])
    assert isinstance(run("verify", "tiny").exception, ModelFileError)
    result = run("verify", "tiny", "--json")
    assert result.exit_code == 1
    outcome = json.loads(result.stdout)
    assert outcome["ok"] is False
    assert f"its card says {len(WEIGHTS)}" in outcome["problem"]
