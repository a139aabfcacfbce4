"""Every Lean file of the package and of its tests passes genuine Lean without error or warning."""

from __future__ import annotations

from pathlib import Path

import check
import pytest


@pytest.mark.leanbed
@pytest.mark.parametrize(
    "file",
    [*check.package_files(), *check.test_files()],
    ids=lambda file: str(file.relative_to(check.ROOT)),
)
def test_lean_file(checker: check.LeanChecker, file: Path) -> None:
    problems = checker.check(file)
    assert not problems, "\n" + "\n".join(problems)


@pytest.mark.leanbed
def test_an_error_in_a_file_is_found(checker: check.LeanChecker, tmp_path: Path) -> None:
    file = tmp_path / "Broken.lean"
    file.write_text(
        "import LLMstep\nexample (p : Prop) : p := by\n  exact nope\n", encoding="utf-8"
    )
    problems = checker.check(file)
    assert len(problems) == 1
    assert "3:8: error" in problems[0]
    assert "nope" in problems[0]


@pytest.mark.leanbed
@pytest.mark.timeout(1800)
def test_all_files_pass_under_the_do_elaborator_of_older_releases(
    checker: check.LeanChecker,
) -> None:
    # Lean 4.27 to 4.31 elaborate `do` so; from 4.32 on it is an option.
    older = check.LeanChecker("-Dbackward.do.legacy=true")
    files = [*check.package_files(), *check.test_files()]
    problems = [problem for file in files for problem in older.check(file)]
    assert not problems, "\n" + "\n".join(problems)
