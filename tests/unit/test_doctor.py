from __future__ import annotations

import io
import json
import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from llmstep import doctor, handshake, paths, repair
from llmstep.commands import doctor as command
from llmstep.console import Console
from llmstep.doctor import Check
from llmstep.errors import LLMStepError, ModelFileError
from llmstep.install import llama_cpp, packages, probe
from llmstep.install.probe import LlamaCpp


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch) -> Path:
    home = tmp_path / "home"
    monkeypatch.setenv("LLMSTEP_HOME", str(home))
    for name in [name for name in os.environ if name.startswith("LLMSTEP_")]:
        if name != "LLMSTEP_HOME":
            monkeypatch.delenv(name)
    return home


def test_sources_are_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    check = doctor.check_sources()
    assert check.status == "ok"
    assert "model, library, file, goal, portfolio" in check.detail
    assert re.search(r"\d{2,3},\d{3} steps in .*llmstep-builtin.tactics; \d+ closers", check.detail)
    monkeypatch.setenv("LLMSTEP_SOURCES", "model")
    assert doctor.check_sources().detail == "model"
    monkeypatch.setenv("LLMSTEP_SOURCES", "library")
    monkeypatch.setenv("LLMSTEP_LIBRARY", str(tmp_path / "none.tactics"))
    monkeypatch.setattr(doctor, "CHECKS", {"sources": doctor.check_sources})
    (broken,) = doctor.run_checks()
    assert broken.status == "fail"
    assert "none.tactics" in broken.detail
    assert "llmstep index build" in broken.cure


def test_the_python_is_named():
    assert sys.executable in doctor.check_python().detail


def test_the_libraries_of_the_core_are_there_with_their_versions():
    check = doctor.check_libraries()
    assert check.status == "ok"
    assert "pygls 2" in check.detail


def test_a_library_that_cannot_be_imported_is_named_and_can_be_installed(monkeypatch):
    monkeypatch.setattr(repair, "LIBRARIES", {"attrs": "attrs", "pygls": "no_such_module"})
    check = doctor.check_libraries()
    assert check.status == "fail"
    assert "pygls: ModuleNotFoundError" in check.detail
    assert "--fix" in check.cure


def test_fix_installs_the_requirement_the_package_states(monkeypatch):
    asked: list[list[str]] = []
    monkeypatch.setattr(repair, "LIBRARIES", {"pygls": "no_such_module"})
    monkeypatch.setattr(
        packages, "install_packages", lambda console, python, title, what: asked.append(what)
    )
    ensured: list[Path] = []
    monkeypatch.setattr(
        llama_cpp, "ensure_llama_cpp", lambda console, python: ensured.append(python)
    )
    repair.fix(Console(io.StringIO()))
    ((requirement,),) = asked
    assert requirement.startswith("pygls")
    assert ">=2" in requirement
    assert ensured == [Path(sys.executable)]


@pytest.mark.parametrize(
    ("found", "status", "text"),
    [
        (LlamaCpp(True, "0.3.36", "CPU : AVX2 = 1 | AMX = 0 |"), "ok", "0.3.36 (AVX2)"),
        (LlamaCpp(False, problem="it is not installed"), "fail", "not installed"),
    ],
)
def test_llama_cpp(monkeypatch, found, status, text):
    monkeypatch.setattr(probe, "probe_llama_cpp", lambda python: found)
    check = doctor.check_llama_cpp()
    assert check.status == status
    assert text in check.detail
    assert bool(check.cure) == (status == "fail")


def test_without_llama_cpp_a_model_of_another_backend_still_runs(monkeypatch):
    missing = LlamaCpp(False, problem="it is not installed")
    monkeypatch.setattr(probe, "probe_llama_cpp", lambda python: missing)
    monkeypatch.setenv("LLMSTEP_MODEL", "echo")
    assert doctor.check_llama_cpp().status == "warn"


def test_a_damaged_model_file_is_a_failure(own_home: Path, monkeypatch):
    folder = paths.data_dir() / "models"
    folder.mkdir(parents=True)
    card = (paths.models_dir() / "builtin.toml").read_text(encoding="utf-8")
    (folder / "mine.toml").write_text(card.replace('id = "builtin"', 'id = "mine"'), "utf-8")
    file = folder / "mine" / "llmstep-builtin.gguf"
    file.parent.mkdir()
    file.write_bytes(b"GGUF, cut off")
    monkeypatch.setenv("LLMSTEP_MODEL", "mine")
    monkeypatch.setattr(doctor, "CHECKS", {"model": doctor.check_model})
    (check,) = doctor.run_checks()
    assert check.status == "fail"
    assert "its card says" in check.detail
    assert "fetch it again" in check.cure


def test_the_built_in_model_is_whole():
    check = doctor.check_model()
    assert check.status == "ok", check.detail
    assert "size and sha256 as on the card" in check.detail


def test_a_model_that_does_not_exist_is_named(monkeypatch):
    monkeypatch.setenv("LLMSTEP_MODEL", "biultin")
    monkeypatch.setattr(doctor, "CHECKS", {"model": doctor.check_model})
    (check,) = doctor.run_checks()
    assert check.status == "fail"
    assert "did you mean 'builtin'" in check.detail


def test_settings_that_do_not_exist_are_named_with_their_place(own_home: Path):
    file = paths.config_file()
    file.parent.mkdir(parents=True)
    file.write_text("modle = 'x'\nthreads = 2\n")
    check = doctor.check_settings()
    assert check.status == "warn"
    assert "`modle`" in check.detail
    assert str(file) in check.cure
    file.write_text("threads = 2\n")
    check = doctor.check_settings()
    assert (check.status, check.cure) == ("ok", "")
    assert "threads set" in check.detail


def test_no_settings_file_is_needed():
    check = doctor.check_settings()
    assert check.status == "ok"
    assert "none is needed" in check.detail


def test_a_folder_that_cannot_be_written_is_a_warning(own_home: Path):
    own_home.write_text("a file where the folder should be")
    check = doctor.check_cache()
    assert check.status == "warn"
    assert "LLMSTEP_HOME" in check.cure


def test_a_full_disk_is_a_warning(monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
    assert doctor.check_cache().status == "warn"


def test_more_threads_than_cores_are_a_warning(monkeypatch):
    monkeypatch.setattr(doctor, "_model_bytes", lambda: 0)
    assert doctor.check_machine().status == "ok"
    monkeypatch.setenv("LLMSTEP_THREADS", "1000")
    check = doctor.check_machine()
    assert check.status == "warn"
    assert "threads" in check.cure


def test_a_model_larger_than_the_free_memory_is_a_warning(monkeypatch):
    monkeypatch.setattr(doctor, "_model_bytes", lambda: 1 << 60)
    check = doctor.check_machine()
    assert check.status == "warn"
    assert "smaller" in check.cure


def test_lean_is_found_in_elans_folder_and_nothing_of_it_is_run_but_elans_list(
    tmp_path: Path, monkeypatch
):
    if os.name != "posix":
        pytest.skip("the fakes are shell scripts")
    folder = tmp_path / "elan" / "bin"
    folder.mkdir(parents=True)
    monkeypatch.setenv("ELAN_HOME", str(tmp_path / "elan"))
    monkeypatch.setenv("PATH", "/nowhere")
    assert doctor.check_lean().status == "warn"
    for name, body in {
        "lake": f"touch '{tmp_path}/lake-ran'",
        "elan": "echo 'leanprover/lean4:v4.35.0 (default)'",
    }.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    check = doctor.check_lean()
    assert check.status == "ok"
    assert "v4.35.0" in check.detail
    assert not (tmp_path / "lake-ran").exists()


def test_a_command_outside_the_path_brings_the_line_for_the_editor(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    check = doctor.check_command()
    assert check.status == "warn"
    assert "lean4.envPathExtensions" in check.cure
    assert Path(sys.executable).parent.as_posix() in check.cure


def test_the_sidecar_is_asked_for_real(monkeypatch, tmp_path: Path):
    # The scripted backend, so that the test needs no model.
    script = tmp_path / "script.json"
    script.write_text(json.dumps([{"candidates": [{"tactic": "exact ⟨hp, hq⟩", "score": -0.1}]}]))
    monkeypatch.setenv("LLMSTEP_MODEL", "echo")
    monkeypatch.setenv("LLMSTEP_ECHO_SCRIPT", str(script))
    check = doctor.check_sidecar()
    assert check.status == "ok", check.detail
    assert "exact ⟨hp, hq⟩" in check.detail


def test_a_sidecar_without_suggestions_is_a_warning(monkeypatch):
    talk = handshake.Conversation("m", (), 1.0, 2.0)
    monkeypatch.setattr(handshake, "converse", lambda arguments, goal: talk)
    assert doctor.check_sidecar().status == "warn"


def test_a_check_that_breaks_does_not_keep_the_others_from_running(monkeypatch):
    def raise_ours() -> Check:
        raise ModelFileError("the file is empty", hint="pull it again")

    def raise_other() -> Check:
        raise RuntimeError("boom")

    monkeypatch.setattr(
        doctor,
        "CHECKS",
        {"a": raise_ours, "b": raise_other, "c": lambda: Check("c", "ok", "fine")},
    )
    assert list(doctor.run_checks()) == [
        Check("a", "fail", "the file is empty", "pull it again"),
        Check("b", "fail", "RuntimeError: boom", doctor.UNEXPECTED),
        Check("c", "ok", "fine"),
    ]


def run(monkeypatch, checks: list[Check], *arguments: str):
    monkeypatch.setattr(doctor, "CHECKS", {check.name: lambda c=check: c for check in checks})
    monkeypatch.setattr(command, "CHECKS", doctor.CHECKS)
    return CliRunner().invoke(command.doctor, list(arguments))


def test_warnings_alone_do_not_fail(monkeypatch):
    result = run(monkeypatch, [Check("Lean", "warn", "no lake", "Install it.")])
    assert result.exit_code == 0
    assert "Install it." in result.stdout
    assert result.stdout.splitlines()[-1] == "1 to look at."


def test_a_failure_gives_exit_code_one(monkeypatch):
    result = run(monkeypatch, [Check("a", "ok", "x"), Check("b", "fail", "y", "z")])
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == "1 failed."


def test_all_well(monkeypatch):
    assert run(monkeypatch, [Check("a", "ok", "x")]).stdout.splitlines()[-1] == "All is well."


def test_json_has_every_check_and_nothing_else(monkeypatch):
    result = run(monkeypatch, [Check("a", "ok", "⊢"), Check("b", "fail", "y", "z")], "--json")
    report = json.loads(result.stdout)
    assert report["ok"] is False
    assert report["checks"][1] == {"name": "b", "status": "fail", "detail": "y", "cure": "z"}


def test_one_check_can_be_asked_for(monkeypatch):
    asked = [Check("a", "ok", "x"), Check("b", "fail", "y")]
    result = run(monkeypatch, asked, "--only", "a")
    assert result.exit_code == 0
    assert "y" not in result.stdout
    wrong = run(monkeypatch, asked, "--only", "c")
    assert wrong.exit_code == 2
    assert "there are: a, b" in wrong.stderr


def test_fix_that_fails_still_shows_the_checks(monkeypatch):
    def fail(console) -> None:
        raise LLMStepError("no network", hint="connect")

    monkeypatch.setattr(repair, "fix", fail)
    result = run(monkeypatch, [Check("a", "ok", "x")], "--fix")
    assert "not mended: no network" in result.stderr
    assert "All is well." in result.stdout
