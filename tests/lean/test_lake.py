"""The package builds and its tests pass under a real Lean toolchain, where there is one."""

from __future__ import annotations

import shutil
import subprocess

import check
import pytest

LAKE_SECONDS = 1800

pytestmark = [pytest.mark.lean, pytest.mark.timeout(2 * LAKE_SECONDS)]


@pytest.mark.parametrize("command", ["build", "test"])
def test_lake(command: str) -> None:
    lake = shutil.which("lake")
    if lake is None:
        pytest.skip("no `lake` on the PATH (https://lean-lang.org/install)")
    result = subprocess.run(
        [lake, "--wfail", command],
        cwd=check.ROOT,
        env=check.test_environment(),
        capture_output=True,
        text=True,
        timeout=LAKE_SECONDS,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
