"""What library, file and portfolio say about a goal, and how it is weighed."""

from __future__ import annotations

import gc
import math
import weakref
from pathlib import Path

import pytest

from llmstep.lean_text.document import read_document
from llmstep.sources.evidence import Evidence
from llmstep.sources.index_writer import write_index
from llmstep.sources.library_index import LibraryIndex
from llmstep.sources.mixing import FEATURES, HEAD_FEATURES, Mixing, load_mixing
from llmstep.sources.portfolio import Closer, Portfolio
from llmstep.sources.premises import PremiseTable
from llmstep.sources.steps import ProofStep

GOAL = "p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q"
PAIRS = [
    ("a b : Prop\nhp : a\nhq : b\n⊢ a ∧ b", "exact ⟨hp, hq⟩"),
    ("a b : Prop\nha : a\nhb : b\n⊢ a ∧ b", "exact And.intro ha hb"),
    ("a b : Prop\n⊢ a ∧ b", "constructor"),
    ("x : ℝ\nhp : 0 < x\n⊢ 0 < x ∧ x = x", "linarith"),
]
FILE = """import Mathlib

theorem first (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  refine ⟨hp, ?_⟩
  exact hq

theorem second : True := by
  """
PORTFOLIO = Portfolio((Closer("simp", -1.0, {}), Closer("ring", -2.0, {})))
PLAIN = Mixing(
    dict.fromkeys(FEATURES, 0.0)
    | {"bias": -3.0, "library_share": 2.0, "file_share": 2.0, "model": 0.5, "portfolio": 0.25},
    dict.fromkeys(HEAD_FEATURES, 0.0) | {"model_log_mass": 1.0, "library_head": 1.0},
    0.5,
)


@pytest.fixture
def index(tmp_path: Path) -> LibraryIndex:
    path = tmp_path / "i.tactics"
    write_index(path, [ProofStep(*pair) for pair in PAIRS], [], fewest_rows=1)
    return LibraryIndex(path)


def proposed(evidence: Evidence) -> dict[str, tuple[str, ...]]:
    return {tactic: estimate.origin for tactic, estimate in evidence.propose()}


def test_each_source_proposes_what_fits_the_goal(index: LibraryIndex) -> None:
    assert proposed(Evidence(GOAL, FILE, index, True, PORTFOLIO, PLAIN)) == {
        "exact ⟨hp, hq⟩": ("library",),
        "exact And.intro hp hq": ("library",),
        "constructor": ("library",),
        "linarith": ("library",),
        "refine ⟨hp, ?_⟩": ("file",),
        "exact hq": ("file",),
        "simp": ("portfolio",),
        "ring": ("portfolio",),
    }


def test_sources_can_be_left_out(index: LibraryIndex) -> None:
    assert set(proposed(Evidence(GOAL, FILE, None, True, None, PLAIN))) == {
        "refine ⟨hp, ?_⟩",
        "exact hq",
    }
    assert set(proposed(Evidence(GOAL, FILE, None, False, PORTFOLIO, PLAIN))) == {"simp", "ring"}
    assert proposed(Evidence(GOAL, "", None, True, None, PLAIN)) == {}


def test_a_file_without_mathlib_gets_no_tactic_of_mathlib(index: LibraryIndex) -> None:
    core = FILE.replace("import Mathlib", "import LLMstep")
    evidence = Evidence(GOAL, core, index, True, PORTFOLIO, PLAIN)
    assert not {"linarith", "ring"} & set(proposed(evidence))
    assert not evidence.runs_here("nlinarith [hp]")
    assert evidence.runs_here("omega")


def test_proposals_come_the_likeliest_first_with_finite_scores(index: LibraryIndex) -> None:
    found = Evidence(GOAL, FILE, index, True, PORTFOLIO, PLAIN).propose()
    scores = [estimate.score for _, estimate in found]
    assert scores == sorted(scores, reverse=True)
    assert all(math.isfinite(score) and score < 0 for score in scores)


def test_the_score_is_the_log_of_a_logistic_regression(index: LibraryIndex) -> None:
    evidence = Evidence(GOAL, "", index, True, PORTFOLIO, PLAIN)
    odds = PLAIN.log_odds(evidence.features("simp", -1.5, 3))
    assert odds == pytest.approx(-3.0 + 0.5 + 0.25)
    assert evidence.estimate("simp", -1.5, 3).score == pytest.approx(
        math.log(1 / (1 + math.exp(-odds)))
    )


def test_a_tactic_of_several_sources_names_them_all(index: LibraryIndex) -> None:
    evidence = Evidence(GOAL, FILE, index, True, PORTFOLIO, PLAIN)
    assert evidence.estimate("exact ⟨hp,  hq⟩", -2.0, 5).origin == ("model", "library")
    assert evidence.estimate("simp").origin == ("portfolio",)


def test_features_tell_known_names_from_invented_ones(index: LibraryIndex) -> None:
    evidence = Evidence(GOAL, FILE, index, True, PORTFOLIO, PLAIN)
    known = evidence.features("exact hp", None, 0)
    assert (known["no_names"], known["uses_local"], known["names_known"]) == (1.0, 1.0, 1.0)
    invented = evidence.features("exact And.made_up hp", None, 0)
    assert (invented["no_names"], invented["names_known"]) == (0.0, 0.0)
    assert (known["invented"], invented["invented"]) == (0.0, 1.0)
    in_file = Evidence(GOAL, FILE + "-- And.made_up", index, True, PORTFOLIO, PLAIN)
    assert in_file.features("exact And.made_up hp", None, 0)["invented"] == 0.0
    assert evidence.features("exact And.intro hp hq", None, 0)["invented"] == 0.0
    assert set(known) == set(FEATURES)


def test_the_votes_of_similar_goals_add_up(index: LibraryIndex) -> None:
    evidence = Evidence(GOAL, "", index, False, None, PLAIN)
    both = [evidence.features(t, None, 0) for t in ("exact ⟨hp, hq⟩", "constructor")]
    assert both[0]["library_share"] > both[1]["library_share"] > 0
    assert both[0]["library_head"] > both[1]["library_head"]


def test_a_step_of_another_goal_is_told_with_the_names_of_this_one(tmp_path: Path) -> None:
    path = tmp_path / "i.tactics"
    monotone = ProofStep("f : ℕ → ℕ\nhf : Monotone f\n⊢ f 1 ≤ f 2", "exact hf one_le_two")
    write_index(path, [monotone, ProofStep("⊢ True", "trivial")], [], fewest_rows=1)
    goal = "g : ℕ → ℕ\nh : Monotone g\n⊢ g 1 ≤ g 2"
    assert proposed(Evidence(goal, "", LibraryIndex(path), False, None, PLAIN)) == {
        "exact h one_le_two": ("library",)
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "exact inter_comm s t"),  # nothing is known of what is open
        ("import Mathlib\n\nexample : True := by\n  ", "exact Set.inter_comm s t"),
        ("open Set\n\nexample : True := by\n  ", "exact inter_comm s t"),
        ("namespace Finset\n\nexample : True := by\n  ", "exact inter_comm s t"),  # kindred
    ],
)
def test_names_are_written_as_the_file_has_them_open(
    tmp_path: Path, text: str, expected: str
) -> None:
    goal = "s t : Set ℕ\n⊢ s ∩ t = t ∩ s"
    steps = [
        ProofStep(goal, "exact inter_comm s t", "Set.inter_comm'"),
        ProofStep("⊢ True", "trivial", "Set.inter_comm"),
        ProofStep("⊢ False", "trivial", "Finset.inter_comm"),
    ]
    write_index(tmp_path / "i", steps, [], fewest_rows=1)
    evidence = Evidence(goal, text, LibraryIndex(tmp_path / "i"), False, None, PLAIN)
    assert expected in proposed(evidence)
    # The model writes names as the library does.
    assert evidence.complete_names("exact inter_comm s t") == expected
    assert evidence.complete_names("rw [inter_comm, foo]") == (f"rw [{expected.split()[1]}, foo]")


def test_the_files_own_names_stay(tmp_path: Path) -> None:
    goal = "s t : Set ℕ\nh : s = t\n⊢ s ∩ t = t ∩ s"
    steps = [
        ProofStep(goal, "exact mem_comm s t", "Set.mem_comm'"),
        ProofStep(goal, "exact sub_comm s t", "Set.mem_comm'"),
        ProofStep("⊢ True", "trivial", "Set.mem_comm"),
        ProofStep("⊢ False", "trivial", "Set.sub_comm"),
    ]
    write_index(tmp_path / "i", steps, [], fewest_rows=1)
    text = "theorem mem_comm : True := trivial\n\nexample : True := by\n  "
    evidence = Evidence(goal, text, LibraryIndex(tmp_path / "i"), False, None, PLAIN)
    assert evidence.complete_names("exact mem_comm s t") == "exact mem_comm s t"
    assert evidence.complete_names("exact sub_comm s t") == "exact Set.sub_comm s t"
    assert evidence.complete_names("sub_comm <;> sub_comm") == "sub_comm <;> sub_comm"
    local = Evidence(
        f"sub_comm : True\n{goal}", text, LibraryIndex(tmp_path / "i"), False, None, PLAIN
    )
    assert local.complete_names("exact sub_comm s t") == "exact sub_comm s t"


def test_what_the_sources_say_of_a_first_word(index: LibraryIndex) -> None:
    evidence = Evidence(GOAL, FILE, index, True, PORTFOLIO, PLAIN)
    assert set(evidence.head_features("exact")) == set(HEAD_FEATURES)
    before = evidence.head_features("exact")
    evidence.add_candidate("exact hp", math.log(0.25), 4)
    evidence.add_candidate("exact  hp", math.log(0.125), 4)  # the same step once more
    evidence.add_candidate("exact hq", math.log(0.25), 4)
    after = evidence.head_features("exact")
    assert after["model_log_mass"] == pytest.approx(math.log(0.5 + 0.01))
    assert after["model_count"] == pytest.approx(math.log(3))
    assert (
        after["library_head"] == before["library_head"] > evidence.head_features("x")["file_head"]
    )
    odds = [evidence.head_features(head)["closer_odds"] for head in ("simp", "ring", "exact")]
    assert odds[0] > odds[1] > odds[2] == 0.0


def test_the_list_covers_first_words_that_are_likely(index: LibraryIndex) -> None:
    evidence = Evidence(GOAL, "", index, False, PORTFOLIO, PLAIN)
    for tactic, share in (("exact hp", 0.4), ("exact hq", 0.3), ("refine ?_", 0.1)):
        evidence.add_candidate(tactic, math.log(share), 3)
    scored = [("exact hp", -1.0), ("exact hq", -1.1), ("refine ?_", -2.0), ("foo", -2.0)]
    assert [tactic for tactic, _ in evidence.choose(scored, 2)] == ["exact hp", "exact hq"]
    assert evidence.choose(scored, 3)[2][0] == "refine ?_"


def test_half_a_word_is_completed_to_known_words(index: LibraryIndex) -> None:
    evidence = Evidence(GOAL, "", index, False, PORTFOLIO, PLAIN, "con")
    assert evidence.runs_here("constructor")
    assert not evidence.runs_here("conatch")
    own = Evidence(
        GOAL, 'macro "conatch" : tactic => `(tactic| simp)', index, False, None, PLAIN, "con"
    )
    assert own.runs_here("conatch")
    assert Evidence(GOAL, "", index, False, None, PLAIN, "conatch").runs_here("conatch")
    assert Evidence(GOAL, "", None, False, None, PLAIN, "con").runs_here("conatch")


def test_what_cannot_run_takes_no_place(index: LibraryIndex) -> None:
    evidence = Evidence("a b : ℕ\n⊢ a = b", "", index, False, PORTFOLIO, PLAIN)
    assert "constructor" not in proposed(evidence)
    assert not evidence.runs_here("intro h")


def test_a_first_step_counts_more_than_a_later_one() -> None:
    file = (
        "theorem one (p q : Prop) (hp : p) (hq : q) : p ∧ q := by\n  refine ⟨hp, ?_⟩\n"
        "  exact hq\n\ntheorem two : True := by\n  "
    )
    evidence = Evidence(GOAL, file, None, True, None, PLAIN)
    first = evidence.features("refine ⟨hp, ?_⟩", None, 0)["file_share"]
    later = evidence.features("exact hq", None, 0)["file_share"]
    assert first == pytest.approx(2 * later)


def test_a_lemma_of_the_file_becomes_a_step_with_its_name_as_written_here() -> None:
    file = "namespace Foo\n\ntheorem bar (n : ℕ) (h : 1 < n) : 0 < f n := sorry\n\n"
    goal = "m : ℕ\nhm : 1 < m\n⊢ 0 < f m"
    for text, wanted in (
        (f"{file}example : True := by\n  ", "exact bar _ hm"),
        (f"{file}end Foo\n\nexample : True := by\n  ", "exact Foo.bar _ hm"),
        (f"{file}end Foo\nopen Foo\nexample : True := by\n  ", "exact bar _ hm"),
    ):
        table = PremiseTable(read_document(text).statements())
        evidence = Evidence(goal, text, None, True, None, load_mixing(), tables={"file": table})
        assert proposed(evidence)[wanted] == ("file",)
        assert evidence.premises() == ["Foo.bar"]


def test_a_question_goes_with_its_answer_and_not_with_a_search_for_garbage(
    index: LibraryIndex,
) -> None:
    # An engine searches seldom, and a question holds its document and the indexes it asked.
    evidence = Evidence(GOAL, FILE, index, True, PORTFOLIO, PLAIN)
    scores = [(tactic, estimate.score) for tactic, estimate in evidence.propose()]
    assert evidence.choose(scores, 4)
    evidence.add_candidate("exact hp", -1.0, 3)
    assert evidence.known_names() is not None
    evidence.find_lemmas(4)
    evidence.mentions(["And.intro"])
    left = weakref.ref(evidence)
    gc.disable()
    try:
        del evidence
        assert left() is None
    finally:
        gc.enable()
