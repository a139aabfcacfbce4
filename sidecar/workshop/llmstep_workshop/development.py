"""``bootstrap.py test``: a checkout set up for development, then every check.

It runs before anything is installed: the standard library, and what of the sidecar needs no more.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from llmstep.console import CommandError, Console
from llmstep.install import background, checkout, llama_cpp, packages

# PyTorch's own index of wheels without CUDA: on Linux the default wheel brings gigabytes of it.
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
TORCH_PIN = "torch==2.13.0"
_MOST_TEST_PROCESSES = 4


def main(pytest_arguments: list[str]) -> int:
    """Set up and run the checks; returns the exit code."""

    def work(console: Console) -> int:
        set_up_tests(console)
        return run_checks(console, pytest_arguments)

    return checkout.run("test", work)


def set_up_tests(console: Console) -> None:
    """Make ``.venv`` with everything the checks need.

    Raises:
        LLMStepError: Something but PyTorch could not be installed. Without PyTorch the tests
            that need it are skipped with the reason.
    """
    extras = ("gguf", "workshop", "train", "dev")
    if checkout.is_ready(extras):
        return
    checkout.begin(console, 4)
    console.step(f"Python environment in {checkout.VENV}")
    checkout.make_venv(console)
    console.step("llama.cpp for Python")
    if background.find_running(checkout.VENV) is not None:
        background.follow_build(console, checkout.VENV)
    llama_cpp.ensure_llama_cpp(console, checkout.venv_command("python"))
    console.step("PyTorch for the processor (training and Hugging Face tests)")
    if not install_torch(console):
        extras = ("gguf", "workshop", "dev")
    console.step("llmstep, its libraries and the development tools")
    checkout.install_llmstep(console, extras)


def install_torch(console: Console) -> bool:
    """Install PyTorch without CUDA if it is missing; whether it is there now."""
    if checkout.has_modules(["torch"]):
        console.note("it is there")
        return True
    tries: list[list[str]] = [[TORCH_PIN]]
    if sys.platform == "linux" and packages.is_reachable(f"{TORCH_CPU_INDEX}/torch/"):
        tries.insert(0, ["--index-url", TORCH_CPU_INDEX, TORCH_PIN])
    python, title = checkout.venv_command("python"), f"installing {TORCH_PIN} (about 200 MB)"
    for arguments in tries:
        try:
            packages.install_packages(console, python, title, arguments)
            return True
        except CommandError as error:
            console.note(error.message)
    console.note("PyTorch could not be had: the tests that need it will be skipped")
    return False


def run_checks(console: Console, pytest_arguments: list[str]) -> int:
    """Run linters, type checker, import rules and tests; pytest's summary is the last line."""
    checks: dict[str, list[str | Path]] = {
        "ruff check": [checkout.venv_command("ruff"), "check", "."],
        "ruff format": [checkout.venv_command("ruff"), "format", "--check", "."],
        "types": [checkout.venv_command("basedpyright")],
        "import rules": [checkout.venv_command("lint-imports")],
    }
    failed: list[str] = []
    for name, command in checks.items():
        console.say(f"== {name}")
        if subprocess.call([str(part) for part in command], cwd=checkout.ROOT) != 0:
            failed.append(name)
    console.say(f"== failed: {', '.join(failed)}" if failed else "== all of these are clean")
    console.say("== tests")
    python = str(checkout.venv_command("python"))
    # Each process loads models of its own: more of them would want more memory than cores.
    workers = ["-n", str(min(os.cpu_count() or 1, _MOST_TEST_PROCESSES)), "--dist", "loadfile"]
    command = [python, "-m", "pytest", *workers, *pytest_arguments]
    code = subprocess.call(command, cwd=checkout.ROOT)
    return code or int(bool(failed))
