"""Names in order, by their beginning and by that of their last component."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstep.lean_text.statements import Statement
from llmstep.sources.index_writer import write_index
from llmstep.sources.library_index import LibraryIndex
from llmstep.sources.name_table import NameTable, NameTables, read_table
from llmstep.sources.steps import ProofStep

NAMES = ["Nat.add", "add_zero", "Nat.«a b»", "Nat", "ν.𝕜", "Natural.add_one", "add"]


def names_of(rows: Sequence[int]) -> set[str]:
    return {NAMES[row] for row in rows}


def test_names_are_found_by_their_beginning() -> None:
    table = NameTable(NAMES)
    assert names_of(table.beginning_with("Nat")) == {
        "Nat",
        "Nat.add",
        "Nat.«a b»",
        "Natural.add_one",
    }
    assert names_of(table.beginning_with("Nat.")) == {"Nat.add", "Nat.«a b»"}
    assert names_of(table.ending_beginning_with("add")) == {
        "Nat.add",
        "add_zero",
        "Natural.add_one",
        "add",
    }
    assert names_of(table.ending_beginning_with("𝕜")) == {"ν.𝕜"}
    assert not table.beginning_with("zz")
    assert len(table.beginning_with("")) == len(NAMES)
    assert not NameTable([]).beginning_with("a")


@given(
    st.lists(st.text("ab.ν𝕜_", min_size=1, max_size=6), unique=True), st.text("ab.ν", max_size=2)
)
def test_it_agrees_with_looking_at_every_name(names: list[str], prefix: str) -> None:
    table = NameTable(names)
    found = {names[row] for row in table.beginning_with(prefix)}
    assert found == {name for name in names if name.startswith(prefix)}
    found = {names[row] for row in table.ending_beginning_with(prefix)}
    assert found == {name for name in names if name.rpartition(".")[2].startswith(prefix)}


@pytest.fixture
def index(tmp_path: Path) -> LibraryIndex:
    statements = [Statement(name, "theorem", "", f"P{i}", f"M{i}") for i, name in enumerate(NAMES)]
    steps = [ProofStep("⊢ p", step) for step in ["simp"] * 4 + ["rw [add]"] * 3 + ["once"]]
    write_index(tmp_path / "i", steps, statements, fewest_rows=1)
    return LibraryIndex(tmp_path / "i")


def test_the_table_of_an_index_has_its_names_and_the_words_that_steps_begin_with(
    index: LibraryIndex,
) -> None:
    table = read_table(index)
    assert len(table) == len(NAMES)
    found = index.likeliest(table.beginning_with("Nat."), 5)
    assert {statement.name for statement, _ in found} == {"Nat.add", "Nat.«a b»"}
    (only,) = index.likeliest(table.beginning_with("add"), 5, lambda module: module == "M6")
    assert (only[0].name, only[1]) == ("add", 3)  # three steps name it
    assert table.heads == {"simp": 4, "rw": 3}  # one use is none


def test_tables_are_made_beside(index: LibraryIndex) -> None:
    tables = NameTables()
    assert tables.get(index) is None
    for _ in range(500):
        if (table := tables.get(index)) is not None:
            break
        time.sleep(0.01)
    assert table is not None
    assert tables.get(index) is table


def test_a_damaged_index_has_no_names(index: LibraryIndex) -> None:
    index._texts.bytes = index._texts.bytes[:0]
    tables = NameTables()
    tables._make(index)
    table = tables.get(index)
    assert table is not None
    assert len(table) == 0
