"""Rows with the premises that the sidecar would find, and the lemma they cite among them."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest

from llmstep.lean_text.statements import Statement
from llmstep.sources.index_writer import write_index
from llmstep.sources.library_index import LibraryIndex
from llmstep.sources.steps import ProofStep
from llmstep_workshop.data.premise_rows import PremisePlan, PremiseWriter, draw_middles
from llmstep_workshop.data.records import Record

FILE = "mathlib/Mathlib/Own.lean"
ALWAYS = PremisePlan(inserted=1.0, without=0.0, renamed=0.0)
STATEMENTS = [
    *(Statement(f"Far.lemma_{i}", "theorem", "", f"f{i} x = y", "Mathlib.Far") for i in range(20)),
    Statement("add_comm", "theorem", "(a b : ℕ)", "a + b = b + a", "Mathlib.Far"),
    Statement("Set.never_found", "theorem", "", "q", "Mathlib.Far"),
    Statement("Set.its_kin", "theorem", "", "q'", "Mathlib.Far"),
    Statement("Own.first_fact", "theorem", "(a b : ℕ)", "a + b = b + a", "Mathlib.Own"),
    Statement("Own.target", "theorem", "(a b : ℕ)", "a + b = b + a", "Mathlib.Own"),
    Statement("Own.later_fact", "theorem", "(a b : ℕ)", "a + b = b + a", "Mathlib.Own"),
]
ROW = Record(
    "a b : ℕ\n⊢ a + b = b + a", "exact first_fact a b", decl="Own.target", file=FILE, src="mathlib"
)


@pytest.fixture
def index(tmp_path: Path) -> LibraryIndex:
    steps = [ProofStep(ROW.state, "rw [add_comm]"), ProofStep("⊢ True", "trivial")]
    write_index(tmp_path / "i.tactics", steps, STATEMENTS, fewest_rows=1)
    return LibraryIndex(tmp_path / "i.tactics")


def write(index: LibraryIndex, *rows: Record, plan: PremisePlan = ALWAYS, seed: int = 0):
    return list(PremiseWriter(index, STATEMENTS, plan, seed).write_file(rows))


def names(row: Record) -> list[str]:
    return [mention.name for mention in row.premises]


def test_library_and_file_are_searched_and_what_comes_later_is_not_known(
    index: LibraryIndex,
) -> None:
    (row,) = write(index, ROW)
    assert {"first_fact", "add_comm"} <= set(names(row))
    assert not {"target", "later_fact", "Own.target", "Own.later_fact"} & set(names(row))
    says = {mention.name: mention.conclusion for mention in row.premises}
    assert says["first_fact"] == "a + b = b + a"


def test_the_cited_lemma_is_put_in_where_it_is_missing_with_some_of_its_kin(
    index: LibraryIndex,
) -> None:
    cited = attrs.evolve(ROW, tactic="exact never_found")
    places: set[int] = set()
    for seed in range(12):
        (row,) = write(index, cited, seed=seed)
        assert "never_found" in names(row)  # as it is written in the step
        assert len(names(row)) <= 8
        places.add(names(row).index("never_found"))
        assert any(name.endswith("its_kin") for name in names(row))
    assert len(places) > 1
    (row,) = write(index, cited, plan=attrs.evolve(ALWAYS, inserted=0.0))
    assert not any("never_found" in name for name in names(row))


def test_shares_are_kept(index: LibraryIndex) -> None:
    rows = [attrs.evolve(ROW, tactic="exact never_found") for _ in range(200)]
    written = write(index, *rows, plan=PremisePlan(inserted=0.6, without=0.2, renamed=0.0))
    empty = sum(not row.premises for row in written)
    shown = [row for row in written if row.premises]
    inserted = sum("never_found" in names(row) for row in shown)
    assert 20 <= empty <= 62
    assert 0.48 <= inserted / len(shown) <= 0.72


def test_a_lemma_of_the_file_gets_the_same_other_name_everywhere(index: LibraryIndex) -> None:
    plan = attrs.evolve(ALWAYS, renamed=1.0)
    (row,) = write(index, ROW, plan=plan)
    new = row.tactic.split()[1]
    assert new != "first_fact"
    assert new in names(row)
    assert "first_fact" not in " ".join(names(row))
    assert "add_comm" in names(row)  # what the library states keeps its name
    assert re.fullmatch(r"[\w']+", new)


def test_a_tactic_is_no_lemma_of_that_name(index: LibraryIndex) -> None:
    own = [*STATEMENTS[:-3], Statement("Own.simp", "theorem", "", "a + b = b + a", "Mathlib.Own")]
    writer = PremiseWriter(index, [*own, *STATEMENTS[-2:]], attrs.evolve(ALWAYS, renamed=1.0))
    (row,) = writer.write_file([attrs.evolve(ROW, tactic="simp [simp]")])
    assert row.tactic.startswith("simp [")
    assert row.tactic != "simp [simp]"


def test_the_rows_own_step_is_no_neighbour_of_it(tmp_path: Path) -> None:
    path = tmp_path / "own.tactics"
    steps = [ProofStep(ROW.state, "exact Set.never_found"), ProofStep("⊢ True", "trivial")]
    far = [s for s in STATEMENTS if s.module == "Mathlib.Far"]
    write_index(path, steps, far, fewest_rows=1)
    plan = PremisePlan(inserted=0.0, without=0.0, renamed=0.0)
    writer = PremiseWriter(LibraryIndex(path), STATEMENTS, plan)
    itself = attrs.evolve(ROW, tactic="exact Set.never_found")
    own, another = writer.write_file([itself, attrs.evolve(ROW, tactic="ring")])
    assert "Set.never_found" not in names(own)
    assert "Set.never_found" in names(another)


def test_rows_without_a_file_have_premises_too(index: LibraryIndex) -> None:
    (row,) = write(index, Record(ROW.state, "omega"))
    assert "add_comm" in names(row)


def test_later_steps_are_drawn_twice_as_often() -> None:
    rows = [
        Record("⊢ p", f"t{step}", decl=f"d{proof}", file="F.lean")
        for proof in range(1000)
        for step in range(2)
    ]
    drawn = draw_middles(rows, 400, seed=1)
    later = sum(row.tactic == "t1" for row in drawn)
    assert len(drawn) == 400
    assert len({(row.decl, row.tactic) for row in drawn}) == 400
    assert 1.5 < later / (400 - later) < 2.7
    assert draw_middles(rows, 5000, seed=1) == rows
