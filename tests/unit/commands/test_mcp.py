from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from click.testing import CliRunner

from llmstep.commands.mcp import find_project, mcp
from llmstep.errors import BackendUnavailableError


def test_the_project_is_the_nearest_folder_with_a_toolchain(tmp_path: Path) -> None:
    project = tmp_path / "proofs"
    inner = project / "src" / "deep"
    inner.mkdir(parents=True)
    (project / "lean-toolchain").write_text("leanprover/lean4:v4.27.0\n")
    assert find_project(inner) == project
    assert find_project(tmp_path / "elsewhere") != project


def test_without_the_library_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "mcp" else find_spec(name)
    )
    result = CliRunner().invoke(mcp, [])
    assert isinstance(result.exception, BackendUnavailableError)
    assert "[mcp]" in result.exception.hint
