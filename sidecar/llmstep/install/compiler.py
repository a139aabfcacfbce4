"""Finding a C++ compiler, and standing in for one with the Zig compiler from PyPI."""

from __future__ import annotations

import dataclasses
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ZIG_REQUIREMENT = "ziglang==0.17.1"


@dataclasses.dataclass(frozen=True)
class Compiler:
    """A C++ compiler. ``name`` is for people; ``env`` makes CMake use it."""

    name: str
    env: dict[str, str] = dataclasses.field(default_factory=dict)


def find_compiler() -> Compiler | None:
    """The machine's own C++17 compiler, tried on a small program; ``None`` without one."""
    if sys.platform == "win32":
        return Compiler("Visual Studio") if _has_visual_studio() else None
    if sys.platform == "darwin" and not succeeds(["xcode-select", "-p"]):
        # Without the command line tools /usr/bin/c++ is a stub that opens a dialog.
        return None
    pairs = [("c++", "cc"), ("g++", "gcc"), ("clang++", "clang")]
    if os.environ.get("CXX"):
        pairs.insert(0, (os.environ["CXX"], os.environ.get("CC", "cc")))
    for cxx, cc in pairs:
        commands = [shlex.split(cxx), shlex.split(cc)]
        if all(c and shutil.which(c[0]) for c in commands) and _compiles(commands[0]):
            return Compiler(cxx, {"CC": cc, "CXX": cxx})
    return None


def wrap_zig(packages: Path, folder: Path) -> Compiler:
    """Wrap the Zig compiler in ``packages`` as a C and C++ compiler for CMake, in ``folder``.

    The wrappers call the binary inside the package: ``python -m ziglang`` is not found from
    within pip's isolated build.
    """
    windows = sys.platform == "win32"
    zig = packages / "ziglang" / ("zig.exe" if windows else "zig")
    wrappers: dict[str, Path] = {}
    for name in ("cc", "c++", "ar", "ranlib", "rc"):
        wrapper = folder / (f"zig-{name}.cmd" if windows else f"zig-{name}")
        if windows:
            wrapper.write_text(f'@"{zig}" {name} %*\r\n', encoding="utf-8", newline="")
        else:
            wrapper.write_text(f'#!/bin/sh\nexec {shlex.quote(str(zig))} {name} "$@"\n', "utf-8")
            wrapper.chmod(0o755)
        wrappers[name] = wrapper
    # OpenMP is no part of Zig; llama.cpp then uses its own threads.
    flags = [
        "-DGGML_OPENMP=OFF",
        f"-DCMAKE_AR={wrappers['ar'].as_posix()}",
        f"-DCMAKE_RANLIB={wrappers['ranlib'].as_posix()}",
    ]
    env = {
        "CC": str(wrappers["cc"]),
        "CXX": str(wrappers["c++"]),
        "ZIG_GLOBAL_CACHE_DIR": str(folder / "zig-cache"),
        "ZIG_LOCAL_CACHE_DIR": str(folder / "zig-cache"),
    }
    if windows:
        flags.append(f"-DCMAKE_RC_COMPILER={wrappers['rc'].as_posix()}")
        env["CMAKE_GENERATOR"] = "Ninja"
    env["CMAKE_ARGS"] = shlex.join(flags)
    return Compiler("the Zig compiler", env)


def suggest_compiler() -> str:
    """One sentence that says how to get a C++ compiler on this system."""
    if sys.platform == "darwin":
        return "Run `xcode-select --install` (Apple's free compiler), then try again."
    if sys.platform == "win32":
        return (
            "Install the C++ build tools: `winget install Microsoft.VisualStudio.2022.BuildTools "
            '--override "--add Microsoft.VisualStudio.Workload.VCTools --includeRecommended"`, '
            "then try again."
        )
    return "Install a C++ compiler (Debian, Ubuntu: `sudo apt install g++`), then try again."


def succeeds(command: Sequence[str | Path]) -> bool:
    """Whether a short command can be started and ends without an error."""
    try:
        result = subprocess.run(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return result.returncode == 0


def _compiles(compiler: Sequence[str]) -> bool:
    """Whether a program that needs C++17's library compiles and links."""
    program = (
        "#include <filesystem>\n#include <string>\n"
        "int main() { return std::filesystem::path(std::string(1, 'x')).empty(); }\n"
    )
    with tempfile.TemporaryDirectory(prefix="llmstep-cxx-", ignore_cleanup_errors=True) as name:
        source = Path(name) / "probe.cpp"
        source.write_text(program, encoding="utf-8")
        return succeeds([*compiler, "-std=c++17", source, "-o", Path(name) / "probe"])


def _has_visual_studio() -> bool:
    if shutil.which("cl"):
        return True
    base = os.environ.get("PROGRAMFILES(X86)", r"C:\Program Files (x86)")
    vswhere = Path(base) / "Microsoft Visual Studio" / "Installer" / "vswhere.exe"
    tools = "Microsoft.VisualStudio.Component.VC.Tools.x86.x64"
    command = [str(vswhere), "-latest", "-products", "*", "-requires", tools]
    try:
        result = subprocess.run(
            [*command, "-property", "installationPath"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return result.returncode == 0 and bool(result.stdout.strip())
