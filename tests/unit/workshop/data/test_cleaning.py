from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstep_workshop.data.cleaning import Cleaner, fingerprint, is_balanced
from llmstep_workshop.data.records import Record

GOOD = Record("h : p\n⊢ p", "exact h")


@pytest.mark.parametrize(
    ("state", "tactic", "rule"),
    [
        ("h : p", "exact h", "no-goal"),
        ("⊢ p", "exact " + "h" * 140, "long-tactic"),
        ("⊢ p" + " ∧ p" * 400, "simp", "long-state"),
        ("⊢ p", "· sorry", "unproved"),
        ("⊢ p", "first | simp | admit", "unproved"),
        ("⊢ p", "native_decide", "unproved"),
        ("⊢ p", "simp -- easy", "comment"),
        ("⊢ p", "exact ⟨h, k)", "brackets"),
        ("⊢ (p", "simp", "brackets"),
        ("⊢ p", 'exact "open', "brackets"),
        ("⊢ p", "intro h\nexact h", "lines"),
        ("⊢ let x := 1; x = 1", "rfl", "binding"),
    ],
)
def test_each_rule_drops_its_row(state: str, tactic: str, rule: str) -> None:
    cleaner = Cleaner(bindings=False)
    assert list(cleaner.clean([GOOD, Record(state, tactic)])) == [GOOD]
    assert cleaner.dropped == {rule: 1}
    assert rule in cleaner.rules()


@pytest.mark.parametrize(
    "tactic", ["exact sorry_free", "rw [stop_iff]", "exact h.admit", "simp [native_decide_eq]"]
)
def test_a_name_that_holds_a_word_stays(tactic: str) -> None:
    assert Cleaner().find_fault(Record("⊢ p", tactic)) == ""


def test_rules_can_be_switched_off() -> None:
    cleaner = Cleaner(max_tactic=300, multi_line=True, duplicates=True)
    rows = [Record("⊢ let x := 1; p", "intro h\nexact h")] * 2
    assert list(cleaner.clean(rows)) == rows
    assert {"lines", "binding", "duplicate"}.isdisjoint(cleaner.rules())


def test_duplicates_are_found_across_layouts() -> None:
    cleaner = Cleaner()
    rows = [GOOD, Record("h : p\n⊢  p", "exact  h"), Record("h : p\n⊢ p", "assumption")]
    assert list(cleaner.clean(rows)) == [rows[0], rows[2]]
    assert cleaner.dropped == {"duplicate": 1}


def test_brackets_in_strings_and_characters_do_not_count() -> None:
    assert is_balanced("exact f \"(\" ')' ⟨x, [y], {z}⟩")
    assert is_balanced("⟪x, y⟫ = ⌊z⌋")
    assert not is_balanced("(]")
    assert not is_balanced(")")


@given(st.text(), st.text())
def test_a_fingerprint_sees_words_not_blanks(state: str, tactic: str) -> None:
    blank = f" \n{state}\t", f"{tactic}  "
    assert fingerprint(*blank) == fingerprint(state, tactic)
    assert fingerprint(state, f"{tactic} x") != fingerprint(state, tactic)
    assert fingerprint("a", "b c") != fingerprint("a b", "c")
