from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from llmstep.cli import cli
from llmstep.config import TABLE


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path))
    return tmp_path


def test_show_names_value_and_origin_of_every_setting(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMSTEP_N", "3")
    result = CliRunner().invoke(cli, ["config", "show", "--json"])
    assert result.exit_code == 0
    rows = {row["name"]: row for row in json.loads(result.output)["settings"]}
    assert set(rows) == {row.name for row in TABLE}
    assert rows["n"]["value"] == 3
    assert rows["n"]["origin"] == "environment LLMSTEP_N"
    assert rows["seed"]["origin"] == "default"


def test_show_reports_what_was_not_taken(home: Path) -> None:
    (home / "config").mkdir()
    (home / "config" / "config.toml").write_text("n = 0\n", encoding="utf-8")
    result = CliRunner().invoke(cli, ["config", "show"])
    assert result.exit_code == 0
    assert "n = 8    from default" in result.output
    assert "not taken" in result.output
    assert "must be a whole number from 1 to 64, not 0" in result.output


def test_path_is_under_the_home_that_was_set(home: Path) -> None:
    result = CliRunner().invoke(cli, ["config", "path"])
    assert result.output.strip() == str(home / "config" / "config.toml")
