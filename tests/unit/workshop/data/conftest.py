from __future__ import annotations

import sys
from pathlib import Path

import pytest

FAKE_LEAN = Path(__file__).with_name("fake_lean.py")


@pytest.fixture
def fake_lean() -> tuple[str, ...]:
    """A command that answers like `lean --json`, without any Lean."""
    return (sys.executable, str(FAKE_LEAN))
