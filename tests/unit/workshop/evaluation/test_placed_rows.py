"""Rows in the files of the project that they are from."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmstep.config import Settings
from llmstep_workshop.data.rows import Row
from llmstep_workshop.errors import TrainingDataError
from llmstep_workshop.evaluation.candidates import ServedCandidates
from llmstep_workshop.evaluation.placed_rows import index_project, place_rows

OWN = (
    "import P.Lemmas\n\nnamespace Own\n\ntheorem first : 1 = 1 := rfl\n\n"
    "theorem glorp_use (a b : ℕ) : glorp a b = glorp b a := by\n  exact the_answer\n"
)
STATE = "a b : ℕ\n⊢ glorp a b = glorp b a"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path / "home"))
    root = tmp_path / "project"
    (root / "P").mkdir(parents=True)
    (root / "lakefile.toml").write_text('name = "p"\n')
    (root / "P" / "Use.lean").write_text(OWN, encoding="utf-8")
    (root / "P" / "Lemmas.lean").write_text(
        "theorem glorp_comm (a b : ℕ) : glorp a b = glorp b a := by\n  simp [glorp]\n"
    )
    return root


def test_a_row_has_the_text_above_its_proof(project: Path) -> None:
    rows = [
        Row(STATE, "exact the_answer", file="P/Use.lean", decl="Own.glorp_use"),
        Row(STATE, "simp", file="P/Use.lean", decl="Own.unheard_of"),
        Row(STATE, "simp", file="P/Gone.lean", decl="Own.glorp_use"),
        Row(STATE, "simp", file="../../etc/passwd", decl="x"),
        Row(STATE, "simp"),
    ]
    placed, count = place_rows(list(enumerate(rows, start=1)), project)
    assert count == 1
    assert placed[0][1].file == str(project / "P" / "Use.lean")
    assert placed[0][1].context.endswith("glorp a b = glorp b a := by\n  ")
    assert "the_answer" not in placed[0][1].context
    assert "theorem first" in placed[0][1].context
    assert [row for _, row in placed[1:]] == rows[1:]


def test_answers_know_the_project(project: Path) -> None:
    index_project(project)
    ((_, row),), _ = place_rows(
        [(1, Row(STATE, "simp", file="P/Use.lean", decl="Own.glorp_use"))], project
    )
    source = ServedCandidates(Settings(sources=("library", "file"), cache=False))
    try:
        answer = source(row.state, row.context, ("Own.glorp_use",), row.file)
    finally:
        source.close()
    assert any("glorp_comm" in tactic for tactic in answer.tactics)


def test_a_folder_that_is_no_project(tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match="no Lake project"):
        index_project(tmp_path)
