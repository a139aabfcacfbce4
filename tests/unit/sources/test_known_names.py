"""Names are followed while a step is written, and given up where nothing known goes on so."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmstep.lean_text.statements import Statement
from llmstep.sources.evidence import Evidence
from llmstep.sources.index_writer import write_index
from llmstep.sources.known_names import KnownNames
from llmstep.sources.library_index import LibraryIndex
from llmstep.sources.mixing import load_mixing
from llmstep.sources.steps import ProofStep

NEAR = ("Set.inter_comm", "mul_le_mul_of_nonneg_left", "Finset.sum_congr")
COMMON = sorted({"le_antisymm", "Nat.succ_le_iff", "succ_le_iff", "forall"})
LOCAL = ("hab", "hι", "hb₁", "hfoo_bar", "ι", "measure")


def known(given: int = 0, knows=lambda name: name == "rarely_seen") -> KnownNames:
    return KnownNames(NEAR, LOCAL, COMMON, knows, given)


def cut_at(names: KnownNames, step: str) -> str | None:
    """The beginning at which a step is given up, if it is written character by character."""
    for end in range(1, len(step) + 1):
        if not names.admits(step[:end], finished=False):
            return step[:end]
    return None if names.admits(step, finished=True) else step


@pytest.mark.parametrize(
    "step",
    [
        "exact inter_comm s t",
        "rw [Set.inter_comm, ← Finset.sum_congr rfl fun x hx => ?_]",
        "exact (le_antisymm hab hι).symm",
        "exact Nat.succ_le_iff.2 hab",
        "exact hab.trans_whatever x.le_of_nothing",
        "exact hfoo_bar.1",
        "simp only [measure, le_antisymm] at hab ⊢",
        "obtain ⟨some_name, hsome_name⟩ := hab",
        "rintro some_name ⟨other_name, rfl⟩",
        "intro first_one second_one",
        "have key_fact : a = b := le_antisymm hab hι",
        "norm_num [succ_le_iff]",
        "rcases hab with ⟨one_case, rest_case⟩ | other_case",
        "nlinarith [mul_le_mul_of_nonneg_left hab hab, sq_nonneg a]",
        "linarith!",
        "exact @Set.inter_comm _ s t",
        "refine ⟨_, ?_⟩",
        "by_contra h_not",
        "some_unknown_tactic hab",
        "simp <;> norm_num_ext",
        "obtain ⟨x, hx⟩ := hab <;> exact hx.2",
        "exact fun h1 => h1.symm",
        "intro hx; exact hx.le_of_nothing",
        "rcases hab with h1 | h2 <;> simp [h1, h2]",
        "exact hab",
        "first | some_tactic hab | other_tactic",
        "have : a = b := by\n  my_own_tactic hab",
        "set x := a + b with hx",
        "split_ifs with h1 h2",
        "have : a = b := by simp at hab; exact hab",
        "exact hι",
    ],
)
def test_what_is_known_is_let_be(step: str) -> None:
    names = KnownNames((*NEAR, "sq_nonneg"), LOCAL, COMMON)
    assert cut_at(names, step) is None


@pytest.mark.parametrize(
    ("step", "where"),
    [
        ("exact inter_comm_of_disjoint s t", "exact inter_comm_"),
        ("rw [Set.inter_unknown]", "rw [Set.inter_u"),
        ("exact mul_le_mul_of_nonneg_lefty", "exact mul_le_mul_of_nonneg_lefty"),
        ("exact mul_le_mul_of (h)", "exact mul_le_mul_of "),
        ("exact Nat.made_up.2", "exact Nat.m"),
        ("exact hx", "exact hx"),
        ("exact h", "exact h"),
        ("rw [h1] at hab", "rw [h1"),
        ("exact hb₂.symm", "exact hb₂"),
        ("exact h.trans (abcde_fgh x)", "exact h."),
        ("have h := made_up_lemma a", "have h := made_"),
        ("obtain ⟨x, hx⟩ := exists_made_up a", "obtain ⟨x, hx⟩ := exists_"),
        ("exact hab.trans (abcde_fgh x)", "exact hab.trans (abcde"),
        ("rcases made_up_lemma with h", "rcases made_"),
        ("have h : made_up_prop a := x", "have h : made_"),
    ],
)
def test_an_invention_ends_where_nothing_goes_on_so(step: str, where: str) -> None:
    assert cut_at(known(), step) == where


def test_a_finished_name_may_be_any_of_the_library() -> None:
    # It is no longer open, so the library can be asked for it; while it is, only what is near can.
    assert known().admits("exact rarely_seen", finished=True)
    assert known().admits("exact rarely_seen h", finished=False)
    assert not known().admits("exact rarely_see", finished=True)


def test_what_the_user_wrote_is_not_judged() -> None:
    step = "rw [my_own_thing] at hab"
    assert cut_at(known(given=len("rw [my_own_thing")), step) is None
    assert cut_at(known(), step) is not None


def test_names_come_from_premises_steps_file_and_goal(tmp_path: Path) -> None:
    path = tmp_path / "i.tactics"
    steps = [
        ProofStep("a b : ℕ\n⊢ a + b = b + a", "exact add_comm_near a b"),
        ProofStep("s : Set α\n⊢ s ⊆ s", "exact subset_far s"),
        ProofStep("s t : Set α\n⊢ t ⊆ t", "exact subset_far t"),
        *(ProofStep(f"x{i} : Foo\n⊢ Bar x{i}", "exact bar_often _") for i in range(3)),
    ]
    statements = [Statement("Foo.add_comm_stated", "theorem", "(a b : ℕ)", "a + b = b + a", "M")]
    write_index(path, steps, statements, fewest_rows=1)
    index = LibraryIndex(path)
    file = "theorem of_the_file : 1 = 1 := rfl\n\nexample : True := by\n  "
    goal = "a b : ℕ\nhyp_one : a = used_in_goal\n⊢ a + b = b + a"
    names = Evidence(goal, file, index, True, None, load_mixing()).known_names()
    assert names is not None
    for name in ("add_comm_near", "Foo.add_comm_stated", "of_the_file", "used_in_goal", "hyp_one"):
        assert cut_at(names, f"exact {name}") is None, name
    assert cut_at(names, "exact bar_often _") is None  # what many steps name
    assert cut_at(names, "exact nowhere_at_all") is not None


def test_without_a_library_nothing_is_cut() -> None:
    assert Evidence("⊢ 1 = 1", "", None, True, None, load_mixing()).known_names() is None


@pytest.mark.parametrize(
    ("step", "cut"),
    [
        ("exact Set.inter_comm s t", "exact Set.inter_comm "),
        ("rw [Set.inter_comm]", "rw [Set.inter_comm]"),
        ("exact Set.inter_comm.symm", "exact Set.inter_comm."),
        ("exact _root_.Set.inter_comm s t", "exact _root_.Set.inter_comm "),
        ("exact Set.inter_comm", "exact Set.inter_comm"),
        ("exact Set.inter_comm_left s t", None),
        ("exact inter_comm s t", None),
        ("exact Finset.sum_congr rfl hab", None),
    ],
)
def test_a_banned_name_is_none_of_them(step: str, cut: str | None) -> None:
    near = (*NEAR, "Set.inter_comm_left", "_root_.Set.inter_comm")
    names = KnownNames(near, LOCAL, COMMON, banned=["«Set».inter_comm ", ""])
    assert cut_at(names, step) == cut
