"""Declarations and steps read from the text of a Lean file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstep.prompts.goal import parse_goal
from llmstep.sources.features import goal_features, goal_roles
from llmstep.sources.file_proofs import FileProof, file_words, nearest_proofs, read_proofs
from llmstep.sources.steps import Surroundings, plain, words

FILE = """import Mathlib

/-- A doc comment with theorem fake : p := by simp -/
@[simp] theorem one (p q : Prop) (hp : p) : p ∨ q := by
  left
  exact hp

lemma two {a b : ℕ} (hab : a ≤ b) : a < b + 1 :=
  Nat.lt_succ_of_le hab

instance : Inhabited ℕ := ⟨0⟩

theorem three (s t : Set ℕ) : s ∩ t = t ∩ s := by
  ext x
  constructor
  · rintro ⟨hs, ht⟩
    exact ⟨ht, hs⟩
  · intro h -- a comment
    simp [h,
      Set.mem_inter_iff]
    have : x ∈ s :=
      h.2
    exact ⟨this, h.1⟩

theorem four (p : Prop) : p → p := by
  """


def steps_of(text: str) -> list[list[str]]:
    return [[plain(step) for step in d.steps] for d in read_proofs(text)]


def test_each_declaration_gives_its_steps() -> None:
    one, two, inhabited, three = steps_of(FILE)
    assert one == ["left", "exact hp"]
    assert two == ["exact Nat.lt_succ_of_le hab"]
    assert inhabited == ["exact ⟨0⟩"]
    assert three[:5] == ["ext x", "constructor", "rintro ⟨hs, ht⟩", "exact ⟨ht, hs⟩", "intro h"]


def test_what_goes_on_in_the_next_line_is_no_step() -> None:
    three = steps_of(FILE)[-1]
    assert not any("Set.mem_inter_iff" in step or step == "h.2" for step in three)
    assert three[-1] == "exact ⟨this, h.1⟩"


def test_the_declaration_at_the_end_is_the_questions_own() -> None:
    assert len(steps_of(FILE)) == 4
    assert len(steps_of(FILE + "exact id\n\ntheorem five : True := by\n  ")) == 5


def test_a_statement_resembles_its_goal() -> None:
    declared = read_proofs(FILE)[0].features
    printed = goal_features(parse_goal("p q : Prop\nhp : p\n⊢ p ∨ q"))
    assert {f for f in printed if f[0] in "GBP"} == {f for f in declared if f[0] in "GBP"}


def test_a_step_is_told_with_the_names_of_another_goal() -> None:
    (step,) = read_proofs(FILE)[1].steps
    assert plain(step) == "exact Nat.lt_succ_of_le hab"
    goal = parse_goal("m n : ℕ\nh₀ : n < m\nh₁ : m ≤ n\n⊢ m < n + 1")
    assert Surroundings.of(goal_roles(goal)).adapt(step) == "exact Nat.lt_succ_of_le h₁"


def test_roles_in_a_file_are_those_of_the_printed_goal() -> None:
    file = (
        "theorem t {α : Type*} (f : α → ℕ) [Inhabited α] (h : ∀ x, f x = 0) : f a = 0 :=\n  h _\n"
    )
    (step,) = read_proofs(file + "\nexample : True := ")[0].steps
    printed = "β : Type u_2\ng : β → ℕ\ninst✝ : Inhabited β\nhg : ∀ (y : β), g y = 0\n⊢ g b = 0"
    assert Surroundings.of(goal_roles(parse_goal(printed.replace(" (y : β)", " y")))).adapt(
        step
    ) == ("exact hg _")


def test_no_text_has_no_declarations() -> None:
    assert read_proofs("") == []
    assert read_proofs("import Mathlib\n\nexample : True := by\n  ") == []


@given(st.text(alphabet="theorem lemma :=byexact⟨⟩()[]{}·|-\n /h1 ", max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    for declaration in read_proofs(text):
        assert declaration.steps


def test_the_proofs_of_the_most_similar_statements_count_the_later_ones_first() -> None:
    proofs = [
        FileProof(frozenset(features), (step,))
        for features, step in (("ab", "one"), ("abcd", "two"), ("xy", "three"), ("ab", "four"))
    ]
    goal = frozenset("ab")
    found = nearest_proofs(proofs, goal, None, 3)
    assert [proof.steps[0] for proof, _ in found] == ["four", "one", "two"]
    assert [cosine for _, cosine in found] == pytest.approx([1.0, 1.0, 0.5**0.5])
    assert [proof.steps[0] for proof, _ in nearest_proofs(proofs, goal, None, 1)] == ["four"]
    weighty = nearest_proofs(proofs, goal, lambda names: dict.fromkeys(names, 1.0) | {"c": 9.0}, 3)
    assert weighty[2][1] == pytest.approx((2 / 12) ** 0.5)


@pytest.mark.parametrize("end", ["", "  exact foo_bar h", "\n\ntheorem c : x = y' := by\n  "])
def test_the_words_of_a_file_are_those_of_both_its_parts(end: str) -> None:
    above = "import A.B\n\ntheorem a : p := by\n  simp [Nat.le_of_lt]\n\nlemma b : q := by\n"
    for text in (above + end, end):
        assert file_words(text) == set(words(text))
