from __future__ import annotations

import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from llmstep.install import compiler

posix = pytest.mark.skipif(os.name != "posix", reason="the fakes are shell scripts")


def write_script(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def bare_path(tmp_path: Path, monkeypatch) -> Path:
    """A PATH with nothing on it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    return folder


@posix
def test_a_machine_without_a_compiler_has_none(bare_path):
    assert compiler.find_compiler() is None


@posix
def test_a_compiler_that_cannot_link_is_none(bare_path):
    for name in ("c++", "cc", "g++", "gcc"):
        write_script(bare_path / name, "exit 1")
    assert compiler.find_compiler() is None


@posix
def test_the_first_compiler_that_works_is_taken(bare_path):
    write_script(bare_path / "c++", "exit 1")
    for name in ("cc", "g++", "gcc"):
        write_script(bare_path / name, "exit 0")
    found = compiler.find_compiler()
    assert found is not None
    assert found.env == {"CC": "gcc", "CXX": "g++"}


@posix
def test_a_cpp_compiler_without_its_c_compiler_is_not_taken(bare_path):
    write_script(bare_path / "g++", "exit 0")
    assert compiler.find_compiler() is None


@posix
def test_the_users_choice_comes_first(bare_path, monkeypatch):
    for name in ("c++", "cc", "my-cxx"):
        write_script(bare_path / name, "exit 0")
    monkeypatch.setenv("CXX", "my-cxx -stdlib=libc++")
    found = compiler.find_compiler()
    assert found is not None
    assert found.env["CXX"] == "my-cxx -stdlib=libc++"


@posix
def test_a_mac_without_command_line_tools_is_not_asked_to_compile(bare_path, monkeypatch):
    # There /usr/bin/c++ exists and opens a dialog when it is run.
    monkeypatch.setattr(sys, "platform", "darwin")
    ran = bare_path / "ran"
    write_script(bare_path / "xcode-select", "exit 2")
    for name in ("c++", "cc"):
        write_script(bare_path / name, f"touch {shlex.quote(str(ran))}")
    assert compiler.find_compiler() is None
    assert not ran.exists()


@posix
def test_zig_wrappers_hand_on_every_argument_from_a_folder_with_spaces(tmp_path: Path):
    packages = tmp_path / "it's a folder"
    write_script(packages / "ziglang" / "zig", 'for a in "$@"; do echo "<$a>"; done')
    found = compiler.wrap_zig(packages, tmp_path)
    command = [found.env["CXX"], "-DNAME=a b", "x.cpp"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == ["<c++>", "<-DNAME=a b>", "<x.cpp>"]
    assert "-DGGML_OPENMP=OFF" in found.env["CMAKE_ARGS"]
    for tool in ("AR", "RANLIB"):
        flag = next(f for f in shlex.split(found.env["CMAKE_ARGS"]) if f"CMAKE_{tool}=" in f)
        assert os.access(flag.split("=", 1)[1], os.X_OK)


def test_zig_wrappers_on_windows_are_batch_files(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    found = compiler.wrap_zig(tmp_path / "packages", tmp_path)
    wrapper = Path(found.env["CC"])
    assert wrapper.suffix == ".cmd"
    zig = tmp_path / "packages" / "ziglang" / "zig.exe"
    assert wrapper.read_bytes().decode() == f'@"{zig}" cc %*\r\n'
    # Visual Studio's generator, CMake's default there, cannot use another compiler.
    assert found.env["CMAKE_GENERATOR"] == "Ninja"
    assert "CMAKE_RC_COMPILER" in found.env["CMAKE_ARGS"]


@pytest.mark.parametrize(
    ("platform", "word"), [("linux", "apt"), ("darwin", "xcode-select"), ("win32", "winget")]
)
def test_each_system_gets_its_own_advice(platform, word, monkeypatch):
    monkeypatch.setattr(sys, "platform", platform)
    assert word in compiler.suggest_compiler()
