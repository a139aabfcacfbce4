"""Goals that the text of a proof tells, and those that it does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstep.lean_text.blocks import read_blocks
from llmstep.lean_text.document import read_document
from llmstep.sources.told_goal import tell_goal

HEAD = "theorem t (p q r : Prop) (h : p ∧ q) (e : ∃ n : Nat, n = 3 ∧ r) : "
GIVEN = ["p q r : Prop", "h : p ∧ q", "e : ∃ n : Nat, n = 3 ∧ r"]


def tell(text: str) -> str | None:
    document = read_document(text)
    (declaration,) = document.declarations(last=True)
    text = text[document.commands[-1].at :]
    goal = tell_goal(declaration, text, read_blocks(text))
    return str(goal) if goal else None


@pytest.mark.parametrize(
    ("target", "steps", "given", "left"),
    [
        ("p", "", [], "p"),
        ("p → q", "  intro hp\n", ["hp : p"], "q"),
        ("∀ x : Nat, x = x", "  intro x\n", ["x : Nat"], "x = x"),
        ("p ∧ q", "  constructor\n  · ", [], "p"),
        ("p ∧ q", "  constructor\n  · exact h.1\n  · ", [], "q"),
        ("p ∧ q", "  constructor\n  · simp\n    rfl\n", [], "q"),
        ("p ↔ q", "  constructor\n  · intro hp\n    ", ["hp : p"], "q"),
        ("p ↔ q", "  constructor\n  · simp\n  · ", [], "q → p"),
        ("p ∨ q", "  right\n", [], "q"),
        ("p", "  have hq : q := h.2\n", ["hq : q"], "p"),
        ("p", "  have hq : q := by\n    ", [], "q"),
        ("p", "  have hq : q := by\n    simp\n    rfl\n", ["hq : q"], "p"),
        ("p", "  exfalso\n", [], "False"),
        ("p", "  -- a remark\n  exfalso\n", [], "False"),
    ],
)
def test_the_goal_is_told(target: str, steps: str, given: list[str], left: str) -> None:
    end = "" if steps.endswith(" ") else "  "
    assert tell(f"{HEAD}{target} := by\n{steps}{end}") == "\n".join([*GIVEN, *given, f"⊢ {left}"])


@pytest.mark.parametrize(
    ("step", "given"),
    [
        ("obtain ⟨hp, hq⟩ := h", [GIVEN[0], GIVEN[2], "hp : p", "hq : q"]),
        ("rcases h with ⟨hp, hq⟩", [GIVEN[0], GIVEN[2], "hp : p", "hq : q"]),
        ("obtain ⟨m, hm, hr⟩ := e", [*GIVEN[:2], "m : Nat", "hm : m = 3", "hr : r"]),
        ("obtain ⟨m, ⟨hm, hr⟩⟩ := e", [*GIVEN[:2], "m : Nat", "hm : m = 3", "hr : r"]),
    ],
)
def test_a_hypothesis_is_taken_apart(step: str, given: list[str]) -> None:
    assert tell(f"{HEAD}p := by\n  {step}\n  ") == "\n".join([*given, "⊢ p"])


D = "theorem t (p q r : Prop) (d : p ∨ q ∧ r) (x : r) : "
NO_D = "p q r : Prop\nx : r\n"


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ("cases d with\n  | inl hp => ", f"{NO_D}hp : p"),
        ("cases d with\n  | inl hp =>\n    ", f"{NO_D}hp : p"),
        ("cases d with\n  | inl hp => simp\n  | inr hq =>\n    ", f"{NO_D}hq : q ∧ r"),
        (
            "cases d with\n  | inl hp => simp\n  | inr hq =>\n    obtain ⟨a, b⟩ := hq\n    ",
            f"{NO_D}a : q\nb : r",
        ),
        ("rcases d with hp | ⟨hq, hr⟩\n  · ", f"{NO_D}hp : p"),
        ("rcases d with hp | ⟨hq, hr⟩\n  · simp\n  · ", f"{NO_D}hq : q\nhr : r"),
        ("obtain hp | hq := d\n  · simp\n  ", f"{NO_D}hq : q ∧ r"),
        ("obtain (hp | hq) := d\n  · ", f"{NO_D}hp : p"),
        ("by_cases hp : p\n  · ", "p q r : Prop\nd : p ∨ q ∧ r\nx : r\nhp : p"),
        ("by_cases hp : p\n  · simp\n  · ", "p q r : Prop\nd : p ∨ q ∧ r\nx : r\nhp : ¬p"),
    ],
)
def test_each_case_has_its_goal(steps: str, told: str) -> None:
    assert tell(f"{D}x = x := by\n  {steps}") == f"{told}\n⊢ x = x"


def test_behind_the_cases_of_one_goal_comes_the_next() -> None:
    head = D + "r ∧ q := by\n  constructor\n  "
    told = tell(head + "cases d with\n  | inl hp => simp\n  | inr hq => simp\n  ")
    assert told is not None
    assert told.endswith("⊢ q")
    told = tell(HEAD + "r := by\n  cases e with\n  | intro m hm =>\n    ")
    assert told == "p q r : Prop\nh : p ∧ q\nm : Nat\nhm : m = 3 ∧ r\n⊢ r"


@pytest.mark.parametrize(
    "text",
    [
        "p := by\n  simp\n  ",
        "p := by\n  rw [foo]\n  ",
        "p := by\n  exact ",
        "p := by\n  constructor\n  · ",  # no conjunction
        "p ∧ q := by\n  constructor\n  · simp\n  · rfl\n  ",  # nothing is left
        "p ∧ q := by\n  constructor <;> ",
        "p := by\n  try ",
        "p := by\n  cases h with\n  | intro hp => ",
        "p := by\n  cases h with\n  | inl hp => ",  # no disjunction
        "p := by\n  cases h with\n  | intro hp hq => simp\n  ",  # nothing is left
        "p := by\n  cases h.1 with\n  | inl hp => ",
        "p := by\n  induction n with\n  | zero => ",
        "p := by\n  rcases h with a | b\n  · ",
        "p := by\n  rcases h with ⟨a | b, c⟩\n  · ",
        "p := by\n  by_cases hp : ¬p\n  · ",
        "p := by\n  obtain ⟨a, b, c⟩ := h\n  ",
        "p := by\n  obtain ⟨_, hq⟩ := h\n  ",
        "p := by\n  obtain ⟨a, b⟩ := foo\n  ",
        "p := foo (by ",
        "p := by\n  exact foo (by ",
        "p := by\n  have hq := by\n    ",
        "p :=\n  ",
        "p → q ∧ r := by\n  constructor\n  · ",
    ],
)
def test_what_is_not_sure_is_not_told(text: str) -> None:
    assert tell(HEAD + text) is None


def test_a_variable_without_type_leaves_it_untold() -> None:
    assert tell("theorem t (n) : n = n := by\n  ") is None


@given(st.text("⟨⟩, h∧∃·\n xp:=by", max_size=50))
def test_no_proof_is_too_strange(steps: str) -> None:
    document = read_document(f"{HEAD}p := by\n  {steps}")
    for declaration in document.declarations(last=True)[-1:]:
        text = document.text[document.commands[-1].at :]
        tell_goal(declaration, text, read_blocks(text))
