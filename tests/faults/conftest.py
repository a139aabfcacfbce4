"""Real processes in a home of their own; none of them outlives its test."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from clients import Client, engine_pids

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")


@pytest.fixture
def home() -> Iterator[Path]:
    # A short path: a socket's name has room for a hundred characters.
    folder = Path(tempfile.mkdtemp(prefix="llmstep-")).resolve() / "h"
    folder.mkdir()
    yield folder
    for pid in engine_pids(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder.parent, ignore_errors=True)


@pytest.fixture
def start(home: Path, tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """Starts clients of the scripted model; all of one test share the engine."""
    clients: list[Client] = []

    def start_it(*arguments: str, script: Any = None, **options: Any) -> Client:
        environ = {
            "LLMSTEP_MODEL": "echo",
            "LLMSTEP_SOURCES": "model",
            **options.pop("environ", {}),
        }
        if script is not None:
            path = tmp_path / "script.json"
            path.write_text(json.dumps(script), encoding="utf-8")
        if (tmp_path / "script.json").exists():
            environ["LLMSTEP_ECHO_SCRIPT"] = str(tmp_path / "script.json")
        clients.append(Client(options.pop("home", home), *arguments, environ=environ, **options))
        return clients[-1]

    yield start_it
    for client in clients:
        client.kill()
