from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from llmstep.runtime.channel import Listener
from llmstep.runtime.place import EnginePlace
from llmstep.server.engine import Engine


@pytest.mark.asyncio
async def test_an_engine_that_cannot_close_what_is_unused_still_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    place = EnginePlace(str(tmp_path), "e")
    engine = Engine(Listener(place.socket), place)
    engine.keep_alive(0.001)

    def fail(idle_s: float) -> None:
        raise ImportError("replaced by another version")

    monkeypatch.setattr(engine.services, "close_unused", fail)
    await asyncio.wait_for(engine.serve(), 60)
    assert "could not be closed" in caplog.text


def test_an_engine_that_nobody_asks_imports_no_models(tmp_path: Path) -> None:
    script = f"""
import asyncio, sys
from llmstep.runtime.channel import Listener
from llmstep.runtime.place import EnginePlace
from llmstep.server.engine import Engine

async def main():
    place = EnginePlace({str(tmp_path)!r}, "e")
    engine = Engine(Listener(place.socket), place)
    engine.keep_alive(0.001)
    await engine.serve()

asyncio.run(main())
print("llmstep.service.resident" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "False\n"
