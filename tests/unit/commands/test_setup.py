from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from llmstep.commands.setup import setup
from llmstep.editors.edits import EDITORS, find_editors
from llmstep.editors.jsonc import read_object

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="folders of POSIX systems")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "proofs"
    folder.mkdir()
    (folder / "lean-toolchain").write_text("leanprover/lean4:v4.27.0\n")
    return folder


def run(project: Path, *arguments: str) -> Result:
    return CliRunner().invoke(
        setup, [*arguments, "--project", str(project)], catch_exceptions=False
    )


def snapshot(*folders: Path) -> dict[Path, bytes]:
    return {
        path: path.read_bytes()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_without_write_nothing_is_written(home: Path, project: Path) -> None:
    before = snapshot(home, project)
    result = run(project, *EDITORS)
    assert "Nothing was written" in result.output
    assert "llmstep.lua" in result.output
    assert snapshot(home, project) == before


@pytest.mark.parametrize("editor", [name for name in EDITORS if name != "zed"])
def test_writing_twice_is_writing_once_and_removing_undoes_it(
    home: Path, project: Path, editor: str
) -> None:
    before = snapshot(home, project)
    run(project, editor, "--write")
    once = snapshot(home, project)
    assert once != before
    assert "nothing to change" in run(project, editor, "--write").output
    assert snapshot(home, project) == once
    run(project, editor, "--remove", "--write")
    assert snapshot(home, project) == before


def test_vs_codes_tasks_run_the_program_that_is_here(
    home: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = r"C:\Users\me\Scripts\llmstep.exe"
    monkeypatch.setattr("llmstep.commands.setup.find_program", lambda: program)
    run(project, "vscode", "--write")
    tasks = read_object((project / ".vscode" / "tasks.json").read_text())["tasks"]
    (doctor,) = [task for task in tasks if task["args"] == ["doctor"]]
    assert doctor["command"] == doctor["windows"]["command"] == program


def test_vs_codes_own_lines_and_comments_are_kept(home: Path, project: Path) -> None:
    settings = project / ".vscode" / "settings.json"
    settings.parent.mkdir()
    text = '{\n  // my reasons\n  "lean4.infoview.autoOpen": false,\n  "own": 1\n}\n'
    settings.write_text(text)
    result = run(project, "vscode", "--write")
    assert "your own lean4.infoview.autoOpen is kept" in result.output
    written = settings.read_text()
    assert "// my reasons" in written
    assert read_object(written)["lean4.infoview.autoOpen"] is False
    assert read_object(written)["lean4.envPathExtensions"]
    run(project, "vscode", "--remove", "--write")
    assert settings.read_text() == text


def test_a_file_that_cannot_be_read_or_is_not_ours_is_left_alone(home: Path, project: Path) -> None:
    folder = project / ".vscode"
    folder.mkdir()
    (folder / "settings.json").write_text("{ not json")
    (folder / "tasks.json").write_text('{"tasks": []}')
    lua = home / ".config" / "nvim" / "plugin" / "llmstep.lua"
    lua.parent.mkdir(parents=True)
    lua.write_text("-- by hand\n")
    before = {path: path.read_text() for path in (folder / "settings.json", lua)}
    result = run(project, "vscode", "neovim", "--write")
    assert "cannot be read" in result.output
    assert "is yours and is left alone" in result.output
    assert {path: path.read_text() for path in before} == before


def test_an_empty_settings_file_of_the_users_is_not_taken_away(home: Path, project: Path) -> None:
    settings = project / ".vscode" / "settings.json"
    settings.parent.mkdir()
    settings.write_text("{}\n")
    run(project, "vscode", "--remove", "--write")
    assert settings.read_text() == "{}\n"


def test_helix_gets_a_file_it_can_read_and_no_second_table_for_lean(
    home: Path, project: Path
) -> None:
    path = home / ".config" / "helix" / "languages.toml"
    run(project, "helix", "--write")
    table = tomllib.loads(path.read_text())
    assert table["language-server"]["llmstep"]["args"] == ["serve"]
    own = '[[language]]\nname = "lean"\nindent = { tab-width = 2, unit = "  " }\n'
    path.write_text(own)
    result = run(project, "helix", "--write")
    assert "language-servers" in result.output
    assert path.read_text() == own


def test_the_block_goes_to_the_init_file_that_emacs_reads(home: Path, project: Path) -> None:
    (home / ".emacs").write_text("(setq mine t)\n")
    run(project, "emacs", "--write")
    assert "lsp-register-client" in (home / ".emacs").read_text()
    assert not (home / ".emacs.d").exists()


def test_a_link_stays_a_link(home: Path, project: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.el"
    real.write_text("(setq mine t)\n")
    (home / ".emacs").symlink_to(real)
    run(project, "emacs", "--write")
    assert (home / ".emacs").is_symlink()
    assert "lsp-register-client" in real.read_text()


def test_editors_are_found_by_their_programs_and_by_the_project(
    home: Path, project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "hx").write_text("#!/bin/sh\n")
    (programs / "hx").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    assert find_editors(project) == ["helix"]
    (project / ".vscode").mkdir()
    assert find_editors(project) == ["vscode", "helix"]


def test_an_unknown_editor_is_told_with_the_one_meant(project: Path) -> None:
    result = CliRunner().invoke(setup, ["neovi"])
    assert result.exit_code == 2
    assert "Did you mean neovim?" in result.output
