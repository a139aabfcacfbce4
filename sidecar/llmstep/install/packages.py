"""Python packages into an environment, with uv or with pip; and whether an index can be reached."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import threading
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from llmstep.console import CommandError, Console
from llmstep.install.compiler import succeeds


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
