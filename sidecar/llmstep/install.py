"""Putting llama-cpp-python on a machine, with or without a C++ compiler.

The package has no wheels on PyPI. The routes, quickest first:

1. it is there already: nothing is done;
2. a wheel that was built on this machine before (kept in the cache folder);
3. a prebuilt CPU wheel from the index that llama-cpp-python's README names;
4. a build from source, with the machine's C++ compiler or, without one, with the Zig compiler
   (package ``ziglang``), which is a C++ compiler that installs like any Python package.

Standard library only: ``bootstrap.py`` imports this before anything is installed;
``llmstep doctor --fix`` uses the same code.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import http.client
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from llmstep.compiler import (
    ZIG_REQUIREMENT,
    Compiler,
    find_compiler,
    succeeds,
    suggest_compiler,
    wrap_zig,
)
from llmstep.console import CommandError, Console
from llmstep.errors import LLMStepError

PACKAGE = "llama-cpp-python"
REQUIREMENT = f"{PACKAGE}>=0.3.36,<0.4"
_WINDOWS_ILLEGAL_INSTRUCTION = 0xC000001D
_OLDEST, _TOO_NEW = (0, 3, 36), (0, 4)
# What is built from source is pinned: this release is the one the flags below were tried with.
BUILD_VERSION = "0.3.36"
PREBUILT_INDEX = "https://abetlen.github.io/llama-cpp-python/whl/cpu"

# The multimodal part is not used and costs a quarter of the build. The wheel stays on this
# machine, so it may use every instruction of its processor.
CMAKE_FLAGS = ("-DLLAVA_BUILD=OFF", "-DGGML_NATIVE=ON")

# A library built for another processor often loads and dies at its first product of matrices, so
# one is computed. Where a later version has these functions under other names it is skipped.
_PROBE = """
import ctypes, importlib.util, json, sys
if importlib.util.find_spec("llama_cpp") is None:
    print(json.dumps({"installed": False}))
    sys.exit(0)
import llama_cpp

class Memory(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("buffer", ctypes.c_void_p), ("empty", ctypes.c_bool)]

def function(name, result, *arguments):
    found = getattr(llama_cpp.llama_cpp._lib, name)
    found.restype, found.argtypes = result, arguments
    return found

def multiply():
    pointer, number = ctypes.c_void_p, ctypes.c_int
    context = function("ggml_init", pointer, Memory)(Memory(1 << 20, None, False))
    new = function("ggml_new_tensor_2d", pointer, pointer, number, ctypes.c_int64, ctypes.c_int64)
    fill = function("ggml_set_f32", pointer, pointer, ctypes.c_float)
    product = function("ggml_mul_mat", pointer, pointer, pointer, pointer)(
        context, fill(new(context, 0, 64, 64), 1.0), fill(new(context, 0, 64, 64), 2.0)
    )
    graph = function("ggml_new_graph", pointer, pointer)(context)
    function("ggml_build_forward_expand", None, pointer, pointer)(graph, product)
    function("ggml_graph_compute_with_ctx", number, pointer, pointer, number)(context, graph, 1)
    return function("ggml_get_f32_1d", ctypes.c_float, pointer, number)(product, 0)

llama_cpp.llama_backend_init()
try:
    value = multiply()
except AttributeError:
    value = 128.0
assert value == 128.0, f"it computes 64 * 2 = {value}"
print(json.dumps({
    "installed": True,
    "version": llama_cpp.__version__,
    "system": llama_cpp.llama_print_system_info().decode("utf-8", "replace"),
}))
"""


class InstallError(LLMStepError):
    """llama-cpp-python could not be installed by any route."""


@dataclasses.dataclass(frozen=True)
class LlamaCpp:
    """What a Python environment says about llama-cpp-python.

    Attributes:
        installed: Whether the package is there at all.
        version: Its version, if it loads.
        system: llama.cpp's own line about the processor features it was built for.
        problem: Why it cannot be used, or ``None``.
    """

    installed: bool
    version: str | None = None
    system: str = ""
    problem: str | None = None


def probe_llama_cpp(python: Path) -> LlamaCpp:
    """Load and try llama-cpp-python in a process of its own: a broken build may crash it."""
    try:
        result = subprocess.run(
            [str(python), "-c", _PROBE],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=120,
            check=False,
        )
        lines = result.stdout.strip().splitlines()
        answer = json.loads(lines[-1]) if result.returncode == 0 and lines else None
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return LlamaCpp(installed=True, problem=f"it does not work here: {error}")
    if answer is None:
        reason = (result.stderr.strip().splitlines() or [_describe_exit(result.returncode)])[-1]
        return LlamaCpp(installed=True, problem=f"it does not work here: {reason}")
    if not answer["installed"]:
        return LlamaCpp(installed=False, problem="it is not installed")
    version = answer["version"]
    wrong = None if _is_wanted(version) else f"version {version} does not meet {REQUIREMENT}"
    return LlamaCpp(True, version, answer["system"].strip(), wrong)


def ensure_llama_cpp(console: Console, python: Path) -> str:
    """Make sure that ``python`` can import a fitting llama-cpp-python.

    Returns:
        The route taken: ``present``, ``kept``, ``prebuilt`` or ``built``.

    Raises:
        InstallError: No route worked; the hint names the one command to try.
    """
    found = probe_llama_cpp(python)
    if found.problem is None:
        console.note(f"{PACKAGE} {found.version} is there")
        return "present"
    if found.installed:
        console.note(f"the installed {PACKAGE} is replaced: {found.problem}")
        _uninstall(console, python)
    if _install_kept(console, python):
        return "kept"
    if _install_prebuilt(console, python):
        return "prebuilt"
    _build(console, python)
    return "built"


def install_packages(
    console: Console, python: Path, title: str, arguments: Sequence[str | Path]
) -> None:
    """Install into ``python``'s environment with uv where it is there, else with pip.

    Where uv fails pip is tried too: the two read different settings for proxies and mirrors.

    Raises:
        CommandError: Neither could.
    """
    uv = shutil.which("uv")
    if uv is not None:
        try:
            console.run(title, [uv, "pip", "install", "--python", python, *arguments])
            return
        except CommandError:
            console.note("uv could not; trying pip")
    ensure_pip(console, python)
    command = [python, "-m", "pip", "install", "--disable-pip-version-check", *arguments]
    console.run(title, command)


def ensure_pip(console: Console, python: Path) -> None:
    """Make sure that ``python -m pip`` runs (uv makes environments without it).

    Raises:
        CommandError: pip is missing and could not be added.
    """
    if succeeds([python, "-m", "pip", "--version"]):
        return
    uv = shutil.which("uv")
    if uv is not None and succeeds([uv, "pip", "install", "--python", python, "pip"]):
        return
    console.run("adding pip to the environment", [python, "-m", "ensurepip", "--default-pip"])


def _expand(name: str) -> Path:
    """A path with ``~`` replaced; one below which nothing can be made if there is no home."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(os.devnull) / "llmstep"


def wheel_dir() -> Path:
    """Folder of the wheels built here, for this version, platform and processor.

    A home folder may be shared by machines with different processors, and a wheel built for one
    can crash on another; hence the processor in the name. The folder above it is
    :func:`llmstep.paths.cache_dir`, which this module cannot ask (platformdirs is not there yet).
    """
    home = os.environ.get("LLMSTEP_HOME")
    if home:
        cache = _expand(home) / "cache"
    elif sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or str(_expand("~/AppData/Local"))
        cache = Path(local) / "llmstep" / "Cache"
    elif sys.platform == "darwin":
        cache = _expand("~/Library/Caches/llmstep")
    else:
        base = os.environ.get("XDG_CACHE_HOME", "").strip() or "~/.cache"
        cache = _expand(base) / "llmstep"
    key = f"{PACKAGE}-{BUILD_VERSION}-{sysconfig.get_platform()}-{_processor_id()}"
    return cache / "wheels" / key


def is_reachable(url: str, timeout_s: float = 5.0) -> bool:
    """Whether a web address answers in time (a slow name look-up counts as no answer)."""
    answered: list[bool] = []

    def ask() -> None:
        with (
            contextlib.suppress(OSError, ValueError, http.client.HTTPException),
            urllib.request.urlopen(url, timeout=timeout_s) as reply,
        ):
            answered.append(reply.status == 200)

    # getaddrinfo has no time-out of its own; a daemon thread can be left behind.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout_s)
    return bool(answered and answered[0])


def _install_kept(console: Console, python: Path) -> bool:
    wheels = sorted(wheel_dir().glob("*.whl"))
    if not wheels:
        return False
    try:
        install_packages(console, python, f"installing the kept {wheels[-1].name}", [wheels[-1]])
    except CommandError as error:
        console.note(error.message)
        return False
    return _works_now(console, python)


def _install_prebuilt(console: Console, python: Path) -> bool:
    if not is_reachable(f"{PREBUILT_INDEX}/{PACKAGE}/"):
        console.note("prebuilt wheel: its index does not answer")
        return False
    arguments = ["--only-binary", PACKAGE, "--extra-index-url", PREBUILT_INDEX, REQUIREMENT]
    try:
        install_packages(console, python, "installing a prebuilt wheel", arguments)
    except CommandError:
        console.note("there is no prebuilt wheel for this machine")
        return False
    return _works_now(console, python)


def _build(console: Console, python: Path) -> None:
    """Build a wheel, keep it, install it."""
    with tempfile.TemporaryDirectory(prefix="llmstep-build-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        try:
            ensure_pip(console, python)
            compiler = find_compiler()
            if compiler is None and sys.platform == "darwin":
                # llama-cpp-python always builds Metal there, which needs Apple's own headers.
                raise InstallError(f"{PACKAGE} needs a C++ compiler", hint=suggest_compiler())
            if compiler is None:
                packages = folder / "packages"
                install_packages(
                    console,
                    python,
                    "no C++ compiler here; fetching the Zig compiler (100 MB, not kept)",
                    ["--target", packages, ZIG_REQUIREMENT],
                )
                compiler = wrap_zig(packages, folder)
            wheel = _build_wheel(console, python, compiler, folder)
            install_packages(console, python, "installing the wheel", [wheel])
        except CommandError as error:
            place = f" The full output is in {console.log}." if console.log else ""
            raise InstallError(
                f"{PACKAGE} could not be installed: {error.message}.{place}",
                hint=suggest_compiler() if _is_compile_error(error.output) else None,
            ) from error
    found = probe_llama_cpp(python)
    if found.problem is not None:
        shutil.rmtree(wheel_dir(), ignore_errors=True)
        raise InstallError(f"{PACKAGE} was built, but {found.problem}", hint=suggest_compiler())


def _build_wheel(console: Console, python: Path, compiler: Compiler, folder: Path) -> Path:
    env = {**os.environ, **compiler.env}
    # The user's own flags come last, so that they win (for example -DGGML_CUDA=ON).
    flags = [*CMAKE_FLAGS, compiler.env.get("CMAKE_ARGS", ""), os.environ.get("CMAKE_ARGS", "")]
    env["CMAKE_ARGS"] = " ".join(part for part in flags if part)
    requirement = f"{PACKAGE}=={BUILD_VERSION}"
    command = [python, "-m", "pip", "wheel", "--disable-pip-version-check", "--verbose"]
    options = ["--no-deps", "--no-binary", PACKAGE, "--wheel-dir", folder / "wheels", requirement]
    console.run(
        f"building llama.cpp with {compiler.name}",
        [*command, *options],
        expect=f"{estimate_build()}, more when it is busy; the wheel is kept",
        env=env,
    )
    built = next((folder / "wheels").glob("*.whl"))
    kept = wheel_dir() / built.name
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        # First beside its place, then moved: an interrupted copy is never taken for a wheel.
        partial = kept.with_suffix(".part")
        shutil.copyfile(built, partial)
        partial.replace(kept)
    except OSError as error:
        console.note(f"the wheel could not be kept: {error}")
        return built
    return kept


def estimate_build(cores: int | None = None) -> str:
    """How long a build takes; 4 to 6 minutes were measured on two idle cores, 10 on busy ones."""
    count = cores or _core_count()
    low, high = max(1, round(8 / count)), max(2, round(12 / count))
    return f"{low} to {high} minutes on {count} {'core' if count == 1 else 'cores'}"


def _works_now(console: Console, python: Path) -> bool:
    found = probe_llama_cpp(python)
    if found.problem is None:
        return True
    console.note(f"that wheel does not work here: {found.problem}")
    _uninstall(console, python)
    return False


def _uninstall(console: Console, python: Path) -> None:
    uv = shutil.which("uv")
    if uv is not None and succeeds([uv, "pip", "uninstall", "--python", python, PACKAGE]):
        return
    with contextlib.suppress(CommandError):
        console.run("removing it", [python, "-m", "pip", "uninstall", "--yes", PACKAGE])


def _is_wanted(version: str) -> bool:
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    return match is not None and _OLDEST <= tuple(int(part) for part in match.groups()) < _TOO_NEW


def _describe_exit(code: int) -> str:
    if code == -signal.SIGILL or code == _WINDOWS_ILLEGAL_INSTRUCTION:
        return "it was built for another processor (illegal instruction)"
    return f"exit code {code}"


def _core_count() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor_id() -> str:
    features = f"{platform.machine()} {platform.processor()}"
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith(("flags", "Features")):
                features += line
                break
    return hashlib.sha256(features.encode()).hexdigest()[:8]


def _is_compile_error(output: str) -> bool:
    return any(sign in output for sign in ("CMake Error", "FAILED:", "ninja: build stopped"))
