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
def test_two_threads_of_the_bed_never_draw_the_same_number(
    checker: check.LeanChecker, tmp_path: Path
) -> None:
    # Otherwise two questions could get one id.
    file = tmp_path / "Numbers.lean"
    file.write_text(
        """import LLMstep
def numbers : IO Nat := do
  let next ← IO.mkRef 0
  let threads ← (List.range 4).mapM fun _ => IO.asTask (prio := .dedicated) do
    let mut i := 0
    while i < 500 do
      let _ ← (next.modifyGet fun n => (n, n + 1) : IO Nat)
      next.modify (· + 1)
      i := i + 1
  for thread in threads do let _ ← IO.wait thread
  next.get
#eval show IO Unit from do
  let n ← numbers
  unless n == 4000 do throw (IO.userError s!"{4000 - n} numbers were drawn twice")
""",
        encoding="utf-8",
    )
    assert not checker.check(file)


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
