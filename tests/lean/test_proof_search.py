"""`llmstep eval --lean` on genuine Lean: the bed's front end stands in for `lake env lean`."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import check
import pytest
from click.testing import CliRunner, Result

from llmstep.cli import cli

THEOREMS = """\
namespace Swap

theorem swap (a b : Prop) : a → b → b ∧ a := by
  sorry

-- Its proof above must not help: it is a `sorry`.
theorem again (a b : Prop) : a → b → b ∧ a := by
  exact swap a b

protected theorem third (r s : Prop) (h : s) : r ∨ s := by sorry

end Swap

example : ∃ n : Nat, n = 3 := by sorry

theorem no_way (p : Prop) : p := by sorry

theorem broken (p : NoSuchThing) : p := by sorry
"""
LAKE = """\
#!{python}
import os, sys
assert sys.argv[1:4] == ["env", "lean", "--json"], sys.argv
command = {command!r}
os.environ["LEAN_PATH"] = {lean_path!r}
os.execv(command[0], [*command, "--json", *sys.argv[4:]])
"""


@pytest.fixture(scope="module")
def project(checker: check.LeanChecker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose `lake env lean` is the bed's, with the package compiled."""
    for file in check.package_files():
        assert not checker.check(file)
    root = tmp_path_factory.mktemp("project")
    (root / "lakefile.toml").write_text('name = "project"\n', encoding="utf-8")
    command = [str(word) for word in (*checker.bed.lean_cmd(), *checker.bed.OPTS)]
    lake = root / "bin" / "lake"
    lake.parent.mkdir()
    lake.write_text(
        LAKE.format(python=sys.executable, command=command, lean_path=checker.search_path),
        encoding="utf-8",
    )
    lake.chmod(lake.stat().st_mode | stat.S_IXUSR)
    (root / "Swap.lean").write_text(THEOREMS, encoding="utf-8")
    return root


def search(project: Path, output: Path, *arguments: str, script: str = "") -> Result:
    variables = check.test_environment()
    variables["PATH"] = f"{project / 'bin'}{os.pathsep}{variables['PATH']}"
    # Set by a user for other files, it must not change the protocol.
    variables["LLMSTEP_LEAN_SEARCH_DEPTH"] = "1"
    if script:
        variables["LLMSTEP_ECHO_SCRIPT"] = script
    words = ["eval", "--lean", str(project), "--theorems", str(project / "Swap.lean")]
    return CliRunner().invoke(
        cli,
        [*words, "--model", "echo", "--output", str(output), *arguments],
        env=variables,
        catch_exceptions=False,
    )


@pytest.mark.leanbed
@pytest.mark.parametrize("protocol", ["original", "llmsearch"])
def test_theorems_are_proved_and_checked_again(
    project: Path, tmp_path: Path, protocol: str
) -> None:
    output = tmp_path / "results.jsonl"
    result = search(project, output, "--protocol", protocol, "--seconds", "60", "--json")
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    found = {line["name"]: line for line in lines}
    statuses = {name: line["status"] for name, line in found.items()}
    swapped = "proved"
    steps = "intro ha hb\nconstructor\n· assumption\n· assumption"
    assert found["swap"]["proof"] == (
        steps if protocol == "original" else "intro ha hb\nexact ⟨hb, ha⟩"
    )
    assert found["swap"]["axioms"] == []
    assert statuses == {
        "swap": swapped,
        "again": swapped,
        "third": "proved",
        "example_at_line_14": "proved",
        "no_way": "failed",
        "broken": "error",
    }
    assert found["no_way"]["reason"] == "exhausted"
    assert "NoSuchThing" in found["broken"]["reason"]
    proved = list(statuses.values()).count("proved")
    summary = json.loads(result.stdout.splitlines()[-1])
    assert (summary["proved"], summary["theorems"], summary["error"]) == (proved, 6, 1)
    assert summary["protocol"] == f"{protocol} 60 s"

    again = search(project, output, "--protocol", protocol, "--seconds", "60")
    assert f"{proved} of 6 proved" in again.output
    assert again.output.count("(known)") == 5
    assert len(output.read_text(encoding="utf-8").splitlines()) == 7


@pytest.mark.leanbed
def test_whole_proofs_are_counted(project: Path, tmp_path: Path) -> None:
    """The model is a script: right at once, right after Lean's word, mended, and never right."""

    def plays(goal: str, proof: str) -> dict[str, Any]:
        return {"goal": goal, "answers": [{"text": f"```lean4\n{proof}\n```", "score": -0.1}]}

    script = [
        plays("no_such_name", "exact fun ha hb => ⟨hb, ha⟩"),
        plays("theorem again", "exact no_such_name a b"),
        plays("theorem swap", "intro ha hb\nexact ⟨hb, ha⟩"),
        plays("third", "right\nexact h\nsimp"),
        plays("no_way", "sorry"),
        plays("∃ n", "exact ⟨3, rfl⟩"),
        plays("", "rfl"),
    ]
    (tmp_path / "script.json").write_text(json.dumps(script), encoding="utf-8")
    output = tmp_path / "results.jsonl"
    options = ("--protocol", "prove", "--rounds", "2", "--no-gaps", "--seconds", "60", "--json")
    result = search(project, output, *options, script=str(tmp_path / "script.json"))
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    found = {line["name"]: line for line in lines}
    assert {name: line["status"] for name, line in found.items()} == {
        "swap": "proved",
        "again": "proved",
        "third": "proved",
        "example_at_line_14": "proved",
        "no_way": "failed",
        "broken": "error",
    }
    assert (found["swap"]["rounds"], found["again"]["rounds"]) == (1, 2)
    assert found["again"]["tokens"] > 0
    assert found["third"]["proof"] == "right\nexact h"
    assert (found["no_way"]["reason"], found["no_way"]["rounds"]) == ("rounds", 2)


@pytest.mark.lean
@pytest.mark.timeout(3600)
def test_a_real_project(tmp_path: Path) -> None:
    if shutil.which("lake") is None:
        pytest.skip("no `lake` on the PATH (https://lean-lang.org/install)")
    build = subprocess.run(["lake", "build"], cwd=check.ROOT, check=False, timeout=1800)
    assert build.returncode == 0
    theorems = tmp_path / "Real.lean"
    theorems.write_text(
        "theorem swap (a b : Prop) : a → b → b ∧ a := by sorry\n"
        "theorem sum (a b : Nat) (h : a < b) : a + 1 ≤ b := by sorry\n"
        "theorem no_way (p : Prop) : p := by sorry\n",
        encoding="utf-8",
    )
    variables = check.test_environment()
    words = ["eval", "--lean", str(check.ROOT), "--theorems", str(theorems), "--model", "echo"]
    output = tmp_path / "results.jsonl"
    result = CliRunner().invoke(
        cli, [*words, "--output", str(output), "--json"], env=variables, catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout.splitlines()[-1])
    assert (summary["proved"], summary["failed"], summary["error"]) == (2, 1, 0)
