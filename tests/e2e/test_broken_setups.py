"""Broken set-ups: the doctor names cause and cure, and the cure works.

The table in docs/troubleshooting.md lists the same set-ups; a test holds the two together.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from llmstep.doctor import CHECKS
from llmstep.install import wheels

ROOT = Path(__file__).parents[2]
NEEDED = ("attr", "attrs", "cattr", "cattrs", "click", "lsprotocol", "numpy", "numpy.libs")
NEEDED += ("platformdirs", "psutil", "pygls", "typing_extensions.py", "exceptiongroup")
WHEEL = "llama_cpp_python-0.3.36-py3-none-any.whl"
# Stands in for the library: it loads, and computes nothing.
FAKE_LIBRARY = """
__version__ = "0.3.36"
from types import SimpleNamespace
llama_cpp = SimpleNamespace(_lib=SimpleNamespace())
def llama_backend_init(): pass
def llama_print_system_info(): return b"CPU : AVX2 = 1 | "
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small git checkout of the sidecar and its models."""
    root = tmp_path / "checkout"
    ignore = shutil.ignore_patterns("__pycache__", "workshop", "*.egg-info")
    shutil.copytree(ROOT / "sidecar" / "llmstep", root / "sidecar" / "llmstep", ignore=ignore)
    shutil.copytree(ROOT / "models", root / "models")
    shutil.copy(ROOT / "pyproject.toml", root / "pyproject.toml")
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", str(root)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "models"], check=True)
    subprocess.run([*git, "commit", "-qm", "models"], check=True)
    return root


class Machine:
    """Runs the checkout's doctor, with an environment of its own."""

    def __init__(self, root: Path, home: Path, python: str = sys.executable) -> None:
        self.root, self.python = root, python
        kept = {k: v for k, v in os.environ.items() if not k.startswith("LLMSTEP_")}
        own = {"PYTHONPATH": str(root / "sidecar"), "LLMSTEP_HOME": str(home), "LLMSTEP_PORT": "1"}
        self.environ = {**kept, **own}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.python, "-m", "llmstep", *arguments],
            cwd=self.root,
            env=self.environ,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=240,
            check=False,
        )

    def check(self, name: str, *arguments: str) -> dict[str, str]:
        result = self.run("doctor", "--json", "--only", name, *arguments)
        assert result.stdout, result.stderr
        checks = {check["name"]: check for check in json.loads(result.stdout)["checks"]}
        return checks[name]


@pytest.fixture
def machine(checkout: Path, tmp_path: Path) -> Machine:
    return Machine(checkout, tmp_path / "home")


@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_no_model(machine: Machine, damage: str) -> None:
    file = machine.root / "models" / "llmstep-builtin.gguf"
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-100] + b"x" * 100)
    found = machine.check("model")
    assert found["status"] == "fail"
    assert "builtin" in found["detail"]
    assert "llmstep doctor --fix" in found["cure"]
    assert machine.check("model", "--fix")["status"] == "ok"


def test_the_command_named_for_a_missing_model_works_by_itself(machine: Machine) -> None:
    (machine.root / "models" / "llmstep-builtin.gguf").unlink()
    command = re.search(r"git -C .* checkout -- models", machine.check("model")["cure"])
    assert command is not None
    subprocess.run(command[0], shell=True, check=True)
    assert machine.check("model")["status"] == "ok"


@pytest.mark.skipif(os.name != "posix", reason="the environment is put together from links")
def test_no_wheel(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    (site,) = environment.glob("lib/python*/site-packages")
    for name in NEEDED:
        for folder in map(Path, sys.path):
            if (folder / name).exists() and not (site / name).exists():
                (site / name).symlink_to(folder / name)
    for folder in map(Path, sys.path):
        for info in folder.glob("*.dist-info"):
            if info.name.split("-")[0] in NEEDED and not (site / info.name).exists():
                (site / info.name).symlink_to(info)
    home = tmp_path / "home"
    machine = Machine(checkout, home, str(environment / "bin" / "python"))
    found = machine.check("llama.cpp")
    assert found["status"] == "fail"
    assert "not installed" in found["detail"]
    assert "llmstep doctor --fix" in found["cure"]
    # The cure, without a network and a compiler: a wheel that was built here before.
    monkeypatch.setenv("LLMSTEP_HOME", str(home))
    folder = wheels.wheel_dir()
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        info = "llama_cpp_python-0.3.36.dist-info"
        wheel.writestr("llama_cpp/__init__.py", FAKE_LIBRARY)
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        metadata = "Metadata-Version: 2.1\nName: llama-cpp-python\nVersion: 0.3.36\n"
        wheel.writestr(f"{info}/METADATA", metadata)
        wheel.writestr(f"{info}/RECORD", "")
    assert machine.check("llama.cpp", "--fix")["status"] == "ok"


def test_wrong_python(checkout: Path) -> None:
    source = (checkout / "sidecar" / "llmstep" / "__main__.py").read_text(encoding="utf-8")
    pretended = source.replace("import sys\n", "import sys\nsys.version_info = (3, 8, 1)\n", 1)
    result = subprocess.run(
        [sys.executable, "-c", pretended], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "needs Python 3.11 or newer and this is Python 3.8" in result.stderr
    assert "python3 bootstrap.py setup" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_the_old_pythons_of_this_machine_get_there(checkout: Path) -> None:
    found = sorted((Path.home() / ".pyenv" / "versions").glob("*/bin/python"))
    asked = 0
    for python in found:
        check = "import sys; sys.exit(sys.version_info >= (3, 11))"
        if subprocess.call([str(python), "-c", check]) != 0:
            continue
        asked += 1
        result = subprocess.run(
            [str(python), str(checkout / "sidecar" / "llmstep" / "__main__.py"), "doctor"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 1
        assert result.stderr.startswith("llmstep needs Python 3.11 or newer")
    if not asked:
        pytest.skip("no Python older than 3.11 here")


@pytest.mark.skipif(os.name != "posix", reason="the stand-in is a shell script")
def test_no_lake(machine: Machine, tmp_path: Path) -> None:
    machine.environ |= {"PATH": "/usr/bin:/bin", "ELAN_HOME": str(tmp_path / "elan")}
    if shutil.which("lake", path=machine.environ["PATH"]):
        pytest.skip("lake lies in a folder of the system")
    found = machine.check("Lean")
    assert found["status"] == "warn"
    assert "lean-lang.org/install" in found["cure"]
    lake = tmp_path / "elan" / "bin" / "lake"
    lake.parent.mkdir(parents=True)
    lake.write_text("#!/bin/sh\n")
    lake.chmod(0o755)
    assert machine.check("Lean")["status"] == "ok"


def test_old_variables(machine: Machine) -> None:
    old = {"LLMSTEP_SERVER": "COLAB", "LLMSTEP_HOST": "https://04fa.ngrok.io"}
    machine.environ |= old
    found = machine.check("settings")
    assert found["status"] == "warn"
    for name, value in old.items():
        assert f"{name}={value}" in found["detail"]
    assert found["cure"].startswith("Unset it")
    assert "LLMSTEP_OPENAI_BASE_URL" in found["cure"]
    for name in old:
        del machine.environ[name]
    assert machine.check("settings")["status"] == "ok"


def test_the_page_lists_them() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    table = page.split("## Five broken set-ups")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| `([^`]+)` \|", table, re.MULTILINE)
    assert len(rows) == 5
    names = {name for _, name in rows}
    assert names <= {*CHECKS, "Python"}
