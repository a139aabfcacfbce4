from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from llmstep.console import CommandError, Console
from llmstep.errors import LLMStepError
from llmstep.install import background, checkout, llama_cpp, packages
from llmstep.install.background import Build
from llmstep_workshop import development

ROOT = Path(__file__).parents[3]


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch) -> ModuleType:
    """The module, working on a checkout in a temporary folder."""
    root = tmp_path / "a checkout"
    workshop = root / "sidecar" / "workshop"
    workshop.mkdir(parents=True)
    (root / "pyproject.toml").write_text("[project]\n")
    (workshop / "pyproject.toml").write_text("[project]\n")
    monkeypatch.setattr(checkout, "ROOT", root)
    monkeypatch.setattr(checkout, "WORKSHOP", workshop)
    monkeypatch.setattr(checkout, "VENV", root / ".venv")
    monkeypatch.setattr(checkout, "STAMP", root / ".venv" / "llmstep-setup.json")
    monkeypatch.setattr(checkout, "LOG", root / "build" / "bootstrap.log")
    return checkout


class Recorder(Console):
    """Writes commands down instead of running them; ``fails`` names the titles that fail."""

    def __init__(self) -> None:
        self.shown = io.StringIO()
        super().__init__(self.shown, live=False)
        self.commands: list[list[str]] = []
        self.fails: dict[str, str] = {}

    def run(self, title, command, *, expect="", expect_s=None, env=None) -> str:
        self.commands.append([str(part) for part in command])
        if title in self.fails:
            raise CommandError(f"{title}: failed", self.fails[title])
        return ""


@pytest.fixture
def console(monkeypatch) -> Recorder:
    monkeypatch.setattr("shutil.which", lambda name: None)
    return Recorder()


def finish(bootstrap: ModuleType, extras: list[str]) -> None:
    bootstrap.VENV.mkdir(exist_ok=True)
    bootstrap.STAMP.write_text(json.dumps({**bootstrap.fingerprint(), "extras": extras}))


def succeed(monkeypatch, answer) -> None:
    monkeypatch.setattr(checkout, "succeeds", answer)


def test_a_finished_set_up_is_left_alone(bootstrap, console, monkeypatch):
    finish(bootstrap, ["gguf"])
    succeed(monkeypatch, lambda command: True)
    bootstrap.set_up(console)
    assert console.commands == []
    assert console.shown.getvalue() == ""


@pytest.mark.parametrize("damage", ["stamp", "requirements", "extras", "place", "modules"])
def test_anything_unfinished_or_changed_is_set_up_again(bootstrap, monkeypatch, damage):
    finish(bootstrap, ["gguf"])
    succeed(monkeypatch, lambda command: damage != "modules")
    extras = ("gguf",)
    if damage == "stamp":
        bootstrap.STAMP.write_text('{"root": "x"')
    elif damage == "requirements":
        (bootstrap.ROOT / "pyproject.toml").write_text("[project]\n# one more\n")
    elif damage == "extras":
        extras = ("gguf", "dev")
    elif damage == "place":
        stamp = json.loads(bootstrap.STAMP.read_text())
        bootstrap.STAMP.write_text(json.dumps({**stamp, "root": "/elsewhere"}))
    assert not bootstrap.is_ready(extras)


@pytest.fixture
def fresh(bootstrap, console, monkeypatch):
    """A machine with nothing on it; what is done, in order, by name."""
    done: list[str] = []
    succeed(monkeypatch, lambda command: False)

    def run(title, command, *, expect="", expect_s=None, env=None):
        if "venv" in command:
            bootstrap.VENV.mkdir()
        done.append(title)
        return Recorder.run(console, title, command)

    def ready_made(console, python):
        done.append("ready made")
        return fresh.route

    def start(python, prefix):
        done.append("background")
        return Build("running", 1, 0.0, 0.0)

    def build(console, python):
        done.append("foreground")

    monkeypatch.setattr(console, "run", run)
    monkeypatch.setattr(packages, "ensure_pip", lambda console, python: None)
    monkeypatch.setattr(llama_cpp, "install_ready_made", ready_made)
    monkeypatch.setattr(llama_cpp, "build_llama_cpp", build)
    monkeypatch.setattr(background, "start_build", start)
    fresh.route = None
    fresh.done = done
    return fresh


def test_a_fresh_set_up_shows_its_steps_and_the_sidecar_comes_first(bootstrap, console, fresh):
    fresh.route = "prebuilt"
    bootstrap.set_up(console)
    shown = console.shown.getvalue()
    assert [line[:5] for line in shown.splitlines() if line.startswith("[")] == [
        "[1/3]",
        "[2/3]",
        "[3/3]",
    ]
    assert fresh.done == ["making it with venv", "installing", "ready made"]
    # llama-cpp-python is no requirement of the sidecar: pip would compile it on the spot.
    assert console.commands[-1][-2:] == ["--editable", str(bootstrap.ROOT)]
    assert json.loads(bootstrap.STAMP.read_text())["extras"] == []
    assert "answers already" in shown
    assert shown.index("answers already") < shown.index("[3/3]")


def test_where_it_must_be_compiled_that_happens_in_the_background(bootstrap, console, fresh):
    bootstrap.set_up(console)
    assert fresh.done[2:] == ["ready made", "background"]
    shown = console.shown.getvalue()
    assert "compiled in the background" in shown
    assert "minutes on" in shown
    assert "llmstep status" in shown.replace(".exe", "")


def test_who_waits_has_it_compiled_in_the_foreground(bootstrap, console, fresh):
    bootstrap.set_up(console, wait=True)
    assert fresh.done[2:] == ["ready made", "foreground"]


def test_a_build_that_runs_already_is_not_started_twice(bootstrap, console, fresh, monkeypatch):
    running = Build("running", 1, 0.0, 0.0)
    monkeypatch.setattr(background, "read_build", lambda prefix: running)
    monkeypatch.setattr(
        background, "follow_build", lambda console, prefix: fresh.done.append("follow")
    )
    bootstrap.set_up(console)
    assert fresh.done[2:] == []
    assert "since an earlier call" in console.shown.getvalue()
    bootstrap.set_up(console, wait=True)
    assert fresh.done[-1] == "follow"


def test_a_sidecar_that_is_there_is_not_installed_again_for_llama_cpp(
    bootstrap, console, fresh, monkeypatch
):
    finish(bootstrap, [])
    succeed(monkeypatch, lambda command: "llama_cpp" not in command)
    bootstrap.set_up(console)
    assert fresh.done == ["ready made", "background"]


def test_an_environment_that_was_cut_off_is_made_anew(bootstrap, console):
    bootstrap.VENV.mkdir()
    (bootstrap.VENV / "half").write_text("")
    bootstrap.make_venv(console)
    assert not (bootstrap.VENV / "half").exists()
    assert console.commands == [[sys.executable, "-m", "venv", str(bootstrap.VENV)]]


def test_an_environment_that_works_is_kept_but_no_longer_counts_as_finished(
    bootstrap, console, monkeypatch
):
    finish(bootstrap, ["gguf"])
    succeed(monkeypatch, lambda command: True)
    bootstrap.make_venv(console)
    assert bootstrap.VENV.is_dir()
    assert not bootstrap.STAMP.exists()
    assert console.commands == []


def test_uv_makes_the_environment_where_it_is_there_and_venv_where_it_fails(
    bootstrap, console, monkeypatch
):
    monkeypatch.setattr("shutil.which", lambda name: "/opt/uv" if name == "uv" else None)
    console.fails = {"making it with uv": ""}
    bootstrap.make_venv(console)
    assert [command[0] for command in console.commands] == ["/opt/uv", sys.executable]


def test_a_debian_without_ensurepip_uses_the_systems_pip(bootstrap, console):
    console.fails = {"making it with venv": "ensurepip is not available"}
    bootstrap.make_venv(console)
    assert "--without-pip" in console.commands[1]
    assert console.commands[2][-2:] == ["install", "pip"]


def test_a_debian_without_any_pip_is_told_the_package_to_install(bootstrap, console):
    console.fails = {"making it with venv": "ensurepip is not available", "adding pip": ""}
    with pytest.raises(LLMStepError) as caught:
        bootstrap.make_venv(console)
    assert "apt install python3" in caught.value.hint
    assert not bootstrap.VENV.exists()


def test_torch_comes_from_the_index_without_cuda_on_linux(bootstrap, console, monkeypatch):
    asked: list[list[str]] = []

    def install(console, python, title, arguments):
        asked.append(list(arguments))
        if len(asked) == 1:
            raise CommandError("no wheel", "")

    succeed(monkeypatch, lambda command: False)
    monkeypatch.setattr(packages, "install_packages", install)
    monkeypatch.setattr(packages, "is_reachable", lambda url: True)
    monkeypatch.setattr(development.sys, "platform", "linux")
    assert development.install_torch(console)
    assert asked == [
        ["--index-url", development.TORCH_CPU_INDEX, development.TORCH_PIN],
        [development.TORCH_PIN],
    ]


def test_without_torch_the_rest_is_set_up_and_the_next_run_tries_again(
    bootstrap, console, monkeypatch
):
    finish(bootstrap, [])
    succeed(monkeypatch, lambda command: "torch" not in command)
    monkeypatch.setattr(llama_cpp, "ensure_llama_cpp", lambda console, python: "present")
    monkeypatch.setattr(packages, "is_reachable", lambda url: False)
    monkeypatch.setattr(packages, "ensure_pip", lambda console, python: None)
    console.fails = {f"installing {development.TORCH_PIN} (about 200 MB)": "no match"}
    development.set_up_tests(console)
    assert "will be skipped" in console.shown.getvalue()
    assert console.commands[-1][-3::2] == [
        f"{bootstrap.ROOT}[gguf,dev]",
        f"{bootstrap.WORKSHOP}[convert]",
    ]
    assert not bootstrap.is_ready(("gguf", "train", "dev"))


@pytest.mark.parametrize(
    ("codes", "expected"),
    [([0, 0, 0, 0, 0], 0), ([1, 0, 0, 0, 0], 1), ([0, 0, 0, 0, 5], 5), ([0, 1, 1, 0, 2], 2)],
)
def test_every_check_runs_with_pytest_last_and_any_failure_counts(
    bootstrap, console, monkeypatch, codes, expected
):
    called: list[list[str]] = []

    def call(command, cwd):
        called.append(command)
        return codes[len(called) - 1]

    monkeypatch.setattr("subprocess.call", call)
    assert development.run_checks(console, ["-k", "name"]) == expected
    assert [Path(command[0]).stem for command in called[:-1]] == [
        "ruff",
        "ruff",
        "basedpyright",
        "lint-imports",
    ]
    processes = str(min(os.cpu_count() or 1, 4))
    pytest_command = ["-m", "pytest", "-n", processes, "--dist", "loadfile", "-k", "name"]
    assert called[-1][1:] == pytest_command


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (
            CommandError("installing: failed: no package index could be reached", "a\nb"),
            ["a", "b", "(the whole", "Error: installing: failed: no package index", "Try again: "],
        ),
        (LLMStepError("no ensurepip", hint="sudo apt ..."), ["Error: no ensurepip", "sudo apt"]),
    ],
)
def test_errors_end_with_the_one_command_to_try(bootstrap, monkeypatch, capsys, error, lines):
    def fail(console, wait):
        raise error

    monkeypatch.setattr(bootstrap, "set_up", fail)
    assert bootstrap.main(["setup"]) == 1
    shown = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert len(shown) == len(lines)
    for line, start in zip(shown, lines, strict=True):
        assert line.startswith(start)


def test_an_interrupt_says_that_it_can_be_run_again(bootstrap, monkeypatch, capsys):
    def interrupt(console, wait):
        raise KeyboardInterrupt

    monkeypatch.setattr(bootstrap, "set_up", interrupt)
    assert bootstrap.main(["demo"]) == 130
    assert "bootstrap.py demo" in capsys.readouterr().out


def test_without_arguments_the_commands_are_shown(bootstrap, capsys):
    assert bootstrap.main([]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in bootstrap.COMMANDS)


def test_the_version_is_told(bootstrap, capsys):
    with pytest.raises(SystemExit) as ended:
        bootstrap.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("llmstep 2.")


@pytest.mark.parametrize(("arguments", "waits"), [(["setup"], False), (["setup", "--wait"], True)])
def test_setup_waits_when_asked(bootstrap, monkeypatch, arguments, waits):
    asked: list[bool] = []
    monkeypatch.setattr(bootstrap, "set_up", lambda console, wait: asked.append(wait))
    assert bootstrap.main(arguments) == 0
    assert asked == [waits]


def test_setup_takes_nothing_it_would_ignore(bootstrap, capsys):
    with pytest.raises(SystemExit) as ended:
        bootstrap.main(["setup", "--wiat"])
    assert ended.value.code == 2
    assert "--wiat" in capsys.readouterr().err


def test_the_named_modules_are_those_of_the_requirements():
    """A dependency that is added must also be looked for by the quick check."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in project["dependencies"]:
        name = requirement.partition(">")[0].partition("=")[0]
        assert name in checkout.MODULES[""]


@pytest.mark.skipif(os.name != "posix", reason="a shell script")
def test_ci_runs_the_tests_of_the_bootstrap_script(tmp_path: Path):
    ci = tmp_path / "repo" / ".ci"
    ci.mkdir(parents=True)
    (ci / "run").write_text((ROOT / ".ci" / "run").read_text())
    (tmp_path / "repo" / "bootstrap.py").write_text(
        "import os, sys; print(os.getcwd(), *sys.argv[1:])"
    )
    result = subprocess.run(
        ["bash", str(ci / "run"), "-x"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert result.stdout.split() == [str(tmp_path / "repo"), "test", "-x"]


def test_the_project_that_required_this_checkout(tmp_path: Path) -> None:
    package = tmp_path / ".lake" / "packages" / "llmstep"
    assert checkout.find_workspace(package) == tmp_path
    assert checkout.find_workspace(tmp_path / "src" / "llmstep") is None
