"""The Lean front end the tests of this folder share; without it they are skipped, with the reason."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import check  # noqa: E402


@pytest.fixture(scope="session")
def checker() -> check.LeanChecker:
    if reason := check.why_not():
        pytest.skip(reason)
    return check.LeanChecker()
