"""A machine that has run out of something: one line and its cure, whatever the library says."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from llmstep.errors import ModelFileError
from llmstep.limits import explain_limit

POSIX = pytest.mark.skipif(sys.platform != "linux", reason="uses Linux limits and /dev/full")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("can't start new thread"), "no further thread"),
        (OSError(errno.EMFILE, "Too many open files"), "too many files"),
        (OSError(errno.ENFILE, "Too many open files in system"), "too many files"),
        (ImportError("/x/y.so: cannot open shared object: Too many open files"), "too many files"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/x/cache"),
            r"disk is full \(/x/cache\)",
        ),
        (MemoryError(), "not enough memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "not enough memory"),
        (ImportError("libblas.so: failed to map segment from shared object"), "not enough memory"),
    ],
)
def test_what_ran_out_is_named(error: Exception, words: str) -> None:
    for met in (error, _chained(error)):
        found = explain_limit(met)
        assert found is not None
        assert re.search(words, found.message)
        assert found.hint


def _chained(error: Exception) -> Exception:
    outer = ImportError("a page of advice")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize(
    "error", [RuntimeError("x"), OSError(errno.ENOENT, "x"), ImportError("x"), ValueError("memory")]
)
def test_other_failures_stay_what_they_are(error: Exception) -> None:
    assert explain_limit(error) is None
    assert explain_limit(ModelFileError("a file is damaged")) is None


def _run(tmp_path: Path, shell: str, **environ: str) -> subprocess.CompletedProcess[str]:
    values = {k: v for k, v in os.environ.items() if not k.startswith("LLMSTEP_")}
    values |= {"LLMSTEP_HOME": str(tmp_path / "home"), "LLMSTEP_MODEL": "echo", **environ}
    command = shell.replace("LLMSTEP", f'"{sys.executable}" -m llmstep')
    return subprocess.run(
        ["/bin/sh", "-c", command], env=values, capture_output=True, text=True, timeout=300
    )


@POSIX
@pytest.mark.parametrize(
    ("shell", "words"),
    [
        ("LLMSTEP suggest '⊢ 1 = 1' > /dev/full", "the disk is full"),
        ("LLMSTEP config show > /dev/full", "the disk is full"),
        ("LLMSTEP config show --json > /dev/full", "the disk is full"),
    ],
)
def test_the_command_line_ends_in_one_line_and_its_cure(
    tmp_path: Path, shell: str, words: str
) -> None:
    result = _run(tmp_path, shell)
    assert result.returncode == 1
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert "Exception ignored" not in result.stderr


@POSIX
@pytest.mark.parametrize("limit", [6, 8, 10, 12, 16, 24])
def test_few_open_files_are_told_of_or_suffice(tmp_path: Path, limit: int) -> None:
    result = _run(tmp_path, f"ulimit -n {limit}; LLMSTEP suggest '⊢ 1 = 1'")
    assert "Traceback" not in result.stderr
    if result.returncode:
        assert "too many files are open" in result.stderr


@POSIX
@pytest.mark.parametrize("kilobytes", [60_000, 80_000, 100_000, 150_000, 300_000])
def test_little_memory_is_told_of_or_suffices(tmp_path: Path, kilobytes: int) -> None:
    result = _run(tmp_path, f"ulimit -v {kilobytes}; LLMSTEP suggest '⊢ 1 = 1'")
    assert "Traceback" not in result.stderr
    assert len(result.stderr) < 1_000
    if result.returncode:
        words = "not enough memory|no further thread|Memory allocation still failed"
        assert re.search(words, result.stderr)


@POSIX
def test_an_unreadable_data_folder_hides_no_built_in_model(tmp_path: Path) -> None:
    data = tmp_path / "home" / "data"
    data.mkdir(parents=True)
    (data / "models").mkdir()
    data.chmod(0)
    user = "" if os.getuid() else "setpriv --reuid 54321 --clear-groups "
    result = _run(tmp_path, f"{user}LLMSTEP models list")
    data.chmod(0o700)
    if "Permission denied" in result.stderr and "python" in result.stderr:
        pytest.skip("another user cannot run this Python")
    assert result.returncode == 0, result.stderr
    assert "builtin" in result.stdout
