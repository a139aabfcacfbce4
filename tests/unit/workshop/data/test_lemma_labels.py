"""Which lemmas rows cite, which suggestions name them, and which names exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmstep_workshop.data.lemma_labels import (
    NameList,
    all_names_exist,
    cited_lemmas,
    label_rows,
    names_one_of,
    read_labels,
)
from llmstep_workshop.data.rows import Row
from llmstep_workshop.errors import TrainingDataError
from llmstep_workshop.evaluation.candidates import Answer
from llmstep_workshop.evaluation.scores import ExistingNames, score_row, summarise

NAMES_LISTED = ("Set.inter_comm", "Finset.inter_comm", "LT.lt.trans", "Set.foo_bar", "add_comm")
NAMES = NameList(NAMES_LISTED)
STATE = "a b : ℕ\nh : a < b\n⊢ a < b"


def test_a_written_name_is_found_by_namespace_then_by_a_unique_ending() -> None:
    assert NAMES.resolve("add_comm") == "add_comm"
    assert NAMES.resolve("inter_comm", "Set.own") == "Set.inter_comm"
    assert NAMES.resolve("inter_comm") is None
    assert NAMES.resolve("foo_bar") == "Set.foo_bar"
    assert NAMES.resolve("nothing") is None


def test_what_a_tactic_cites() -> None:
    row = Row(STATE, "rw [add_comm, inter_comm] at h; exact h.trans foo_bar", decl="Finset.own")
    assert cited_lemmas(row, NAMES) == ("add_comm", "Finset.inter_comm", "Set.foo_bar")
    assert cited_lemmas(Row(STATE, "simp"), NAMES) == ()


def test_labels_of_a_file_go_before_the_tactics_names(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text('{"row": 1, "lemmas": ["Own.lemma"]}\n', encoding="utf-8")
    rows = [(1, Row(STATE, "rw [add_comm]")), (2, Row(STATE, "simp"))]
    assert [row.lemmas for _, row in label_rows(rows, read_labels(path), NAMES)] == [
        (),
        ("Own.lemma",),
    ]
    assert [row.lemmas for _, row in label_rows(rows, None, NAMES)] == [("add_comm",), ()]
    path.write_text('{"row": "x"}\n', encoding="utf-8")
    with pytest.raises(TrainingDataError, match=r"labels\.jsonl:1"):
        read_labels(path)


@pytest.mark.parametrize(
    ("tactic", "named"),
    [
        ("exact LT.lt.trans h h'", True),
        ("exact h.trans h'", True),
        ("exact trans h h'", True),
        ("exact strans h h'", False),
        ("exact h", False),
        ("simp", False),
    ],
)
def test_a_lemma_is_named_in_full_or_by_its_end(tactic: str, named: bool) -> None:
    assert names_one_of(tactic, ["LT.lt.trans"], STATE) is named


@pytest.mark.parametrize(
    ("tactic", "exist"),
    [
        ("rw [add_comm, Set.inter_comm]", True),
        ("rw [add_comm, Set.inter_commm]", False),
        ("rw [inter_comm]", False),  # of a namespace that is not open
        ("rw [foo_bar]", True),  # of one that is
        ("rw [space_lemma]", True),  # of the declaration's own
        ("rw [own_lemm]", False),  # stands in the file, and is no name of it
        ("exact h.no_such_field", True),
        ("exact add_comm.symm", True),
        ("exact Nat.made_up h", False),
        ("exact Nat.core_name h", True),
        ("simp [own_lemma]", True),
        ("simp [Own.inner]", True),
        ("exact hx_pos", False),
        ("obtain ⟨first, second_one⟩ := h", True),
        ("exact fun thing_one => add_comm thing_one", True),
        ("obtain ⟨first, second_one⟩ := bogus_name h", False),
    ],
)
def test_names_that_exist(tactic: str, exist: bool) -> None:
    names = NameList([*NAMES_LISTED, "Space.space_lemma", "Other.foo_bar"])
    context = (
        "open Other\ntheorem own_lemma : True := trivial\ntheorem Own.inner : p := own_lemma\n"
        "example : own_lemm"
    )
    row = Row(STATE, "simp", context=context, decl="Space.here")
    written = {"Nat.core_name", "hx_pos", "inter_comm", "made_up"}
    assert all_names_exist(tactic, row, names, written.__contains__) is exist


def test_scores_of_lemmas_by_corpus() -> None:
    rows = [
        Row(STATE, "rw [add_comm]", lemmas=("add_comm",), src="one"),
        Row(STATE, "exact h.trans h", lemmas=("LT.lt.trans",), src="two"),
        Row(STATE, "simp", src="two"),
    ]
    answers = [
        Answer(("simp", "rw [add_comm]", "constructor"), 0.1),
        Answer(("simp", "exact bogus_name"), 0.1),
        Answer(("simp",), 0.1),
    ]
    scored = [
        score_row(i, row, answer, ExistingNames(NAMES))
        for i, (row, answer) in enumerate(zip(rows, answers, strict=True), start=1)
    ]
    assert [row.lemma for row in scored] == [2, None, None]
    scores = summarise(scored, 2)
    assert (scores.citing, scores.lemma_at_n) == (2, 0.5)
    assert scores.names_exist == pytest.approx(5 / 6)
    assert scores.impossible == pytest.approx(1 / 6)
    assert {name: own.lemma_at_n for name, own in scores.sources.items()} == {"one": 1, "two": 0}
    assert summarise(scored, 1).lemma_at_n == 0.0
