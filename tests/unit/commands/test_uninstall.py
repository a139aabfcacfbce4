from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from llmstep import paths
from llmstep.cli import cli
from llmstep.commands.uninstall import list_folders


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    monkeypatch.setenv("LLMSTEP_HOME", str(home))
    for folder in (paths.config_file().parent, paths.cache_dir(), paths.data_dir()):
        folder.mkdir(parents=True)
        (folder / "file").write_text("x" * 1000)
    (home / "mine.txt").write_text("not llmstep's")
    return home


def test_it_lists_first(home: Path) -> None:
    result = CliRunner().invoke(cli, ["uninstall"])
    assert result.exit_code == 0
    for folder in (paths.config_file().parent, paths.cache_dir(), paths.data_dir()):
        assert f"would remove {folder}" in result.stdout
        assert folder.exists()
    assert str(paths.log_dir()) not in result.stdout


def test_it_removes_its_own_folders_and_nothing_else(home: Path) -> None:
    result = CliRunner().invoke(cli, ["uninstall", "--yes"])
    assert result.exit_code == 0
    assert sorted(path.name for path in home.iterdir()) == ["mine.txt"]
    assert "written nothing here" in CliRunner().invoke(cli, ["uninstall", "--yes"]).stdout


def test_models_can_be_kept(home: Path) -> None:
    CliRunner().invoke(cli, ["uninstall", "--yes", "--keep-models"])
    assert (paths.data_dir() / "file").exists()
    assert not paths.cache_dir().exists()


def test_models_are_kept_that_share_a_folder_with_settings_and_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS, where settings and models are in one folder, and Windows, where all is."""
    data = tmp_path / "llmstep"
    monkeypatch.delenv("LLMSTEP_HOME", raising=False)
    monkeypatch.setattr(paths, "data_dir", lambda: data)
    monkeypatch.setattr(paths, "config_file", lambda: data / "config.toml")
    monkeypatch.setattr(paths, "cache_dir", lambda: data / "Cache")
    monkeypatch.setattr(paths, "log_dir", lambda: data / "Logs")
    (data / "Cache").mkdir(parents=True)
    (data / "model.gguf").write_text("")
    assert list(list_folders()) == [data]
    assert "your settings, models" in list_folders()[data]
    CliRunner().invoke(cli, ["uninstall", "--yes", "--keep-models"])
    assert [path.name for path in data.iterdir()] == ["model.gguf"]


def test_a_link_to_elsewhere_is_not_followed(home: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis").write_text("")
    paths.log_dir().symlink_to(precious)
    CliRunner().invoke(cli, ["uninstall", "--yes"])
    assert (precious / "thesis").exists()


def test_the_platforms_folders_are_ours_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LLMSTEP_HOME")
    assert list_folders()
    assert all(paths.APP in folder.parts for folder in list_folders())
