"""The Lean front end that the tests of this folder share, or why they are skipped."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import check


@pytest.fixture(scope="session")
def checker() -> check.LeanChecker:
    if reason := check.why_not():
        pytest.skip(reason)
    return check.shared_checker()
