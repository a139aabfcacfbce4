"""Files with `trace_state` before each step, and the rows that come of what Lean says there."""

from __future__ import annotations

import sys
from pathlib import Path

from click.testing import CliRunner

from llmstep.cli import cli
from llmstep_workshop.data.state_printing import read_states, trace_steps, write_elementary
from llmstep_workshop.errors import LeanCheckError
from llmstep_workshop.lean_runner import LeanMessage, LeanRun

TEXT = """
theorem swap (p q : Prop) (h : p ∧ q) : q ∧ p := by
  -- what stands here is no step
  cases h with
  | intro hp hq =>
    constructor
    · exact hq
    · show
        p
      exact hp

theorem other : True := trivial
theorem more : True := by
  have h : True := by
    trivial
  exact h
"""
TRACED = """
theorem swap (p q : Prop) (h : p ∧ q) : q ∧ p := by
  trace_state
  cases h with
  | intro hp hq =>
    trace_state
    constructor
    · trace_state
      exact hq
    · trace_state
      show
        p
      trace_state
      exact hp

theorem other : True := trivial
theorem more : True := by
  trace_state
  have h : True := by
    trace_state
    trivial
  trace_state
  exact h
"""


def test_each_step_is_traced_in_its_own_column() -> None:
    traced = trace_steps(TEXT)
    lines = [line for line in traced.text.splitlines() if line.strip()]
    assert lines == [line for line in TRACED.splitlines() if line.strip()]
    tactics = [(step.declaration, step.tactic) for step in traced.steps]
    assert tactics == [
        ("swap", "cases h"),
        ("swap", "constructor"),
        ("swap", "exact hq"),
        ("swap", ""),  # goes on in the next line
        ("swap", "exact hp"),
        ("more", ""),
        ("more", "trivial"),
        ("more", "exact h"),
    ]
    numbered = traced.text.splitlines()
    assert all(numbered[step.line - 1].endswith("trace_state") for step in traced.steps)


def run(*messages: LeanMessage) -> LeanRun:
    return LeanRun(messages, 0, 1.0)


def test_the_first_goal_before_a_step_is_its_state() -> None:
    traced = trace_steps(TEXT)
    said = {step.line: f"case a\n⊢ {step.line}\n\n⊢ other" for step in traced.steps}
    messages = [LeanMessage("information", line, text) for line, text in said.items()]
    rows = read_states(traced, run(*messages), "A.lean", "ours")
    assert [row.tactic for row in rows] == [s.tactic for s in traced.steps if s.tactic]
    assert rows[0].state == f"case a\n⊢ {traced.steps[0].line}"
    assert (rows[0].kind, rows[0].file, rows[0].src) == ("printed", "A.lean", "ours")


def test_a_theorem_with_an_error_gives_no_rows() -> None:
    traced = trace_steps(TEXT)
    messages = [LeanMessage("information", step.line, "⊢ p") for step in traced.steps]
    wrong = LeanMessage("error", traced.steps[2].line + 1, "unknown identifier")
    rows = read_states(traced, run(*messages, wrong), "A.lean", "ours")
    assert {row.decl for row in rows} == {"more"}


def test_elementary_theorems_are_drawn_alike() -> None:
    theorems = write_elementary(12, 5)
    assert len(set(theorems)) == 12
    assert theorems == write_elementary(12, 5) != write_elementary(12, 6)
    assert all(trace_steps(theorem).steps for theorem in theorems)


def lean_that(says: str, tmp_path: Path) -> str:
    """A command that answers each `trace_state` as told."""
    script = tmp_path / "lean.py"
    script.write_text(
        "import json, sys\n"
        "lines = open(sys.argv[-1], encoding='utf-8').read().splitlines()\n"
        "for at, line in enumerate(lines, 1):\n"
        "    if line.endswith('trace_state'):\n"
        f"        {says}\n",
        "utf-8",
    )
    return f"{sys.executable} {script}"


def test_the_command_writes_rows_and_their_sheet(tmp_path: Path) -> None:
    (tmp_path / "A.lean").write_text(TEXT, "utf-8")
    says = "print(json.dumps({'severity': 'information', 'pos': {'line': at}, 'data': f'⊢ p{at}'}))"
    output = tmp_path / "rows.jsonl"
    words = ["print", str(tmp_path / "A.lean"), "--lean", lean_that(says, tmp_path)]
    result = CliRunner().invoke(cli, ["data", *words, "-o", str(output), "--licence", "MIT"])
    assert result.exit_code == 0, (result.output, result.exception)
    assert len(output.read_text("utf-8").splitlines()) == 6
    assert "A.lean | 6 of 2 theorems" in (tmp_path / "rows.jsonl.md").read_text("utf-8")


def test_a_lean_that_dies_is_told(tmp_path: Path) -> None:
    (tmp_path / "A.lean").write_text(TEXT, "utf-8")
    command = lean_that("sys.exit(7)", tmp_path)
    words = ["print", str(tmp_path / "A.lean"), "--lean", command, "-o", str(tmp_path / "r.jsonl")]
    result = CliRunner().invoke(cli, ["data", *words])
    assert isinstance(result.exception, LeanCheckError)
    assert "A.lean: Lean ended with 7" in str(result.exception)
