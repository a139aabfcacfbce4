"""The launcher: whatever Python runs it, there is a sentence and no traceback."""

from __future__ import annotations

import ast
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "bootstrap.py"
SOURCE = SCRIPT.read_text(encoding="utf-8")
# What Python 2.7 cannot read, or reads as something else.
NEWER = (
    ast.JoinedStr,
    ast.AnnAssign,
    ast.NamedExpr,
    ast.AsyncFunctionDef,
    ast.Await,
    ast.Nonlocal,
    ast.Starred,
    ast.Match,
    ast.MatMult,
    ast.YieldFrom,
)


@pytest.fixture
def bootstrap() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_construct_is_newer_than_python_2_7():
    for node in ast.walk(ast.parse(SOURCE)):
        assert not isinstance(node, NEWER), ast.dump(node)
        if isinstance(node, ast.FunctionDef):
            assert node.returns is None
            arguments = node.args
            every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            assert not arguments.posonlyargs
            assert not arguments.kwonlyargs
            assert all(argument.annotation is None for argument in every)
        if isinstance(node, ast.Raise):
            assert node.cause is None
        if isinstance(node, ast.ImportFrom):
            assert node.module != "__future__"
        if isinstance(node, ast.Call):
            # print with anything but one argument means something else there.
            assert not (isinstance(node.func, ast.Name) and node.func.id == "print")
            assert not any(keyword.arg is None for keyword in node.keywords[:-1])
    assert SOURCE.isascii()  # without a coding line Python 2 refuses the rest


def test_the_grammar_of_python_2_reads_it():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        driver = pytest.importorskip("lib2to3.pgen2.driver", reason="gone with Python 3.13")
        from lib2to3 import pygram, pytree
    driver.Driver(pygram.python_grammar, pytree.convert).parse_string(SOURCE)


def old_pythons() -> list[str]:
    """Interpreters older than 3.11 on this machine, whoever installed them."""
    versions = sorted((Path.home() / ".pyenv" / "versions").glob("*/bin/python"))
    names = ("python2.7", "python3.6", "python3.8", "python3.10")
    named = [found for name in names if (found := shutil.which(name)) and "shims" not in found]
    check = "import sys; sys.exit(sys.version_info >= (3, 11))"
    return [
        str(path)
        for path in (*versions, *named)
        if subprocess.call([str(path), "-c", check], stderr=subprocess.DEVNULL) == 0
    ]


def test_the_old_pythons_of_this_machine_say_the_sentence():
    if not (found := old_pythons()):
        pytest.skip("no Python older than 3.11 here")
    for python in found:
        result = subprocess.run(
            [python, str(SCRIPT), "demo"],
            env={"PATH": "/nowhere"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 1
        assert result.stderr.startswith("llmstep needs Python 3.11 or newer and this is Python ")
        assert len(result.stderr.splitlines()) == 1


def test_only_what_python_2_7_has_is_imported_at_the_start():
    names = [
        alias.name
        for node in ast.parse(SOURCE).body
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    ]
    assert names == ["os", "subprocess", "sys"]


@pytest.mark.parametrize(
    "path",
    [
        *sorted((ROOT / "sidecar" / "llmstep" / "install").glob("*.py")),
        *(
            ROOT / "sidecar" / "llmstep" / f"{name}.py"
            for name in ("console", "environment", "errors", "replacement")
        ),
        ROOT / "sidecar" / "workshop" / "llmstep_workshop" / "development.py",
    ],
    ids=lambda path: path.stem,
)
def test_what_it_hands_over_to_needs_no_other_package(path: Path):
    own = ("llmstep.install", "llmstep.console", "llmstep.errors", "llmstep.replacement")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "llmstep":
            assert {alias.name for alias in node.names} <= {"__version__", "environment"}
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for imported in names:
            top = imported.partition(".")[0]
            assert top in sys.stdlib_module_names or imported.startswith(own)


def older(bootstrap: ModuleType, monkeypatch) -> SimpleNamespace:
    streams = SimpleNamespace(
        version_info=(3, 6), stdout=io.StringIO(), stderr=io.StringIO(), path=[]
    )
    monkeypatch.setattr(bootstrap, "sys", streams)
    return streams


def test_an_old_python_without_a_newer_one_is_told_in_one_sentence(bootstrap, monkeypatch):
    streams = older(bootstrap, monkeypatch)
    monkeypatch.setenv("PATH", "/nowhere")
    assert bootstrap.main(["demo"]) == 1
    (line,) = streams.stderr.getvalue().splitlines()
    assert "needs Python 3.11" in line
    assert "3.6" in line


@pytest.mark.skipif(os.name != "posix", reason="the stand-ins are shell scripts")
def test_an_old_python_hands_over_to_a_newer_one(bootstrap, monkeypatch, tmp_path: Path):
    streams = older(bootstrap, monkeypatch)
    answers = {
        "python3.13": "exit 127",  # a version manager's stand-in without a Python behind it
        "python3.12": f'case "$1" in -c) exit 0;; esac; echo "$@" > "{tmp_path}/said"; exit 7',
    }
    for name, body in answers.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bootstrap.main(["demo", "-n", "3"]) == 7
    assert (tmp_path / "said").read_text().split() == [str(SCRIPT), "demo", "-n", "3"]
    assert "too old" in streams.stdout.getvalue()


@pytest.mark.parametrize(
    ("arguments", "code", "shown"), [([], 0, "setup"), (["--version"], 0, "2.")]
)
def test_the_script_itself_says_what_it_can_do(arguments, code, shown):
    result = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0
    assert shown in result.stdout
