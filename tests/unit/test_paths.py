from __future__ import annotations

import sys
from pathlib import Path

import pytest

from llmstep import paths
from llmstep.config import resolve
from llmstep.service.catalog import read_catalog


def test_one_variable_moves_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path))
    places = [paths.config_file(), paths.cache_dir(), paths.log_dir(), paths.data_dir()]
    assert all(tmp_path in place.parents for place in places)
    assert len(set(places)) == len(places)


def test_the_models_folder_holds_the_built_in_card() -> None:
    assert (paths.models_dir() / "builtin.toml").is_file()


def test_a_packaged_models_folder_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "_models").mkdir()
    monkeypatch.setattr(paths, "__file__", str(tmp_path / "paths.py"))
    assert paths.models_dir() == tmp_path / "_models"


def test_an_extra_is_installed_where_llmstep_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(__file__).parents[2]
    assert paths.install_command("hf") == f'"{sys.executable}" -m pip install -e "{root}[hf]"'
    installed = tmp_path / "site-packages" / "llmstep" / "paths.py"
    monkeypatch.setattr(paths, "__file__", str(installed))
    assert paths.install_command("hf") == f'"{sys.executable}" -m pip install "llmstep[hf]"'


def test_a_home_folder_that_is_nobodys_is_told_of_and_done_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LLMSTEP_HOME", "~nobody-of-that-name/x")
    assert paths.config_file().is_absolute()
    problems = resolve(environ={}).problems
    assert [problem.name for problem in problems] == ["LLMSTEP_HOME"]
    assert "'~nobody-of-that-name/x'" in problems[0].message
    assert paths.expand("~nobody-of-that-name/x") == Path("~nobody-of-that-name/x")


def test_without_a_home_folder_nothing_is_read_or_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home(*_: object, **__: object) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("LLMSTEP_HOME")
    for kind in ("config", "cache", "log", "data"):
        monkeypatch.setattr(f"platformdirs.user_{kind}_path", no_home)
    monkeypatch.setattr(Path, "expanduser", no_home)
    assert resolve(environ={}).problems == ()
    assert "builtin" in [card.id for card in read_catalog().cards]
    with pytest.raises(OSError, match="Not a directory"):
        paths.cache_dir().mkdir(parents=True)
