"""States in the middle of proofs, as Lean prints them."""

from __future__ import annotations

import textwrap

import pytest

from llmstep_workshop.data.reconstruction.proof_walk import walk_proof
from llmstep_workshop.data.reconstruction.theorem_goals import scan_goals


def steps(text: str) -> dict[str, str]:
    """The state before each step of the theorems of a text."""
    found: dict[str, str] = {}
    for theorem in scan_goals(textwrap.dedent(text).strip() + "\n", auto_bound=True, mathlib=False):
        for step in walk_proof(theorem.goal, theorem.declaration.proof):
            found.setdefault(step.tactic, step.state)
    return found


def state(text: str) -> str:
    return textwrap.dedent(text).strip()


def test_constructors_and_cases_leave_their_tags() -> None:
    found = steps(
        """
        theorem t (p q r : Prop) : p ∧ (q ∨ r) ↔ (p ∧ q) ∨ (p ∧ r) := by
          constructor
          · intro h
            cases h.right with
            | inl hq => exact Or.inl ⟨h.left, hq⟩
            | inr hr =>
              right
              constructor
              · exact h.left
              · exact hr
          · rintro (⟨hp, hq⟩ | ⟨_, hr⟩)
            · refine ⟨hp, ?_⟩
              left; exact hq
            · sorry
        """
    )
    assert found["exact Or.inl ⟨h.left, hq⟩"] == state(
        """
        case mp.inl
        p q r : Prop
        h : p ∧ (q ∨ r)
        hq : q
        ⊢ p ∧ q ∨ p ∧ r
        """
    )
    assert found["exact hr"].startswith("case mp.inr.right\n")
    assert found["left"] == "case mpr.inl\np q r : Prop\nhp : p\nhq : q\n⊢ q ∨ r"
    assert found["sorry"] == "case mpr.inr\np q r : Prop\nleft✝ : p\nhr : r\n⊢ p ∧ (q ∨ r)"


@pytest.mark.parametrize(
    ("proof", "last"),
    [
        ("intro h\n  exact foo", "h : p ∧ q\n⊢ q ∧ p"),
        ("intro ⟨hp, hq⟩\n  exact foo", "hp : p\nhq : q\n⊢ q ∧ p"),
        ("intro\n  exact foo", "a✝ : p ∧ q\n⊢ q ∧ p"),
        ("intro h\n  cases h\n  exact foo", "left✝ : p\nright✝ : q\n⊢ q ∧ p"),
        ("intro h\n  have hp := h.left\n  exact foo", "h : p ∧ q\nhp : p\n⊢ q ∧ p"),
        ("intro h\n  obtain ⟨hp, hq⟩ := h\n  exact foo", "hp : p\nhq : q\n⊢ q ∧ p"),
        ("intro h\n  by_contra hn\n  exact foo", "h : p ∧ q\nhn : ¬(q ∧ p)\n⊢ False"),
        ("intro h\n  exfalso\n  exact foo", "h : p ∧ q\n⊢ False"),
        ("intro h\n  revert h\n  exact foo", "⊢ p ∧ q → q ∧ p"),
        ("intro h\n  cases h\n  rename_i a b\n  exact foo", "a : p\nb : q\n⊢ q ∧ p"),
        ("intro h\n  by_cases hp : p\n  · exact foo", "h : p ∧ q\nhp : p\n⊢ q ∧ p"),
        ("refine fun h => ?_\n  exact foo", "h : p ∧ q\n⊢ q ∧ p"),
        ("intro h\n  let n := 5 + m\n  exact foo", "h : p ∧ q\nn : Nat := 5 + m\n⊢ q ∧ p"),
    ],
)
def test_a_step_leaves_what_lean_leaves(proof: str, last: str) -> None:
    text = f"theorem t (p q : Prop) (m : Nat) : p ∧ q → q ∧ p := by\n  {proof}\n"
    shown = "\n".join(
        line for line in steps(text)["exact foo"].split("\n") if not line.startswith("case")
    )
    assert shown == f"p q : Prop\nm : Nat\n{last}"


def test_induction_gives_both_cases() -> None:
    found = steps(
        """
        theorem t (m n : Nat) (h : m = n) : 0 + n = n := by
          induction n with
          | zero => exact a
          | succ k ih => exact b
        """
    )
    assert found["exact a"] == "case zero\nm : Nat\nh : m = 0\n⊢ 0 + 0 = 0"
    assert found["exact b"] == state(
        """
        case succ
        m k : Nat
        ih : m = k → 0 + k = k
        h : m = k + 1
        ⊢ 0 + (k + 1) = k + 1
        """
    )


def test_shadowed_and_unnamed_hypotheses_bear_daggers() -> None:
    found = steps(
        """
        theorem t (p q r : Prop) : p → q → r → p := by
          intro h h _
          exact h
        theorem u (f : Nat → Nat) : (∃ x, f x = 0) → True := by
          intro ⟨_, _⟩
          trivial
        """
    )
    assert found["exact h"] == "p q r : Prop\nh✝ : p\nh : q\na✝ : r\n⊢ p"
    assert found["trivial"] == "f : Nat → Nat\nw✝ : Nat\nh✝ : f w✝ = 0\n⊢ True"


def test_named_cases_and_what_is_proved_on_the_way_have_no_tag() -> None:
    found = steps(
        """
        theorem t (p q : Prop) (h : p ∨ q) : q ∨ p := by
          cases h
          case inl hp => exact Or.inr hp
          next hq =>
            have hqq : q ∧ q := by
              exact ⟨hq, hq⟩
            exact Or.inl hqq.1
        """
    )
    assert found["exact Or.inr hp"] == "p q : Prop\nhp : p\n⊢ q ∨ p"
    assert found["exact ⟨hq, hq⟩"] == "p q : Prop\nhq : q\n⊢ q ∧ q"
    assert found["exact Or.inl hqq.1"] == "p q : Prop\nhq : q\nhqq : q ∧ q\n⊢ q ∨ p"


def test_steps_of_calc() -> None:
    found = steps(
        """
        theorem t (a b c : Nat) (h : a = b) (k : b = c) : a = c := by
          calc a = b := h
            _ = c := by rw [k]
        """
    )
    assert found["exact h"].endswith("⊢ a = b")
    assert found["rw [k]"].endswith("⊢ b = c")


def test_what_is_not_known_is_not_guessed() -> None:
    found = steps(
        """
        theorem t (p q : Prop) (h : p ∨ q) : q ∨ p := by
          rcases foo h with ⟨x, hx⟩
          exact one
        theorem u (p : Prop) : p := by
          simp at foo
          exact two
        theorem v (n : Nat) : n = n ∧ True := by
          simp
          exact three
        """
    )
    assert not {"exact one", "exact two", "exact three"} & set(found)
    assert "rcases foo h with ⟨x, hx⟩" in found


@pytest.mark.parametrize(
    "proof",
    [
        "match h with | => exact a | => exact b",
        "cases h with | inl | inr",
        "intro | ⟨",
        "rcases h with ⟨|⟩",
        "obtain ⟨x, := h",
        "refine ⟨?_,",
        "calc _",
        "have : := by",
        "{ exact a",
        "·",
        "case",
        "next =>",
        "induction generalizing with",
    ],
)
def test_broken_steps_end_the_proof(proof: str) -> None:
    found = steps(f"theorem t (p q : Prop) (h : p ∨ q) : q ∨ p := by\n  {proof}\n  exact behind\n")
    assert all("⊢" in shown for shown in found.values())


def test_a_rewrite_with_a_hypothesis_is_followed() -> None:
    found = steps(
        """
        theorem t (a b c : Nat) (h : a = b) (k : b + 0 = c) : a + 0 = c := by
          rw [h]
          exact k
        """
    )
    assert found["exact k"].endswith("⊢ b + 0 = c")


def test_a_substituted_variable_is_gone() -> None:
    found = steps(
        """
        theorem t (a b : Nat) (h : a = b) (k : 0 < b) : 0 < a := by
          subst h
          exact k
        """
    )
    assert found["exact k"] == "a : Nat\nk : 0 < a\n⊢ 0 < a"


def test_a_bound_name_is_no_mention_of_a_variable() -> None:
    found = steps(
        """
        theorem t (p : Nat → Prop) (z : p 0) (s : ∀ n, p (n + 1)) (m k : Nat) : p (m + k) := by
          cases m + k
          · exact z
          · apply s
        """
    )
    assert found["exact z"] == state(
        """
        case zero
        p : Nat → Prop
        z : p 0
        s : ∀ (n : Nat), p (n + 1)
        m k : Nat
        ⊢ p 0
        """
    )
    assert found["apply s"].endswith("m k n✝ : Nat\n⊢ p (n✝ + 1)")


def test_what_was_reverted_gets_its_name_again() -> None:
    found = steps(
        """
        theorem t (x y : Nat) (h : x = y) : y = x := by
          revert x
          intros
          apply Eq.symm
        """
    )
    assert found["intros"] == "y : Nat\n⊢ ∀ (x : Nat), x = y → y = x"
    assert found["apply Eq.symm"] == "y x✝ : Nat\nh✝ : x✝ = y\n⊢ y = x✝"


def test_named_holes_take_the_place_of_the_tag() -> None:
    found = steps(
        """
        theorem t (p q : Prop) (h : p ∨ q) : q ∨ p := by
          cases h with
          | inl hp =>
            by_cases hq : q
            · exact one
            · refine ⟨?_, ?other⟩
          | inr hq => exact two
        """
    )
    assert found["exact one"] == "case pos\np q : Prop\nhp : p\nhq : q\n⊢ q ∨ p"
    assert found["exact two"].startswith("case inr\n")
