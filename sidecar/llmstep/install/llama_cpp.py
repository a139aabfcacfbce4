"""Putting llama-cpp-python on a machine, with or without a C++ compiler.

The package has no wheels on PyPI. The routes, quickest first:

1. it is there already: nothing is done;
2. a wheel that was built on this machine before, wherever it was kept;
3. a prebuilt CPU wheel from the index that llama-cpp-python's README names;
4. a build from source, with the machine's C++ compiler or, without one, with the Zig compiler
   (package ``ziglang``), which is a C++ compiler that installs like any Python package. It takes
   minutes; :mod:`llmstep.install.background` does it while the rest is in use.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from llmstep.console import CommandError, Console
from llmstep.errors import LLMStepError
from llmstep.install.compiler import (
    ZIG_REQUIREMENT,
    Compiler,
    find_compiler,
    succeeds,
    suggest_compiler,
    wrap_zig,
)
from llmstep.install.packages import ensure_pip, install_packages, is_reachable
from llmstep.install.probe import PACKAGE, REQUIREMENT, probe_llama_cpp
from llmstep.install.wheels import (
    BUILD_VERSION,
    describe_estimate,
    estimate_build,
    kept_wheels,
    wheel_dir,
)

PREBUILT_INDEX = "https://abetlen.github.io/llama-cpp-python/whl/cpu"

# The multimodal part is not used and costs a quarter of the build. The wheel stays on this
# machine, so it may use every instruction of its processor.
CMAKE_FLAGS = ("-DLLAVA_BUILD=OFF", "-DGGML_NATIVE=ON")


class InstallError(LLMStepError):
    """llama-cpp-python could not be installed by any route."""


def ensure_llama_cpp(console: Console, python: Path) -> str:
    """Make sure that ``python`` can import a fitting llama-cpp-python, however long it takes.

    Returns:
        The route taken: ``present``, ``kept``, ``prebuilt`` or ``built``.

    Raises:
        InstallError: No route worked; the hint names the one command to try.
    """
    route = install_ready_made(console, python)
    if route is None:
        build_llama_cpp(console, python)
        route = "built"
    return route


def install_ready_made(console: Console, python: Path) -> str | None:
    """Take llama-cpp-python from where it takes seconds.

    Returns:
        ``present``, ``kept`` or ``prebuilt``; ``None`` where only a build is left.
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
    if os.environ.get("CMAKE_ARGS", "").strip():
        console.note("CMAKE_ARGS is set: no prebuilt wheel is built so")
        return None
    return "prebuilt" if _install_prebuilt(console, python) else None


def _install_kept(console: Console, python: Path) -> bool:
    for wheel in kept_wheels():
        try:
            install_packages(console, python, f"installing the kept {wheel.name}", [wheel])
        except CommandError as error:
            console.note(error.message)
            continue
        if _works_now(console, python):
            return True
    return False


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


def build_llama_cpp(console: Console, python: Path) -> None:
    """Build a wheel, keep it, install it; takes minutes.

    Raises:
        InstallError: It could not be built, or does not work; the hint says what to do.
    """
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
    estimate = estimate_build()
    command = [python, "-m", "pip", "wheel", "--disable-pip-version-check", "--verbose"]
    options = ["--no-deps", "--no-binary", PACKAGE, "--wheel-dir", folder / "wheels", requirement]
    console.run(
        f"building llama.cpp with {compiler.name}",
        [*command, *options],
        expect=f"{describe_estimate(estimate)} if they stay as busy as now; the wheel is kept",
        expect_s=estimate,
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


def _is_compile_error(output: str) -> bool:
    return any(sign in output for sign in ("CMake Error", "FAILED:", "ninja: build stopped"))
