"""Exactly one tactic out of what a model wrote."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstep.lean_text.lexer import BRACKETS, scan_tokens
from llmstep.service.postprocess import Reason, extract_tactic

# One-line tactics from Mathlib (Apache-2.0).
REAL_TACTICS = (
    "rw [mul_assoc, ← mul_inv_rev, mul_inv_eq_one, eq_comm]",
    "rcases hs.exists_isOpen_diff_lt hμs hε with ⟨U, hsU, hUo, hUt, hμU⟩",
    "exact mem_center_iff.mp (h hy1) z",
    "rintro s ⟨hs, hμs⟩ r hr",
    "simp only [Subset.antisymm_iff, ← le_antisymm_iff, withBotCoe_subset_iff]",
    "obtain ⟨a, rfl⟩ : ∃ a, f a = b := by simpa using hb",
    "refine ⟨fun x y => ?_, fun h => by simp [h]⟩",
    "exact (hf.comp <| continuous_id.prodMk hg).congr fun x ↦ rfl",
    "induction n <;> simp [*, pow_succ]",
    "have := congr_arg (· + 1) h",
    "calc a ≤ b := h₁; _ ≤ c := h₂",
    "use fun i => f '' s i, {x | 0 < x ∧ x⁻¹ ≤ 1}",
)

MULTI_LINE = (
    "have : p := by\n  simp\n  rfl",
    "calc a = b := by simp\n_ = c := by rfl",
    "calc\n  a = b := by simp\n  _ = c := by rfl",
    "cases h with\n| inl h => simp\n| inr h => exact h",
    "induction n with\n  | zero => rfl\n  | succ n ih =>\n    simp\n    exact ih",
    "· simp\n  rfl",
    "exact fun x =>\n  x",
    "exact match h with\n| .inl h => .inr h\n| .inr h => .inl h",
    "simp only [foo,\n    bar]",
    "simp <;>\nrfl",
    "simp\n<;> rfl",
    "if h : p then\n  simp\nelse\n  rfl",
    "refine foo ?_\n  (by\n  simp)",
    "all_goals\n  simp\n\n  rfl",
)


def tactic(text: str, prefix: str = "", **options) -> str | None:
    return extract_tactic(text, prefix, **options).tactic


def reason(text: str, prefix: str = "", **options) -> Reason | None:
    return extract_tactic(text, prefix, **options).reason


@pytest.mark.parametrize("text", REAL_TACTICS + MULTI_LINE)
@pytest.mark.parametrize("rest", ["", "\n", "  \n\n", "\nexact foo", "\n· simp", "\n\ntheorem x"])
def test_one_whole_tactic_is_kept_and_what_follows_is_cut(text: str, rest: str) -> None:
    assert tactic(text + rest) == text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("intro h; exact h", "intro h"),
        ("have h := x; exact h", "have h := x"),
        ("all_goals simp; rfl", "all_goals simp; rfl"),
        ("exact foo (by simp; rfl)", "exact foo (by simp; rfl)"),
        ("have : p := by simp; rfl", "have : p := by simp; rfl"),
        ("constructor\n· simp\n· rfl", "constructor"),
        ("-- first\nsimp -- done", "simp"),
        ("```lean\nsimp\n```\nThis works", "simp"),
        ("simp[/TAC] and so on", "simp"),
        ("simp<|endoftext|>", "simp"),
        ("simp)", "simp"),
        (" \n  simp\n  rfl", "simp"),
        ("simp\r\nrfl", "simp"),
        ("exact mk ℕ+", "exact mk ℕ+"),
        ("simp at *", "simp at *"),
        ("simp at h ⊢", "simp at h ⊢"),
        ("exact foo ..", "exact foo .."),
    ],
)
def test_cuts(text: str, kept: str) -> None:
    assert tactic(text) == kept


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", Reason.EMPTY),
        (" \n ", Reason.EMPTY),
        ("-- nothing", Reason.EMPTY),
        (")", Reason.EMPTY),
        ("```\n```", Reason.EMPTY),
        ("exact (foo", Reason.UNBALANCED),
        ("exact (foo]", Reason.UNBALANCED),
        ('exact "foo', Reason.UNBALANCED),
        ("simp /- on and on", Reason.UNBALANCED),
        ("rw [a\nb\nexact c", Reason.UNBALANCED),
        ("have h : p := by", Reason.INCOMPLETE),
        ("exact", Reason.INCOMPLETE),
        ("rw", Reason.INCOMPLETE),
        ("refine foo <|", Reason.INCOMPLETE),
        ("exact h\tfoo", Reason.CONTROL),
        ("exact h\x00", Reason.CONTROL),
        ("exact \ufffd", Reason.CONTROL),
        ("exact \u202eh", Reason.CONTROL),
        ("sorry", Reason.UNSOUND),
        ("exact sorry", Reason.UNSOUND),
        ("exact ⟨h, by sorry⟩", Reason.UNSOUND),
        ("admit", Reason.UNSOUND),
        ("stop", Reason.UNSOUND),
        ("native_decide", Reason.UNSOUND),
        ("decide +native", Reason.UNSOUND),
        ("decide (config := {native := true})", Reason.UNSOUND),
        ("exact sorryAx _", Reason.UNSOUND),
        ("exact «sorryAx» _", Reason.UNSOUND),
        ("exact Lean.ofReduceBool a b rfl", Reason.UNSOUND),
        ("exact?", Reason.UNWANTED),
        ("first | simp | apply?", Reason.UNWANTED),
        ('llmstep ""', Reason.UNWANTED),
        ("run_tac IO.println 1", Reason.UNWANTED),
        ("set_option maxHeartbeats 0 in simp", Reason.UNWANTED),
    ],
)
def test_drops(text: str, why: Reason) -> None:
    verdict = extract_tactic(text)
    assert (verdict.tactic, verdict.reason) == (None, why)


@pytest.mark.parametrize(
    "text",
    [
        "exact h_sorry",
        "exact sorry_free",
        'exact foo "sorry"',
        "exact foo /- sorry -/ bar",
        "exact «sorry»",
        "exact admitted",
        "exact List.head? xs",
        "exact native h",
    ],
)
def test_words_that_only_look_forbidden_stay(text: str) -> None:
    assert tactic(text) == text


@pytest.mark.parametrize(
    "text",
    ["exact foo", "exact foo.symm", "rw [← foo.bar]", "exact _root_.foo", "exact «foo»"],
)
def test_a_banned_name_is_found_however_it_is_written(text: str) -> None:
    assert reason(text, banned=["foo"]) is Reason.BANNED


@pytest.mark.parametrize(
    "text",
    [
        "exact foo'",
        "exact foobar",
        "exact bar_foo",
        'exact f "foo"',
        "simp [fo.o]",
        # These cannot mean a theorem whose whole name is `foo`.
        "exact h.foo",
        "rw [← h.foo.symm]",
        "exact Bar.foo",
        "exact .foo",
        "exact (h x).foo",
        "exact h.1.foo",
        "exact f x |>.foo",
    ],
)
def test_other_names_are_not_banned(text: str) -> None:
    assert tactic(text, banned=["foo", "", "  "]) == text


def test_a_banned_qualified_name_does_not_ban_its_last_part() -> None:
    assert reason("exact MyNat.add_comm a b", banned=["MyNat.add_comm"]) is Reason.BANNED
    assert reason("exact _root_.MyNat.add_comm", banned=["MyNat.add_comm"]) is Reason.BANNED
    assert tactic("exact add_comm a b", banned=["MyNat.add_comm"]) == "exact add_comm a b"


def test_a_truncated_tactic_counts_only_if_something_follows_it() -> None:
    assert reason("exact foo.ba", truncated=True) is Reason.TRUNCATED
    assert tactic("exact foo\nsimp", truncated=True) == "exact foo"
    assert tactic("exact foo -- as", truncated=True) == "exact foo"
    assert tactic("exact foo</s>", truncated=True) == "exact foo"


def test_stop_strings_end_the_tactic() -> None:
    assert tactic("simp\n---\nrfl", stop=["---"]) == "simp"
    assert tactic("exact f---g", stop=["---"]) == "exact f"


def test_the_column_decides_which_lines_belong_to_the_tactic() -> None:
    file_text = "have : p := by\n    simp\n  exact this"
    assert tactic(file_text, column=2) == "have : p := by\n  simp"
    assert tactic("simp\n  exact h", column=4) == "simp"
    assert tactic("constructor\n  · simp\n  · simp", column=2) == "constructor"


def test_the_prefix_is_kept_as_it_is() -> None:
    assert tactic("simp ", "simp ") == "simp "
    assert tactic("  exact h", "  ") == "  exact h"
    assert tactic("constructor\n· exact ha\n· exact hb\nfoo", "constructor\n· exact ha\n· ") == (
        "constructor\n· exact ha\n· exact hb"
    )
    assert tactic("intro h; exact h\nrfl", "intro h; ") == "intro h; exact h"
    assert tactic("simp -- c\nrfl", "simp -") == "simp -- c"
    assert reason("apply h", "exact") is Reason.PREFIX_LOST
    assert reason("exact sorry", "exact sorry") is Reason.UNSOUND
    assert reason("exact", "exact") is Reason.INCOMPLETE


PIECES = st.sampled_from((
    *REAL_TACTICS, *MULTI_LINE, "\n", "\n  ", " ", "(", ")", "⟨", "⟩", "·", ";", "by", "=>", "h",
    "-- c\n", "/- ", "-/", '"', "'", ",", "| ", "_ = ", "<;> ", "```", "sorry", "«", "»",
))  # fmt: skip
TEXTS = st.one_of(st.lists(PIECES, max_size=12).map("".join), st.text(max_size=60))


@given(TEXTS, st.integers(0, 60), st.integers(0, 8), st.booleans())
def test_properties_of_every_tactic(text: str, cut: int, column: int, truncated: bool) -> None:
    prefix = text[:cut]
    verdict = extract_tactic(text, prefix, column=column, truncated=truncated)
    assert (verdict.tactic is None) == (verdict.reason is not None)
    if verdict.tactic is None:
        return
    found = verdict.tactic
    assert found.startswith(prefix)
    assert found == prefix or found == found.rstrip()
    assert extract_tactic(found, prefix).tactic == found
    stack: list[str] = []
    for token in scan_tokens(found):
        assert token.closed
        if token.kind == "open":
            stack.append(BRACKETS[token.text])
        elif token.kind == "close":
            assert stack.pop() == token.text
    assert not stack
    assert not {"sorry", "admit"} & {t.text for t in scan_tokens(found) if t.kind == "word"}


@given(st.sampled_from(REAL_TACTICS + MULTI_LINE), st.integers(0, 40))
def test_a_real_tactic_survives_any_prefix_of_it(text: str, cut: int) -> None:
    assert tactic(text + "\nrfl", text[:cut]) == text


@pytest.mark.parametrize("stop", [" at", "simp", "at h"])
def test_a_stop_string_that_begins_in_the_prefix_cuts_nothing(stop: str) -> None:
    verdict = extract_tactic("simp at h", "simp at", stop=(stop,))
    assert verdict.tactic == "simp at h"
    again = extract_tactic("simp at h at x", "simp at", stop=(" at",))
    assert again.tactic == "simp at h"
