from __future__ import annotations

import ast
import importlib.util
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from llmstep import compiler, install
from llmstep.console import CommandError, Console
from llmstep.errors import LLMStepError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch) -> ModuleType:
    """The script as a module that works on a checkout in a temporary folder."""
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    root = tmp_path / "a checkout"
    root.mkdir()
    (root / "pyproject.toml").write_text("[project]\n")
    monkeypatch.setattr(module, "ROOT", root)
    monkeypatch.setattr(module, "VENV", root / ".venv")
    monkeypatch.setattr(module, "STAMP", root / ".venv" / "llmstep-setup.json")
    monkeypatch.setattr(module, "LOG", root / "build" / "bootstrap.log")
    return module


class Recorder(Console):
    """Writes commands down instead of running them; ``fails`` names the titles that fail."""

    def __init__(self) -> None:
        self.shown = io.StringIO()
        super().__init__(self.shown, live=False)
        self.commands: list[list[str]] = []
        self.fails: dict[str, str] = {}

    def run(self, title, command, *, expect="", env=None) -> str:
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


def test_an_old_python_can_still_read_the_script():
    ast.parse((ROOT / "bootstrap.py").read_text(encoding="utf-8"), feature_version=(3, 7))


def test_only_the_standard_library_is_imported_at_the_start():
    tree = ast.parse((ROOT / "bootstrap.py").read_text(encoding="utf-8"))
    for node in tree.body:
        for name in ast.walk(node) if isinstance(node, (ast.Import, ast.ImportFrom)) else ():
            if isinstance(name, ast.alias) and isinstance(node, ast.Import):
                assert name.name.partition(".")[0] in sys.stdlib_module_names
            if isinstance(name, ast.ImportFrom):
                assert (name.module or "").partition(".")[0] in sys.stdlib_module_names


@pytest.mark.parametrize("name", ["console", "install", "compiler", "errors", "__init__"])
def test_what_it_uses_of_the_package_needs_no_other_package(name):
    source = (ROOT / "sidecar" / "llmstep" / f"{name}.py").read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for imported in names:
            top = imported.partition(".")[0]
            assert top in sys.stdlib_module_names or imported in {
                "llmstep.console",
                "llmstep.compiler",
                "llmstep.errors",
            }


def test_an_old_python_without_a_newer_one_is_told_in_one_sentence(bootstrap, monkeypatch, capsys):
    monkeypatch.setattr(bootstrap, "sys", SimpleNamespace(version_info=(3, 9), stderr=sys.stderr))
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert bootstrap.main(["demo"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "needs Python 3.11" in line
    assert "3.9" in line


def test_an_old_python_hands_over_to_a_newer_one(bootstrap, monkeypatch):
    calls: list[list[str]] = []
    monkeypatch.setattr(bootstrap, "sys", SimpleNamespace(version_info=(3, 9), stderr=sys.stderr))
    monkeypatch.setattr(
        "shutil.which", lambda name: sys.executable if name == "python3.12" else None
    )

    def call(command, **_):
        calls.append(command)
        return 0 if "-c" in command else 7

    monkeypatch.setattr("subprocess.call", call)
    assert bootstrap.main(["demo", "-n", "3"]) == 7
    assert calls[1:] == [[sys.executable, str(ROOT / "bootstrap.py"), "demo", "-n", "3"]]


def test_a_finished_set_up_is_left_alone(bootstrap, console, monkeypatch):
    finish(bootstrap, ["gguf"])
    monkeypatch.setattr(compiler, "succeeds", lambda command: True)
    bootstrap.set_up(console)
    assert console.commands == []
    assert console.shown.getvalue() == ""


@pytest.mark.parametrize("damage", ["stamp", "requirements", "extras", "place", "modules"])
def test_anything_unfinished_or_changed_is_set_up_again(bootstrap, monkeypatch, damage):
    finish(bootstrap, ["gguf"])
    monkeypatch.setattr(compiler, "succeeds", lambda command: damage != "modules")
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


def test_a_fresh_set_up_shows_its_steps_and_ends_ready(bootstrap, console, monkeypatch):
    monkeypatch.setattr(compiler, "succeeds", lambda command: False)
    monkeypatch.setattr(install, "ensure_llama_cpp", lambda console, python: "prebuilt")

    def run(title, command, *, expect="", env=None):
        if "venv" in command:
            bootstrap.VENV.mkdir()
        return Recorder.run(console, title, command)

    monkeypatch.setattr(console, "run", run)
    monkeypatch.setattr(install, "ensure_pip", lambda console, python: None)
    bootstrap.set_up(console)
    shown = console.shown.getvalue()
    assert [line[:5] for line in shown.splitlines() if line.startswith("[")] == [
        "[1/3]",
        "[2/3]",
        "[3/3]",
    ]
    assert console.commands[-1][-2:] == ["--editable", f"{bootstrap.ROOT}[gguf]"]
    assert json.loads(bootstrap.STAMP.read_text())["extras"] == ["gguf"]


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
    monkeypatch.setattr(compiler, "succeeds", lambda command: True)
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

    def packages(console, python, title, arguments):
        asked.append(list(arguments))
        if len(asked) == 1:
            raise CommandError("no wheel", "")

    monkeypatch.setattr(compiler, "succeeds", lambda command: False)
    monkeypatch.setattr(install, "install_packages", packages)
    monkeypatch.setattr(install, "is_reachable", lambda url: True)
    monkeypatch.setattr(bootstrap.sys, "platform", "linux")
    assert bootstrap.install_torch(console)
    assert asked == [
        ["--index-url", bootstrap.TORCH_CPU_INDEX, bootstrap.TORCH_PIN],
        [bootstrap.TORCH_PIN],
    ]


def test_without_torch_the_rest_is_set_up_and_the_next_run_tries_again(
    bootstrap, console, monkeypatch
):
    finish(bootstrap, [])
    monkeypatch.setattr(compiler, "succeeds", lambda command: "torch" not in command)
    monkeypatch.setattr(install, "ensure_llama_cpp", lambda console, python: "present")
    monkeypatch.setattr(install, "is_reachable", lambda url: False)
    monkeypatch.setattr(install, "ensure_pip", lambda console, python: None)
    console.fails = {f"installing {bootstrap.TORCH_PIN} (about 200 MB)": "no match"}
    bootstrap.set_up_tests(console)
    assert "will be skipped" in console.shown.getvalue()
    assert console.commands[-1][-1] == f"{bootstrap.ROOT}[gguf,dev]"
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
    assert bootstrap.run_checks(console, ["-k", "name"]) == expected
    assert [Path(command[0]).stem for command in called[:-1]] == [
        "ruff",
        "ruff",
        "basedpyright",
        "lint-imports",
    ]
    assert called[-1][1:] == ["-m", "pytest", "-k", "name"]


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
    def fail(console):
        raise error

    monkeypatch.setattr(bootstrap, "set_up", fail)
    assert bootstrap.main(["setup"]) == 1
    shown = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert len(shown) == len(lines)
    for line, start in zip(shown, lines, strict=True):
        assert line.startswith(start)


def test_an_interrupt_says_that_it_can_be_run_again(bootstrap, monkeypatch, capsys):
    def interrupt(console):
        raise KeyboardInterrupt

    monkeypatch.setattr(bootstrap, "set_up", interrupt)
    assert bootstrap.main(["demo"]) == 130
    assert "bootstrap.py demo" in capsys.readouterr().out


def test_the_named_modules_are_those_of_the_requirements():
    """A dependency that is added must also be looked for by the quick check."""
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in project["dependencies"]:
        name = requirement.partition(">")[0].partition("=")[0]
        assert name in module.MODULES[""]


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
