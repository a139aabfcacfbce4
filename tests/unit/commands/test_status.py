from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from llmstep.cli import cli
from llmstep.commands import status
from llmstep.install.background import FILE_NAME


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path))
    # No server of 2023 is looked for at a port where one may be.
    monkeypatch.setenv("LLMSTEP_PORT", "1")
    return tmp_path


def test_it_says_what_is_there() -> None:
    result = CliRunner().invoke(cli, ["status", "--json"])
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["model"].startswith("builtin (backend llama_cpp")
    assert found["sources"] == "model, library, file, goal, portfolio"
    assert sys.executable in found["llmstep"]
    shown = CliRunner().invoke(cli, ["status"]).stdout
    assert all(str(value) in shown for name, value in found.items() if isinstance(value, str))


def test_a_build_in_the_background_shows_how_far_it_is(tmp_path: Path) -> None:
    now = time.time()
    build = {"state": "running", "pid": os.getpid(), "began": now - 60, "seen": now}
    build |= {"title": "building", "done": 30, "total": 120, "left_s": 180.0, "log": "/a/log"}
    (tmp_path / FILE_NAME).write_text(json.dumps(build))
    text = status.describe_llama_cpp(tmp_path)
    assert text.startswith("being built: building")
    assert "[30/120] about 3 min 00 s left" in text
    assert "/a/log" in text


def test_a_build_that_failed_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    build = {"state": "failed", "pid": 1, "began": 0.0, "seen": 1.0, "message": "no compiler"}
    (tmp_path / FILE_NAME).write_text(json.dumps({**build, "hint": "Get one."}))
    text = status.describe_llama_cpp(tmp_path)
    assert "no compiler Get one." in text
    assert "the other sources answer" in text


def test_without_llama_cpp_the_command_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "llmstep doctor --fix" in status.describe_llama_cpp(tmp_path)


def test_old_variables_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMSTEP_SERVER", "COLAB")
    assert "LLMSTEP_SERVER=COLAB" in CliRunner().invoke(cli, ["status"]).stderr
