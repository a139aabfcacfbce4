"""Memory of the machine and of a container."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from llmstep.backends import machine_memory as memory


def test_the_machines_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_CGROUP", tmp_path / "none")
    assert memory.whole_memory() == psutil.virtual_memory().total
    assert 1 << 20 < memory.free_memory() < memory.whole_memory()


def test_a_containers_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text("3000000\n")
    assert (memory.whole_memory(), memory.free_memory()) == (3_000_000, 3_000_000)
    (tmp_path / "memory.current").write_text("2000000\n")
    assert (memory.whole_memory(), memory.free_memory()) == (3_000_000, 1_000_000)
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.whole_memory() == psutil.virtual_memory().total
    assert memory.free_memory() > 1 << 20
